"""Data-parallel training equals the big batch, with two real processes."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("one_step_of_many_ranks.py")


@pytest.mark.full
def test_two_ranks_are_one(tmp_path):
    """Gradients, projections' included, logged losses and their gradient norms; ranks hold different numbers of terms."""
    results = []
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
        subprocess.run([sys.executable, *launcher, str(SCRIPT), str(folder), str(ranks)], check=True, timeout=300)
        results.append([load_file(folder / f"{kind}.safetensors") for kind in ("gradients", "losses")])
    (gradients, losses), (parallel_gradients, parallel_losses) = results

    assert len(gradients) > 20
    assert losses.keys() == parallel_losses.keys()
    assert {"loss/labels", "weight/labels", "gradient_norm/labels"} <= losses.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, parallel_gradients[name], rtol=0, atol=1e-6), name
    for name, value in losses.items():
        assert torch.allclose(value, parallel_losses[name], rtol=1e-5), name
