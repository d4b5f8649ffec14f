"""Estimates of each stage's time and memory, from the run's settings and the teacher's config."""

import json

import pytest
import torch
from pipeline.little_language_model import WORDS, llama, teacher
from pipeline.test_cli import to_toml
from transformers import AutoConfig

from shortstack import Registry, Run
from shortstack.cli import main
from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.evaluation.sasrec import GRID
from shortstack.models.initial import initial_config
from shortstack.models.memory_needs import memory_needed
from shortstack.models.parameters import count_parameters
from shortstack.planning.costs import costs_of
from shortstack.planning.forecast import Forecaster
from shortstack.planning.speed import ACTIVATIONS, Assumed, How, Taken, Work
from shortstack.planning.workload import Histories, Workload
from shortstack.run_layout import TEACHER_STATES


def config_of(run):
    """Return the config of a teacher that is yet to be trained."""
    return initial_config(run.teacher.config, vocabulary=31)


def test_every_stage_in_its_order(ring, tables):
    """Stages of a schedule are included; each takes some time and some memory."""
    run = Run.from_mapping(tables(ring, selection={"keep_layers": 1, "schedule": [2]}))
    forecasts = run.forecast(config_of(run))

    assert [forecast.stage for forecast in forecasts] == [
        "teacher", "importance", "distillation-1", "importance-2", "distillation", "scratch", "evaluation",
    ]  # fmt: skip
    assert all(forecast.seconds > 0 and forecast.memory_bytes > 0 for forecast in forecasts)


def test_operations_are_counted_by_the_formula(ring, tables):
    """Six operations per body parameter and token, and per candidate row and label; validations come on top."""
    run = Run.from_mapping(tables(ring, evaluation={"scratch": False, "resamples": 100}))
    config = config_of(run)
    extent = Workload.of_data(run, config, run.histories())
    body = count_parameters(config).body
    seconds = {forecast.stage: forecast.seconds for forecast in run.forecast(config, tflops=1e-6)}

    fit = run.teacher.fit
    label = extent.candidates * 16
    width, labels = extent.width(fit), -(-extent.supervised // 1)
    step = 6 * fit.batch_size * (body * width + label * labels)
    check = 2 * extent.cases[0] * (body * extent.case_tokens + label)  # in float32, six times slower
    assert seconds["teacher"] == pytest.approx((fit.steps * step + 3 * 6 * check) / 1e6)
    assert seconds["teacher"] > seconds["distillation"]


def test_compressed_models_are_evaluated_too(ring, tables):
    """Each takes as long as the model that was compressed; other stages take as long as before."""
    seconds = {}
    for teachers, students in ((0, 0), (1, 0), (3, 0), (0, 2)):
        methods = {"teacher": ["int8", "wanda-2:4", "wanda-50%"][:teachers], "student": ["int8", "int4"][:students]}
        run = Run.from_mapping(tables(ring, evaluation={"resamples": 100, "compressed": methods}))
        forecasts = run.forecast(config_of(run), tflops=1e-6)
        seconds[teachers, students] = {forecast.stage: forecast.seconds for forecast in forecasts}
    plain = seconds[0, 0]
    more = {counts: each["evaluation"] - plain["evaluation"] for counts, each in seconds.items()}

    assert more[3, 0] == pytest.approx(3 * more[1, 0])
    assert 0 < more[0, 2] / 2 < more[1, 0]
    assert all({**each, "evaluation": 0} == {**plain, "evaluation": 0} for each in seconds.values())


def test_a_cache_is_written_once(ring, tables, tmp_path):
    """The teacher's states take their room on the disk, exactly, and its passes are those of one epoch."""
    settings = tables(ring, evaluation={"scratch": False, "resamples": 100})
    fit = {**settings["distillation"]["fit"], "steps": 24, "precision": "float32"}
    plans = {}
    for cache in ("on", "off"):
        settings["distillation"] = {"losses": {"labels": 1.0, "soft-targets": 1.0}, "fit": fit, "cache": cache}
        run = Run.from_mapping(settings)
        (plans[cache],) = (f for f in run.forecast(config_of(run), tflops=1e-3) if f.stage == "distillation")
    examples = Workload.of_data(run, config_of(run), run.histories()).examples

    settings["distillation"]["cache"] = "on"
    Run.from_mapping(settings).execute(tmp_path / "run")
    (states,) = (tmp_path / "run" / TEACHER_STATES).glob("*/states.bin")
    assert plans["on"].disk_bytes == states.stat().st_size
    assert plans["off"].disk_bytes == 0
    assert plans["on"].memory_bytes < plans["off"].memory_bytes
    assert examples < 24 * 16
    assert plans["on"].seconds < plans["off"].seconds


def test_memory_is_that_of_the_widest_batch(ring, tables):
    """Batches of one length each are narrower on the whole; the one with the longest histories takes most."""
    settings = tables(ring)
    settings["teacher"]["fit"]["group_by_length"] = True
    run = Run.from_mapping(settings)
    config = config_of(run)
    extent = Workload.of_data(run, config, run.histories())
    assert extent.width(run.teacher.fit) < extent.widest == 11
    teacher = next(forecast for forecast in run.forecast(config, tflops=1.0) if forecast.stage == "teacher")

    kept = config.num_hidden_layers * run.teacher.fit.batch_size * 11 * config.hidden_size * ACTIVATIONS
    assert teacher.memory_bytes == pytest.approx(memory_needed(config, "all") + 2 * kept)


@pytest.mark.parametrize(("learning", "passes"), [("nothing", 1), ("little", 2), ("embeddings", 2), ("all", 3)])
def test_what_learns_tells_the_passes(learning, passes):
    """Backward costs two forward passes, or one where gradients only pass through; recomputed activations add one."""
    config = initial_config(
        {
            "model_type": "llama",
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
        9,
    )
    work = Work(examples=2, tokens=5, positions=0, candidates=3)
    forecasts = [
        Assumed(tflops=1e-12).of(
            lambda _count: config, 2, work, How(learning=learning, bfloat16=True, recomputed=again)
        )
        for again in (False, True)
    ]
    once = 2 * count_parameters(config).body * 10
    assert [forecast.seconds for forecast in forecasts] == pytest.approx([passes * once, (passes + 1) * once])


def _registry():
    from shortstack.registry import Registry

    return Registry.from_environment()


def test_how_much_there_is_to_read(ring, tables, folder):
    """Items as tokens grow the vocabulary; words make longer examples."""
    plain = Run.from_mapping(tables(ring))
    grown = Run.from_mapping(tables(ring, teacher=teacher(folder)))
    settings = {**teacher(folder, item_rows_rate=1.0), "prompt": {"line": " {item} {rating}", "opening": "Item"}}
    words = Run.from_mapping(tables(ring, teacher=settings, task={"name": "rating", "settings": {"window": 10}}))
    config, registry = AutoConfig.from_pretrained(folder), _registry()
    small, large, long = (
        Workload.of_data(run, config, run.histories(registry=registry)) for run in (plain, grown, words)
    )

    assert (small.vocabulary, large.vocabulary, long.vocabulary) == (31, len(WORDS) + 4 + 30, len(WORDS) + 4)
    assert small.cases == large.cases == long.cases == (60, 60)
    assert (small.candidates, long.candidates) == (30, 5)
    assert long.lengths.max() == 1 + 10 * 3
    assert small.lengths.max() == 11
    assert long.case_tokens == 1 + 10 * 3 - 1


def test_without_the_data(tables, folder):
    """With numbers of users and items given, windows count as full; without, the error says which options to give."""
    run = Run.from_mapping(tables("elsewhere.csv"))
    with pytest.raises(SourceNotFoundError, match="say so with --users and --vocabulary"):
        run.forecast(config_of(run))
    extent = Workload.assumed(run, config_of(run), users=9, items=7)
    assert (extent.vocabulary, extent.candidates, extent.lengths.tolist(), extent.cases) == (8, 7, [11], (9, 9))
    assert len(run.forecast(config_of(run), users=9, items=7, tflops=1.0)) == 5
    words = Run.from_mapping(tables("elsewhere.csv", teacher={"path": "owner/model"}, task={"name": "rating"}))
    assert Workload.assumed(words, llama().config, users=9, items=7).lengths.tolist() == [25 * (24 + 4 + 1) + 14]
    assert Workload.assumed(words, llama().config, users=9, items=7).vocabulary == len(WORDS) + 4


@pytest.mark.full
def test_a_teacher_that_an_earlier_run_made(ring, tables, tmp_path):
    """The teacher's vocabulary holds the items already; nothing is added."""
    plain = tables(ring, task={"name": "rating", "settings": {"window": 5}})
    Run.from_mapping({**plain, "evaluation": {"scratch": False, "resamples": 100}}).execute(tmp_path / "run")
    again = Run.from_mapping({**plain, "teacher": {"path": str(tmp_path / "run" / "teacher")}})
    config = AutoConfig.from_pretrained(tmp_path / "run" / "teacher")
    extent = Workload.of_data(again, config, again.histories())

    assert extent.vocabulary == config.vocab_size == 36
    assert extent.case_tokens <= 9
    assert next(forecast.stage for forecast in again.forecast(config, tflops=1.0)) == "importance"


def test_a_teachers_config(ring, tables, folder, tmp_path):
    """The config has the dtype that a run computes in, not that of the folder; items that are tokens have rows."""
    llama().to(torch.bfloat16).save_pretrained(tmp_path)
    grown = Run.from_mapping(tables(ring, teacher={"path": str(tmp_path)}))
    words = Run.from_mapping(tables(ring, teacher={"path": str(tmp_path)}, task={"name": "rating"}))
    known = len(WORDS) + 4

    assert (grown.learns_items, words.learns_items) == (True, False)
    assert [run.teacher_config(items=9).vocab_size for run in (grown, words)] == [known + 9, known]
    assert grown.teacher_config().vocab_size == known
    assert costs_of(grown.teacher_config())["bytes"].teacher == 4 * count_parameters(grown.teacher_config()).total
    elsewhere = Run.from_mapping(tables(ring, teacher={"path": "some/model"}))
    assert elsewhere.teacher_config(model=tmp_path / "config.json", items=9).vocab_size == known + 9
    assert Run.from_mapping(tables(ring)).teacher_config(items=30).vocab_size == 31


def test_users_are_counted_where_the_data_are(ring, tables):
    """A number of users beside the data is refused."""
    run = Run.from_mapping(tables(ring))
    with pytest.raises(ConfigurationError, match=r"users are counted in .*ring\.csv, which is here; leave --users out"):
        run.forecast(config_of(run), users=9, items=30, tflops=1.0)


def test_a_window_that_the_model_does_not_read(ring, tables, folder):
    """The error is raised before anything is timed."""
    short = AutoConfig.from_pretrained(folder, max_position_embeddings=6)
    run = Run.from_mapping(tables(ring, teacher=teacher(folder)))
    with pytest.raises(ConfigurationError, match=r"a window of 10 items may be 17 tokens, but the model reads 6"):
        run.forecast(short)


def test_a_model_that_is_too_large_to_time(ring, tables, monkeypatch):
    """The error gives numbers; ``--tflops`` can be given instead."""
    run = Run.from_mapping(tables(ring))
    monkeypatch.setattr("shortstack.planning.speed.free_bytes", lambda _device: 1 << 10)
    with pytest.raises(ConfigurationError, match=r"too little to time even 4 of the layers, .*: say with --tflops"):
        run.forecast(config_of(run))
    assert run.forecast(config_of(run), tflops=1.0)


def test_what_lies_between_few_layers_and_more():
    """Times are extrapolated per layer; noise never makes a layer's time negative."""
    few, more = Taken(seconds=1.0, optimiser=0.5, activations=10), Taken(seconds=2.5, optimiser=0.4, activations=40)
    grown = more.beyond(few, layers=30, more=4)
    assert grown.seconds == pytest.approx(1.0 + 29 * 0.5)
    assert grown.optimiser == 0.5
    assert grown.activations == pytest.approx(10 + 29 * 10)


def test_the_command(request, capsys, monkeypatch):
    """The large example is planned from its config alone; a missing option is reported in one line."""
    monkeypatch.setenv("COLUMNS", "200")
    examples = request.config.rootpath / "examples"
    arguments = [str(examples / "llama-8b-amazon.toml"), "--model", str(examples / "llama-3.1-8b")]
    with pytest.raises(SystemExit, match="0"):
        main(["plan", *arguments, "--users", "1000", "--vocabulary", "5000", "--tflops", "300"])
    printed = capsys.readouterr().out
    assert "8 of 32" in printed
    assert "8.03G" in printed
    for stage in ("teacher", "importance", "distillation-1", "distillation", "evaluation"):
        assert stage in printed
    with pytest.raises(SystemExit, match="0"):
        main(["plan", *arguments])
    assert "The time of the stages is not known: data/amazon-2023 is not here" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["plan", *arguments, "--users", "1000", "--vocabulary", "5000", "--tflops", "300", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert [len(row["kept"]) for row in report["budgets"]] == [32, 8]
    assert report["stages"][0]["stage"] == "teacher"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["{folder}", "--tflops", "3"], "--tflops is for a run's TOML file, and"),
        (["{folder}", "--users", "3"], "--users is for a run's TOML file, and"),
        (["{example}", "--tflops", "0"], "Invalid value for '--tflops'"),
        (["{example}"], "the config of meta-llama/Llama-3.1-8B cannot be downloaded"),
        (["{gguf}"], "m.gguf is no GGUF that transformers can read"),
    ],
)
def test_mistakes(request, folder, tmp_path, capsys, monkeypatch, arguments, problem):
    """Each error is one sentence, with advice."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COLUMNS", "400")
    example = request.config.rootpath / "examples" / "llama-8b-amazon.toml"
    packed = tmp_path / "packed.toml"
    (tmp_path / "m.gguf").write_bytes(b"none")
    text = example.read_text("utf-8").replace("meta-llama/Llama-3.1-8B", str(tmp_path / "m.gguf"))
    packed.write_text(text, encoding="utf-8")
    places = {"folder": folder, "example": example, "gguf": packed}
    with pytest.raises(SystemExit, match="2"):
        main(["plan", *(argument.format(**places) for argument in arguments)])
    assert problem in " ".join(capsys.readouterr().err.split())


def test_a_plan_reads_the_data_once(ring, tables, tmp_path, capsys, monkeypatch):
    """The data are read once for both tables of a plan."""
    read, times = Histories.load, []
    monkeypatch.setattr(Histories, "load", lambda *of: times.append(1) or read(*of))
    path = tmp_path / "run.toml"
    path.write_text(to_toml(tables(ring)), encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["plan", str(path), "--tflops", "1", "--json"])
    planned = json.loads(capsys.readouterr().out)

    assert (len(times), planned["notes"]) == (1, [])
    assert planned["stages"]
    assert planned["budgets"]


def test_sasrec_is_estimated_where_it_is_named(ring, tables):
    """Its trainings, one for each setting, are a stage before the evaluation, and the others take as long as before."""
    run = Run.from_mapping(tables(ring, evaluation={"resamples": 100, "baselines": ["markov", "sasrec"]}))
    plain = Run.from_mapping(tables(ring)).forecast(config_of(run), tflops=1e-6)
    *before, search, evaluation = run.forecast(config_of(run), tflops=1e-6)
    registry = Registry.from_environment()
    forecaster = Forecaster.of(run, config_of(run), registry=registry, data=run.histories(registry=registry))
    fits = [setting.fit(forecaster.extent.examples) for setting in GRID]
    config = initial_config(GRID[0].config(forecaster.extent.widest), vocabulary=31)

    assert [*before, evaluation] == plain
    assert search.stage == "sasrec"
    least = sum(6 * 6 * fit.steps * fit.batch_size * count_parameters(config).body for fit in fits) / 1e6
    assert search.seconds > least
    assert search.memory_bytes > memory_needed(config, "all")
    assert forecaster.weights()["sasrec"] == memory_needed(config, "nothing")


def test_the_weights_that_stages_leave(ring, tables):
    """Four bytes a parameter: the teacher's, and those of each step's student, before and after its distillation."""
    run = Run.from_mapping(tables(ring, selection={"keep_layers": 1, "schedule": [2]}))
    registry = Registry.from_environment()
    forecaster = Forecaster.of(run, config_of(run), registry=registry, data=run.histories(registry=registry))
    size = {layers: 4 * count_parameters(forecaster.shapes.of_student(layers)).total for layers in (1, 2, 4)}

    assert forecaster.weights() == {
        "teacher": size[4],
        "pruning-1": size[2],
        "distillation-1": size[2],
        "pruning": size[1],
        "distillation": size[1],
        "scratch": size[1],
    }
