"""Logits for one short prompt: enough to decide whether two models compute the same function."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

_TOLERANCES = {torch.float64: 1e-7, torch.float32: 1e-4}  # of the largest logit
_HALF_TOLERANCE = 0.1


def random_prompt(model: PreTrainedModel, tokens: int = 8) -> Tensor:
    """Return random tokens, int64 ``(1, tokens)``: the same each time, and none of them padding."""
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    prompt = torch.randint(0, vocabulary, (1, tokens), generator=generator)
    padding = model.config.get_text_config().to_dict().get("pad_token_id")
    # a padding token could be treated differently, or have an embedding of 0
    tokens_without_padding = prompt if padding is None else prompt.where(prompt != padding, (prompt + 1) % vocabulary)
    return tokens_without_padding.to(model.device)


def uncached_logits(model: PreTrainedModel) -> Tensor:
    """Return the logits for the short prompt, ``(1, tokens, vocabulary)``, from one pass without a cache."""
    prompt = random_prompt(model)
    with torch.no_grad():
        logits: Tensor = model(input_ids=prompt, attention_mask=torch.ones_like(prompt), use_cache=False).logits
    return logits


def logits_agree(expected: Tensor, actual: Tensor) -> bool:
    """Return True if two tensors of logits are equal up to the rounding of their dtype.

    >>> logits = torch.tensor([1.0, 10.0])
    >>> logits_agree(logits, logits + 1e-5), logits_agree(logits, logits + 0.1)
    (True, False)
    """
    tolerance = _TOLERANCES.get(expected.dtype, _HALF_TOLERANCE)
    difference = (expected.double() - actual.double()).abs().max()
    return bool(difference <= tolerance * expected.double().abs().max())
