"""Calibration batches as scorers get them."""

import torch
from torch import nn

from shortstack.importance.calibration import checked_batches


def test_tensors_made_in_inference_mode_can_be_differentiated_through():
    """A scorer may put them through an embedding of its own; torch refuses that for inference tensors."""
    with torch.inference_mode():
        ids = torch.tensor([[1, 2, 3]])
        made = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}
    (batch,) = checked_batches([made], torch.device("cpu"))
    embedding = nn.Embedding(4, 2)
    embedding(batch.input_ids).sum().backward()

    assert embedding.weight.grad.sum(1).tolist() == [0.0, 2.0, 2.0, 2.0]
    assert not any(tensor.is_inference() for tensor in (batch.input_ids, batch.attention_mask, batch.labels))


def test_other_tensors_are_not_copied():
    """A batch on the model's device costs no memory a second time; labels may be changed, the first is never predicted."""
    ids = torch.tensor([[1, 2, 3]])
    made = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}
    (batch,) = checked_batches([made], torch.device("cpu"))

    assert batch.input_ids is made["input_ids"]
    assert batch.attention_mask is made["attention_mask"]
