"""Compressed models in an evaluation: rows of their own, beside others that stay as they are."""

import json
import math
import shutil

import pytest
from pipeline.prepared import alone, context, llama, tables
from pipeline.test_evaluation import STAGE, expected, scored

from shortstack.compression.compressing import compress
from shortstack.compression.names import method_named
from shortstack.config.run import RunConfig
from shortstack.config.writer import unstructure
from shortstack.errors import ConfigurationError, UnknownNameError, UnsupportedModelError
from shortstack.files import read_json
from shortstack.pipeline.calibration import calibration_batches
from shortstack.pipeline.compressed import rehearse_compression
from shortstack.pipeline.preflight import check
from shortstack.registry import Registry
from shortstack.run_layout import CASES, EVALUATION, METRICS

COMPRESSED = {"teacher": ["wanda-2:4", "low-rank-50%"], "student": ["int8"]}
WHOLE = {"teacher": (4, 0), "student": (2, 2)}
"""Layers and seed of the models in the folder."""


def settings(**compressed):
    """Return an evaluation with compressed models."""
    return {"resamples": 100, "seen": "exclude", "compressed": compressed}


@pytest.fixture(scope="module")
def evaluated(prepared, tmp_path_factory):
    """A run's context, and the record of its evaluation with compressed models; read only."""
    root = tmp_path_factory.mktemp("compressed") / "run"
    shutil.copytree(prepared, root, ignore=shutil.ignore_patterns(EVALUATION))
    run = context(root, evaluation=settings(**COMPRESSED))
    assert alone(STAGE, run) == {METRICS, CASES}  # the weights are not left there
    return run, read_json(run.root / EVALUATION / METRICS)


@pytest.mark.parametrize("name", ["teacher wanda-2:4", "teacher low-rank-50%", "student int8"])
def test_metrics_are_those_of_the_compressed_model(evaluated, name):
    """Against ranks that are counted one by one, of a model that is compressed here with the same examples."""
    run, record = evaluated
    folder, method = name.split(" ")
    model = llama(*WHOLE[folder])
    compress(model, method_named(method), calibration_batches(run))
    metrics, _ = expected(lambda history: scored(model, history), "exclude")

    assert {metric: record["metrics"][name][metric] for metric in metrics} == pytest.approx(metrics, rel=1e-4)
    assert record["metrics"][name]["loss"] != record["metrics"][folder]["loss"]


def test_the_other_methods_are_as_without(evaluated, without):
    """Nothing but rows is added."""
    _, record = evaluated
    run = context(without(EVALUATION))
    alone(STAGE, run)
    plain = read_json(run.root / EVALUATION / METRICS)
    names = set(record["metrics"]) - set(plain["metrics"])

    assert names == {"teacher wanda-2:4", "teacher low-rank-50%", "student int8"} == set(record["sizes"])
    assert {name: record["metrics"][name] for name in plain["metrics"]} == plain["metrics"]
    assert {name: record["comparisons"][name] for name in plain["comparisons"]} == plain["comparisons"]
    assert "sizes" not in plain


def test_they_are_compared_and_timed(evaluated):
    """Each with the teacher and with the model that it was."""
    _, record = evaluated
    ratio = record["comparisons"]["student int8/student"]["ndcg@10"]
    quotient = record["metrics"]["student int8"]["ndcg@10"] / record["metrics"]["student"]["ndcg@10"]

    assert ratio[0] == pytest.approx(quotient)
    assert {"student int8/teacher", "teacher wanda-2:4/teacher"} < set(record["comparisons"])
    assert all(math.isfinite(record["speed"][name]["ms_per_user_1"]) for name in record["sizes"])
    assert set(record["sizes"]["student int8"]) == {"disk_bytes", "memory_bytes"}
    assert set(record["sizes"]["teacher wanda-2:4"]) == {"disk_bytes", "memory_bytes", "sparse_bytes"}


def test_without_them_the_key_is_what_it_was():
    """A finished evaluation of an earlier version stays; an empty list is none."""
    registry = Registry.from_environment()
    plain = RunConfig.from_mapping(tables())
    empty = RunConfig.from_mapping(tables(evaluation=settings(teacher=[])))
    key, other = (json.dumps(unstructure(STAGE.depends_on(run, registry))) for run in (plain, empty))

    assert key == other
    assert "compressed" not in key


@pytest.mark.parametrize("model", ["teacher", "student"])
def test_a_method_that_does_not_exist(model):
    """Found before any work."""
    run = RunConfig.from_mapping(tables(evaluation=settings(**{model: ["int9"]})))
    with pytest.raises(UnknownNameError, match=r"unknown compression method 'int9'; did you mean 'int8'"):
        check(run, Registry.from_environment())


def test_a_model_that_is_not_compressed():
    """The two that are, are listed."""
    with pytest.raises(
        UnknownNameError, match=r"setting of evaluation.compressed: 'pruned'.*\(known: student, teacher\)"
    ):
        RunConfig.from_mapping(tables(evaluation=settings(pruned=["int8"])))


def test_one_method_is_no_list():
    """The message names the setting."""
    with pytest.raises(ConfigurationError, match=r"evaluation\.compressed\.teacher"):
        RunConfig.from_mapping(tables(evaluation=settings(teacher="int8")))


def test_a_family_that_cannot_be_compressed_is_found_before_the_training():
    """By the untrained teacher, whose inner width has no whole groups of five; the student's methods are of the student."""
    run = context(None, evaluation=settings(teacher=["magnitude-2:5"], student=["magnitude-2:4"]))
    with pytest.raises(UnsupportedModelError, match=r"^magnitude-2:5 cannot compress LlamaForCausalLM"):
        rehearse_compression(run, {"teacher": llama(4, 0), "student": llama(2, 0)})
