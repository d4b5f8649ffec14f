"""Attention of every family that transformers knows, against the maps that an eager model of it returns."""

import pytest
import torch
from importance.plain_loop import concentrations, eager_copy
from students.tiny_families import NoTinyModelError, model_types, tiny_teacher

from shortstack import measure_importance
from shortstack.errors import UnsupportedModelError

WITHIN, SEEN = 1e-3, 127  # float32, and weights so small that attention is nearly even and the scores nearly 0


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:.*")
def test_attention_is_seen_as_the_family_computes_it(batch):
    """Attention is measured as each family computes it, or refused; a newly refused family fails the test."""
    wrong = {}
    results = {model_type: scores for model_type in model_types() if (scores := both(model_type, batch)) is not None}
    for model_type, (scores, expected) in results.items():
        error = float((scores - expected).abs().max() / expected.abs().max())
        if not error <= WITHIN:
            wrong[model_type] = error

    assert wrong == {}
    assert len(results) >= SEEN


def both(model_type, batch):
    """Return measured scores and those from the maps, float64 ``(layers,)`` each; None for a family that is refused."""
    short = {name: tensor[:, -5:] for name, tensor in batch.items()}
    whole = {name: tensor[short["attention_mask"].all(1)] for name, tensor in short.items()}
    try:
        model = tiny_teacher(model_type)
        scores = measure_importance(model, [whole], ["attention"])["attention"].scores
    except (NoTinyModelError, UnsupportedModelError):
        return None
    eager = eager_copy(model).float()
    maps = eager(input_ids=whole["input_ids"], use_cache=False, output_attentions=True).attentions
    rows = [torch.cat([concentrations([layer[i : i + 1]], drop=True)[0] for i in range(len(layer))]) for layer in maps]
    return scores, torch.stack([row.mean() for row in rows])
