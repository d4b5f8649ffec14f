"""Error of every score against a float64 loop, by family: ``PYTHONPATH=tests python tests/importance/exactness.py``.

Writes ``docs/results/exactness.md``; the test of the same figures is ``test_scores_by_definition.py``.
"""

import warnings
from pathlib import Path

import torch
from importance.plain_loop import (
    FAMILIES,
    absolute_weights,
    by_definition,
    drop_losses,
    make_batch,
    mean_ranks,
    tiny_model,
)

from shortstack import measure_importance

PAGE = Path(__file__).parents[2] / "docs" / "results" / "exactness.md"
FOLDS = ["fisher", "gradient", "taylor", "block-influence", "angular", "norm-ratio", "magnitude"]
SCORERS = [*FOLDS, "attention", "hybrid", "drop-loss"]
DTYPES = {"float64": torch.float64, "float32": torch.float32}


def errors(family, dtype, registry=None):
    """Return for each scorer the largest difference from the plain loop, as a share of the largest score."""
    model, batch = tiny_model(family, dtype), make_batch()
    measured = measure_importance(model, [batch], SCORERS, registry=registry)
    expected = by_definition(model, batch)
    expected |= {"drop-loss": drop_losses(model, batch), "magnitude": absolute_weights(model)}
    expected["hybrid"] = mean_ranks(*(expected[name] for name in ("fisher", "attention", "gradient")))
    return {name: apart(measured[name].scores, expected[name]) for name in SCORERS}


def apart(found, expected):
    """Return the largest difference as a share of the largest score."""
    if found.dtype != torch.float64:
        raise TypeError(f"scores are of type {found.dtype}")
    return float((found - expected).abs().max() / expected.abs().max())


def page():
    """Return a table for each precision."""
    lines = [
        "# How exact the scores are",
        "",
        "`PYTHONPATH=tests python tests/importance/exactness.py`. The largest difference, over the layers, from a plain loop that takes one",
        "example at a time through a float64 copy of the model, without padding and with ordinary parameter gradients; as a share of",
        "the scorer's largest score. Six examples of 3 to 9 tokens, padded left, right or not, one without labels. Allowed: 1e-6 (float64) and",
        "1e-4 (float32).",
    ]
    for title, dtype in DTYPES.items():
        lines += [
            "",
            f"## {title} models",
            "",
            f"| family | {' | '.join(SCORERS)} |",
            "|---" * (len(SCORERS) + 1) + "|",
        ]
        for family in FAMILIES:
            cells = [f"{error:.0e}" for error in errors(family, dtype).values()]
            lines.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    PAGE.write_text(page(), encoding="utf-8")
