"""A run whose teacher is a mixture of experts with widths that torch cannot multiply."""

import pytest

from shortstack import Run
from shortstack.errors import UnsupportedModelError


def test_a_mixture_that_torch_cannot_multiply(tmp_path, ring, tables):
    """In float32 rows of ten numbers are not 16 bytes; it is said before any training, and of no plugin."""
    given = tables(ring)
    widths = {"hidden_size": 10, "intermediate_size": 24, "num_local_experts": 2, "head_dim": 8}
    config = {**given["teacher"]["config"], "model_type": "mixtral", **widths}
    run = Run.from_mapping({**given, "teacher": {**given["teacher"], "config": config}})

    with pytest.raises(
        UnsupportedModelError, match=r"torch multiplies the matrices of experts only where .* multiples of 8$"
    ):
        run.execute(tmp_path / "run")
    assert not (tmp_path / "run" / "teacher").exists()
