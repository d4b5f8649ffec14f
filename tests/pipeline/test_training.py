"""Training within a stage: the metric that selects checkpoints must be defined."""

import numpy as np
import pytest
from pipeline.prepared import FIT, alone, context

from shortstack.errors import ConfigurationError
from shortstack.files import read_json
from shortstack.pipeline.distillation import distillation_stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import STUDENT, TRAINING

STAGE = distillation_stage(Round(number=1, steps=1))


def never_defined(ranks):
    """NaN for every case."""
    return ranks * np.nan


def defined_once(ranks):
    """A number for the first case alone."""
    return np.where(np.arange(len(ranks)) == 0, ranks, np.nan)


def selecting(root, metric):
    """Return a run whose checkpoints are selected by a metric of its own."""
    name = metric.__name__.replace("_", "-")
    evaluation = {"resamples": 100, "seen": "exclude", "metrics": [metric], "selected_by": name}
    return context(root, evaluation=evaluation, distillation={"losses": {"labels": 1.0}, "fit": FIT})


def test_a_metric_that_is_undefined_for_every_case_is_named(without):
    """At the first validation, with the way out; no model is left behind."""
    root = without(STUDENT)
    expected = (
        r"^the metric 'never-defined' is NaN for each of the 8 validation cases, so that no checkpoint can be selected by it; "
        r"correct it, or select by another \(evaluation\.selected_by\)$"
    )

    with pytest.raises(ConfigurationError, match=expected):
        STAGE.perform(selecting(root, never_defined), "a key")
    assert not (root / STUDENT).exists()


def test_a_metric_of_one_case_selects(without):
    """Cases that do not count are left out of the mean."""
    run = selecting(without(STUDENT), defined_once)
    alone(STAGE, run)

    assert read_json(run.root / STUDENT / TRAINING)["curve"][-1]["defined-once"] >= 1
