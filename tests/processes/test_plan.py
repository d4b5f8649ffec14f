"""What a plan says of several processes."""

from math import ceil

import pytest
from pipeline.conftest import ring_tables, write_ring

from shortstack import Run
from shortstack.models.parameters import count_parameters
from shortstack.planning.workload import Workload


def test_time_and_traffic(tmp_path):
    """Each of two processes has half of a step's operations and sends each gradient once; memory loses activations only."""
    tables = ring_tables(write_ring(tmp_path / "ring.csv"), evaluation={"scratch": False, "resamples": 100})
    tables["importance"]["examples"] = 2 * Run.from_mapping(tables).importance.batch_size
    run = Run.from_mapping(tables)
    config, data = run.teacher_config(items=run.count_items()), run.histories()
    one, two = (
        {stage.stage: stage for stage in run.forecast(config, tflops=1e-6, data=data, processes=number)}
        for number in (1, 2)
    )
    fit, extent, count = run.teacher.fit, Workload.of_data(run, config, data), count_parameters(config)
    step = 6 * fit.batch_size * (count.body * extent.width(fit) + extent.candidates * 16 * ceil(extent.supervised))

    assert two["importance"].seconds == pytest.approx(one["importance"].seconds / 2)
    # the validation's 60 users are one batch, which one process has
    assert one["teacher"].seconds - two["teacher"].seconds == pytest.approx(fit.steps * step / 2 / 1e6)
    assert 4 * fit.steps * count.total == pytest.approx(two["teacher"].sent_bytes)
    assert one["teacher"].sent_bytes == 0
    assert two["teacher"].memory_bytes < one["teacher"].memory_bytes


def test_a_divided_model(tmp_path):
    """A process holds its part, and what is gathered; weights are gathered twice in a step, and gradients sent once."""
    tables = ring_tables(write_ring(tmp_path / "ring.csv"), evaluation={"scratch": False, "resamples": 100})
    whole = Run.from_mapping(tables)
    for table in (tables["teacher"], tables["distillation"]):
        table["fit"] = {**table["fit"], "parallel": "fsdp"}
    config, data = whole.teacher_config(items=whole.count_items()), whole.histories()
    ddp, fsdp = (
        {stage.stage: stage for stage in run.forecast(config, tflops=1e-6, data=data, processes=2)}
        for run in (whole, Run.from_mapping(tables))
    )
    count, steps = count_parameters(config), whole.teacher.fit.steps
    gathered = count.fixed + 2 * max(count.layers)

    assert ddp["teacher"].memory_bytes - fsdp["teacher"].memory_bytes == pytest.approx(8 * count.total - 8 * gathered)
    assert ddp["importance"].memory_bytes - fsdp["importance"].memory_bytes == 2 * count.total - 4 * gathered
    assert fsdp["teacher"].sent_bytes == pytest.approx(steps * 3 * 4 * count.total / 2)
    assert ddp["teacher"].seconds == fsdp["teacher"].seconds
