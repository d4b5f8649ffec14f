"""A language model of four layers that knows thirty-two words, and its tokenizer."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

UNKNOWN = "?"
WORDS = [UNKNOWN, "Item", *map(str, range(30))]
UNTIED = {"tie_word_embeddings": False}


def tokenizer(known=WORDS):
    """Return a tokenizer with one token per word."""
    numbers = known if isinstance(known, dict) else {word: number for number, word in enumerate(known)}
    words = Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token=UNKNOWN)


def llama(**changes):
    """Return a Llama with four layers of width 16."""
    torch.manual_seed(0)
    fields = {
        "vocab_size": len(WORDS) + 4, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4,
        "num_attention_heads": 2, "num_key_value_heads": 2, "tie_word_embeddings": True, "initializer_range": 0.1,
    }  # fmt: skip
    return LlamaForCausalLM(LlamaConfig(**{**fields, **changes}))


def teacher(path, **changes):
    """Return the teacher table: a few training steps, with a higher learning rate for items."""
    fit = {
        "steps": 12,
        "batch_size": 16,
        "learning_rate": 0.002,
        "warmup_steps": 2,
        "evaluate_every": 4,
        "item_rows_rate": 5.0,
    }
    return {"path": str(path), "fit": {**fit, **changes}}
