"""``make gpu`` says in one line why it does nothing where there is no CUDA device."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_skipped_without_cuda():
    """Without CUDA the script prints one line and exits with 0."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--part", "quickstart"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0
    assert done.stdout == "make gpu: skipped, torch finds no CUDA device here\n"
