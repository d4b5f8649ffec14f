"""The padding token is never an item, as its embedding row would not be trained."""

import pytest
import torch
from pipeline.little_language_model import llama, tokenizer

from shortstack.errors import ConfigurationError
from shortstack.models.item_tokens import add_item_tokens
from shortstack.models.padding import padding_row, settle_padding
from shortstack.models.stored import stored_model


@pytest.mark.parametrize(("padding", "spare"), [(-1, 0), (-1, 4), (-3, 0)])
def test_padding_that_counts_from_the_end(tmp_path, padding, spare):
    """After growth, a reload and a step, every item has learnt; stock transformers reads the config without warning."""
    from transformers import AutoModelForCausalLM

    model, words = llama(pad_token_id=padding, vocab_size=32 + spare), tokenizer()
    tokens = add_item_tokens(model, words, ["Item 3", "7", "8"])
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    again(input_ids=torch.tensor([tokens]), labels=torch.tensor([tokens])).loss.backward()

    assert model.config.pad_token_id is None
    assert model.generation_config.pad_token_id is None
    assert padding_row(again) is None
    assert bool((again.get_input_embeddings().weight.grad[tokens].abs().sum(-1) > 0).all())


def test_padding_that_an_item_takes(caplog):
    """A family without a padding row may name any token: the first beyond the words, which becomes an item."""
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_embd=16, n_layer=1, n_head=2, pad_token_id=32))
    add_item_tokens(model, tokenizer(), ["Item 3"])

    assert model.config.pad_token_id is None
    assert "pad_token_id of GPT2LMHeadModel was 32, which is an item's token; it is None now" in caplog.text


def test_other_padding_stays():
    """A word that pads is no item."""
    model = llama(pad_token_id=5)
    settle_padding(model, [6, 7])

    assert (model.config.pad_token_id, padding_row(model)) == (5, 5)


def test_a_stored_model(tmp_path):
    """An invalid padding token of an earlier growth is repaired on loading, before training."""
    llama(pad_token_id=-1).save_pretrained(tmp_path)

    assert padding_row(stored_model(tmp_path)) is None


def test_a_candidate_that_never_learns():
    """Models that no folder brought are looked at by the trainer."""
    from shortstack.distillation.checks import check_padding

    model = llama(pad_token_id=-1)
    check_padding(model, torch.arange(30))
    with pytest.raises(
        ConfigurationError, match=r"candidate token 35 is the padding of LlamaForCausalLM \(pad_token_id=-1\)"
    ):
        check_padding(model, torch.arange(36))
