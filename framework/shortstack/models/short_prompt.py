"""What a model says to one short prompt: enough to tell whether two models are the same function."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

_TOLERANCES = {torch.float64: 1e-7, torch.float32: 1e-4}  # of the largest logit
_HALF_TOLERANCE = 0.1


def short_prompt(model: PreTrainedModel, tokens: int = 8) -> Tensor:
    """int64 ``(1, tokens)``: random tokens, the same each time, and none that means padding."""
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    prompt = torch.randint(0, vocabulary, (1, tokens), generator=generator)
    padding = model.config.get_text_config().to_dict().get("pad_token_id")
    found = prompt if padding is None else prompt.where(prompt != padding, (prompt + 1) % vocabulary)
    return found.to(model.device)


def uncached_logits(model: PreTrainedModel) -> Tensor:
    """``(1, tokens, vocabulary)``: what the model says to the short prompt in one pass."""
    prompt = short_prompt(model)
    with torch.no_grad():
        logits: Tensor = model(input_ids=prompt, attention_mask=torch.ones_like(prompt), use_cache=False).logits
    return logits


def logits_agree(expected: Tensor, actual: Tensor) -> bool:
    """Whether two tensors of logits are equal up to what their dtype can hold."""
    tolerance = _TOLERANCES.get(expected.dtype, _HALF_TOLERANCE)
    difference = (expected.double() - actual.double()).abs().max()
    return bool(difference <= tolerance * expected.double().abs().max())
