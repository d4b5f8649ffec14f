"""A run that divides its models among processes gives the result of one process."""

import pytest
from pipeline.conftest import ring_tables, write_ring
from processes.conftest import SCORERS, require_equal

from shortstack import Run
from shortstack.progress import Silent


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Settings whose models are divided, with a learning rate of the items' own, and layers chosen by measuring."""
    given = ring_tables(
        write_ring(tmp_path_factory.mktemp("ring") / "ring.csv"),
        callbacks=["processes.interrupting:Interrupting"],
        importance={"scorers": [*SCORERS, "magnitude"], "examples": 24, "batch_size": 5},
        selection={"keep_layers": 2, "scorer": "fisher", "strategy": "greedy"},
        evaluation={"resamples": 100},
    )
    for table in (given["teacher"], given["distillation"]):
        table["fit"] = {**table["fit"], "parallel": "fsdp", "item_rows_rate": 2.0}
    given["distillation"]["balancing"] = "fixed"  # ema amplifies the last digits of float32
    return given


@pytest.mark.full
def test_the_result_of_one(command, tables, tmp_path):
    """Interrupted in its tenth step and finished by two processes: the same layers, scores and metrics."""
    code, _, errors = command("--processes", "2", INTERRUPTED="fail 0 10")
    assert (2, 1) == (code, len(errors))
    code, _, errors = command("--processes", "2")

    assert (0, []) == (code, errors)
    require_equal(tmp_path / "out", Run.from_mapping(tables).execute(tmp_path / "alone", progress=Silent()))
