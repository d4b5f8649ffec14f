"""Stages that run again when a setting changes: every setting has a row, and dependent stages run too."""

import json

import attrs
import pytest
from pipeline.conftest import ring_tables

from shortstack.config.reader import replace
from shortstack.config.run import RunConfig
from shortstack.config.writer import unstructure
from shortstack.pipeline.runner import stages_of
from shortstack.registry import Registry

DATA, FIT, SELECTED = {"data"}, {"distillation"}, {"selection"}
CHANGES = {
    # what an adapter reads is in the key of the data stage by its content
    "data.source": ("other.csv", set()),
    "data.adapter": ("amazon-reviews", set()),
    "data.settings": ({}, set()),
    "data.core": (3, DATA),
    "data.min_rating": (2.0, DATA),
    "data.since": ("2001-01-01", DATA),
    "data.until": ("2001-01-01", DATA),
    "data.sample_users": (9, DATA),
    "data.last_n": (9, DATA),
    "data.duplicates": ("last", DATA),
    "data.ties": ("file", DATA),
    "data.order": ("file", DATA),
    "data.split": ("ratio", DATA),
    "data.valid_share": (0.2, DATA),
    "data.test_share": (0.2, DATA),
    "teacher": ({"path": "there"}, {"teacher"}),
    "task.name": ("rating", {"data", "teacher", "calibration", "scratch"}),
    "task.settings": ({"window": 5}, {"teacher", "calibration", "scratch"}),
    "importance.scorers": (["fisher"], {"importance"}),
    "importance.settings": ({"attention": {"sink": "keep"}}, {"importance"}),
    "importance.examples": (9, {"calibration"}),
    "importance.batch_size": (9, {"calibration"}),
    "selection.scorer": ("fisher", SELECTED),
    "selection.strategy": ("last", SELECTED),
    "selection.settings": ({"seed": 1}, SELECTED),
    "selection.keep_ratio": (0.5, SELECTED),
    "selection.latency_batch_size": (9, SELECTED),
    "student.architecture": ("compact", {"pruning"}),
    "student.settings": ({"repair": "linear"}, {"pruning"}),
    "distillation.losses": ({"labels": 2.0}, FIT),
    "distillation.balancing": ("fixed", FIT),
    "distillation.cache": ("off", FIT),
    "distillation.log_gradient_norms": (True, FIT),
    "distillation.taught_by": ("teacher", FIT),
    "teacher.fit.report_to": (["mlflow"], set()),
    "distillation.fit.report_to": (["mlflow"], set()),
    "teacher.fit.parallel": ("fsdp", set()),
    "distillation.fit.parallel": ("fsdp", set()),
    # rounding differs
    "teacher.fit.compile": (True, {"teacher"}),
    "distillation.fit.compile": (True, FIT),
    "teacher.fit.kernels": ("liger", {"teacher"}),
    "distillation.fit.kernels": ("liger", FIT),
    "distillation.fit": ({"steps": 9, "warmup_steps": 0}, FIT),
    "evaluation.protocol": ("sampled", {"evaluation"}),
    "evaluation.seen": ("include", {"teacher", "scratch", "evaluation"}),
    "evaluation.cutoffs": ([10], {"evaluation"}),
    "evaluation.metrics": (["shortstack.evaluation.metrics:hit"], {"teacher", "scratch", "evaluation"}),
    "evaluation.selected_by": ("hr@10", {"teacher", "scratch", "evaluation"}),
    "evaluation.baselines": (["popularity"], {"evaluation"}),
    "callbacks": (["transformers:TrainerCallback"], {"teacher", "distillation", "scratch"}),
    "evaluation.resamples": (200, {"evaluation"}),
    "evaluation.scratch": (False, {"evaluation"}),
    "evaluation.compressed": ({"student": ["int8"]}, {"evaluation"}),
    "seed": (1, {"data", "teacher", "calibration", "importance", "distillation", "scratch", "evaluation"}),
    "device": ("auto", {"teacher", "distillation", "scratch"}),
}
OTHER_BUDGETS = {"keep_layers", "parameters", "body_parameters", "bytes", "cache_bytes", "latency_ms", "schedule"}
"""Beside another budget, or making stages of their own."""


def own_keys(tables, registry=None):
    """Return each stage's own key, of the settings that it depends on itself."""
    run, registry = RunConfig.from_mapping(tables), registry or Registry.from_environment()
    return {
        stage.name: json.dumps(unstructure(stage.depends_on(run, registry)), sort_keys=True, default=str)
        for stage in stages_of(run)
    }


@pytest.mark.parametrize("setting", CHANGES)
def test_a_setting_and_its_stages(setting):
    """Exactly these stages have another key of their own."""
    value, expected = CHANGES[setting]
    tables = replace(
        ring_tables("x.csv"), "selection.strategy", "random" if setting == "selection.settings" else "strategic"
    )
    before, after = own_keys(tables), own_keys(replace(tables, setting, value))

    assert {name for name in after if before.get(name) != after[name]} == expected


@pytest.mark.parametrize("setting", sorted(CHANGES.keys() - {"evaluation.baselines"}))
def test_sasrec_is_trained_again_where_scratch_is(setting):
    """What changes data, task, seed, device or the judging of checkpoints; nothing of the teacher's or the student's."""
    value, expected = CHANGES[setting]
    tables = replace(
        ring_tables("x.csv"), "selection.strategy", "random" if setting == "selection.settings" else "strategic"
    )
    tables = replace(tables, "evaluation.baselines", ["sasrec"])
    changed = own_keys(tables)["sasrec"] != own_keys(replace(tables, setting, value))["sasrec"]

    assert changed == ("scratch" in expected)


def test_every_setting_has_a_row():
    """A new setting must say here what it changes; a row of a table stands for all of its settings."""
    names = {
        f"{table.name}.{field.name}" if attrs.has(table.type) else table.name
        for table in attrs.fields(RunConfig)
        for field in (attrs.fields(table.type) if attrs.has(table.type) else (table,))
    }
    others = {f"selection.{name}" for name in OTHER_BUDGETS}

    assert {name for name in names - others if name not in CHANGES and name.partition(".")[0] not in CHANGES} == set()
