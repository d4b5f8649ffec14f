"""A run executes each stage once, in order, and records what it did."""

import json
import math
from contextlib import suppress

import attrs
import pytest
import torch
from faulty_plugins.distributions import install
from pipeline.conftest import without_times
from pipeline.recording import Recording
from pipeline.test_cli import to_toml
from report.test_result import KEYS

from shortstack import CompactStudentModel, Registry, Run
from shortstack.config.budget import BUDGETS
from shortstack.errors import (
    ConfigurationError,
    EmptyDataError,
    RunFolderError,
    SourceNotFoundError,
    UnknownNameError,
    UnsupportedModelError,
)
from shortstack.pipeline.preflight import check
from shortstack.result import RunResult


@pytest.fixture(scope="module")
def finished(ring, tables, tmp_path_factory):
    """A finished run: its folder, its result, and its recorded progress."""
    folder = tmp_path_factory.mktemp("runs") / "ring"
    progress = Recording()
    result = Run.from_mapping(tables(ring)).execute(folder, progress=progress)
    return folder, result, progress


STAGES = [
    "data",
    "teacher",
    "calibration",
    "importance",
    "selection",
    "pruning",
    "distillation",
    "scratch",
    "evaluation",
    "report",
]


class TestResult:
    """``result.json`` and its fields."""

    def test_stages_run_in_order(self, finished):
        """The stages run in order, from data to report."""
        assert finished[2].ran == STAGES

    def test_keys(self, finished):
        """The keys of the schema, schema first."""
        stored = json.loads((finished[0] / "result.json").read_text(encoding="utf-8"))

        assert list(stored) == KEYS

    def test_methods_and_metrics(self, finished):
        """Every baseline and model has every metric, null where it is undefined."""
        metrics = finished[1].metrics

        floors = {"popularity", "personal-popularity", "item-knn", "markov"}  # some users come round the ring again
        assert set(metrics) == floors | {"scratch", "teacher", "pruned", "student"}
        assert metrics["popularity"]["loss"] is None
        for name in ("teacher", "student"):
            assert 0 < metrics[name]["ndcg@10"] <= 1
            assert math.isfinite(metrics[name]["loss"])

    def test_importance_and_selection(self, finished):
        """One score a layer and scorer; a quarter of four layers is one."""
        result = finished[1]

        assert {name: len(scores) for name, scores in result.importance.items()} == {
            "fisher": 4,
            "attention": 4,
            "gradient": 4,
            "hybrid": 4,
        }
        assert len(result.selection["kept"]) == 1
        assert result.selection["of"] == 4

    def test_parameters_shrink(self, finished):
        """The body shrinks with its layers: one norm of 16 is left beside them."""
        parameters = finished[1].parameters
        layer = (parameters["teacher_body"] - 16) // 4

        assert parameters["student_body"] == layer + 16

    def test_plugins_are_recorded_with_versions(self, finished):
        """Full names and versions of all that was used."""
        assert finished[1].plugins["shortstack/fisher"] == "0.1.0"
        assert finished[1].plugins["shortstack/table"] == "0.1.0"

    def test_student_recommends(self, finished):
        """The student's folder is all that is needed."""
        student = CompactStudentModel.from_pretrained(finished[0] / "student")

        assert len(student.recommend(["Item 3", "Item 4"], k=5)) == 5

    def test_no_pickles(self, finished):
        """Every file of a run is JSON, HTML, Markdown, Parquet or safetensors."""
        assert {path.suffix for path in finished[0].rglob("*") if path.is_file()} <= {
            ".json",
            ".jsonl",
            ".html",
            ".md",
            ".parquet",
            ".safetensors",
        }

    def test_no_user_ids(self, finished):
        """User ids stay in the source."""
        text = "".join(path.read_text(encoding="utf-8") for path in finished[0].rglob("*.json*"))

        assert '"u17"' not in text


DEPTH = """
import torch
from shortstack.contracts import Importance, ScorerDescriptor
from shortstack.hooks import hookimpl

class Depth:
    needs = frozenset()

    def start(self, model):
        return torch.arange(len(model.layers), dtype=torch.float64)

    def update(self, state, signals):
        return state

    def merge(self, left, right):
        return left

    def finish(self, state):
        return Importance(scores=state, examples=0)

@hookimpl
def shortstack_importance_scorers():
    yield ScorerDescriptor(name="depth", summary="The deeper the better.", build=lambda _settings: Depth())
"""


class TestResume:
    """Finished stages are kept; changed ones run again."""

    def test_second_time_everything_is_kept(self, finished, ring, tables):
        """Nothing but the report is written again, with the same content."""
        folder, result, _ = finished
        progress = Recording()
        again = Run.from_mapping(tables(ring)).execute(folder, progress=progress)

        assert progress.ran == ["report"]
        assert without_cost(result) == without_cost(again)

    def test_only_what_a_change_touches_runs_again(self, ring, tmp_path, tables):
        """Another strategy leaves data, teacher and scores."""
        Run.from_mapping(tables(ring)).execute(tmp_path / "run")
        progress = Recording()
        changed = tables(ring, selection={"keep_ratio": 0.25, "strategy": "last"})
        result = Run.from_mapping(changed).execute(tmp_path / "run", progress=progress)

        assert progress.left == ["data", "teacher", "calibration", "importance", "scratch"]
        assert result.selection["kept"] == [3]

    @pytest.mark.full
    def test_edited_code_of_a_plugin_runs_again(self, ring, tables, tmp_path, monkeypatch):
        """A plugin's version stays the same while its author edits it, so its code counts; other stages are kept."""
        site = tmp_path / "site"
        site.mkdir()
        install(site, "acme-depth", DEPTH)
        monkeypatch.syspath_prepend(site)
        fused = {"hybrid": {"weights": {"depth": 1.0}}}
        scorers = {
            "importance": {"scorers": ["hybrid"], "settings": fused, "examples": 16},
            "selection": {"keep_ratio": 0.25, "scorer": "hybrid"},
        }
        Run.from_mapping(tables(ring, **scorers)).execute(tmp_path / "run")
        with (site / "acme_depth.py").open("a", encoding="utf-8") as file:
            file.write("# another thought\n")
        progress = Recording()
        Run.from_mapping(tables(ring, **scorers)).execute(tmp_path / "run", progress=progress)

        assert progress.left == ["data", "teacher", "calibration", "scratch"]

    @pytest.mark.full
    def test_other_ratings_under_the_same_path_run_everything_again(self, ring, tables, tmp_path):
        """The source's content counts, not its name."""
        source = tmp_path / "ratings.csv"
        source.write_bytes(ring.read_bytes())
        Run.from_mapping(tables(source)).execute(tmp_path / "run")
        lines = source.read_text(encoding="utf-8").splitlines()
        source.write_text("\n".join(lines[:-14]) + "\n", encoding="utf-8")
        progress = Recording()
        result = Run.from_mapping(tables(source)).execute(tmp_path / "run", progress=progress)

        assert progress.left == []
        assert result.data["users"] == 59

    @pytest.mark.full
    def test_same_seed_same_result(self, finished, ring, tmp_path, tables):
        """A run is deterministic on one thread."""
        again = Run.from_mapping(tables(ring)).execute(tmp_path / "again")

        assert without_cost(finished[1]) == without_cost(again)


def without_cost(result: RunResult):
    """Return the part of a result that must not differ between two equal runs."""
    fields = attrs.asdict(result, recurse=False)
    return json.loads(json.dumps(without_times(fields)))


class TestTeacherFromPath:
    """A teacher from a path."""

    def test_a_stored_teacher_is_used_as_it_is(self, finished, ring, tmp_path, tables):
        """A stored teacher keeps its tokens as the items' tokens, and has the same metrics."""
        stored = tables(ring, teacher={"path": str(finished[0] / "teacher")})
        result = Run.from_mapping(stored).execute(tmp_path / "run")

        assert result.metrics["teacher"] == finished[1].metrics["teacher"]
        assert "teacher" not in result.cost["training"]

    def test_a_teacher_that_does_not_cover_the_items(self, finished, tmp_path, tables):
        """The message counts the missing items and names one."""
        other = tmp_path / "other.csv"
        rows = [f"u{u},j{(u + s) % 9},3,{1000 + s},Other {(u + s) % 9}" for u in range(30) for s in range(8)]
        other.write_text("\n".join(["user,item,rating,time,title", *rows]) + "\n", encoding="utf-8")
        stored = tables(other, teacher={"path": str(finished[0] / "teacher")})

        with pytest.raises(ConfigurationError, match=r"does not cover the items: 9 of 9 have no token, for example 'j"):
            Run.from_mapping(stored).execute(tmp_path / "run")


class TestMistakes:
    """Every mistake is found before any work, and nothing on disk is lost."""

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"importance": {"scorers": ["fischer"]}}, UnknownNameError, "'fischer'; did you mean 'fisher'"),
            ({"data": {"source": "x", "adapter": "movie-lens"}}, UnknownNameError, "did you mean 'movielens'"),
            ({"selection": {"keep_ratio": 0.5, "strategy": "strategi"}}, UnknownNameError, "did you mean 'strategic'"),
            ({"selection": {"keep_ratio": 0.0}}, ConfigurationError, "keep_ratio must be above 0 and at most 1, got 0"),
            (
                {"selection": {"keep_ratio": 1.5}},
                ConfigurationError,
                "keep_ratio must be above 0 and at most 1, got 1.5",
            ),
            (
                {"selection": {"keep_layers": 9}},
                ConfigurationError,
                "keep_layers is 9, but the teacher has only 4 layers",
            ),
            ({"selection": {"keep_ratio": 0.5, "scorer": "angular"}}, ConfigurationError, "does not list"),
            ({"distillation": {"losses": {"label": 1.0}}}, UnknownNameError, "did you mean 'labels'"),
            ({"distillation": {"balancing": "emma"}}, UnknownNameError, "did you mean 'ema'"),
            (
                {"distillation": {"balancing": {"name": "linear", "end": {"lables": 1.0}}}},
                UnknownNameError,
                "unknown loss in end of balancing 'linear': 'lables'; did you mean 'labels'",
            ),
            ({"task": {"name": "next-itme"}}, UnknownNameError, "did you mean 'next-item'"),
            ({"student": {"architecture": "layers"}}, UnknownNameError, "unknown student architecture 'layers'"),
            ({"teacher": {}}, ConfigurationError, "teacher takes either a path or a config"),
            ({"teacher": {"config": {}}}, ConfigurationError, "teacher.config needs model_type"),
            ({"teacher": {"config": {"model_type": "lama"}}}, UnknownNameError, "did you mean 'llama'"),
            (
                {"teacher": {"config": {"model_type": "llama", "hiden_size": 8}}},
                UnknownNameError,
                "did you mean 'hidden_size'",
            ),
        ],
    )
    def test_named_before_any_work(self, ring, tmp_path, change, error, message, tables):
        """The error is one sentence that names the setting, and no folder is made."""
        with pytest.raises(error, match=message):
            Run.from_mapping(tables(ring, **change)).execute(tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_folder_that_holds_something_else(self, ring, tmp_path, tables):
        """A folder with other content is left as it is."""
        (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")

        with pytest.raises(RunFolderError, match="holds something else"):
            Run.from_mapping(tables(ring)).execute(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]

    def test_folder_that_is_a_file(self, ring, tmp_path, tables):
        """A file is no folder."""
        (tmp_path / "run").write_text("mine", encoding="utf-8")

        with pytest.raises(RunFolderError, match="is a file"):
            Run.from_mapping(tables(ring)).execute(tmp_path / "run")

    def test_missing_source(self, tmp_path, tables):
        """The path is named."""
        with pytest.raises(SourceNotFoundError, match=r"nowhere\.csv"):
            Run.from_mapping(tables(tmp_path / "nowhere.csv")).execute(tmp_path / "run")

    def test_nothing_left_after_the_core(self, ring, tmp_path, tables):
        """The message says which core and how much there was."""
        strict = tables(ring)
        strict["data"]["core"] = 1000

        with pytest.raises(ValueError, match="1000"):
            Run.from_mapping(strict).execute(tmp_path / "run")

    def test_no_cuda(self, ring, tmp_path, tables):
        """A device that is not there is named."""
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device here")
        with pytest.raises(ConfigurationError, match="torch finds no CUDA device"):
            Run.from_mapping(tables(ring, device="cuda")).execute(tmp_path / "run")


class TestConfig:
    """Configs from TOML, JSON and Python agree."""

    def test_round_trip(self, ring, tables):
        """A run survives JSON."""
        run = Run.from_mapping(tables(ring))

        assert run == Run.from_mapping(json.loads(run.to_json()))

    def test_quickstart_is_a_run(self, request):
        """The example parses."""
        path = request.config.rootpath / "examples" / "quickstart.toml"

        assert Run.from_toml(path).selection.keep_ratio == 0.25

    def test_overrides(self, request):
        """``--set`` changes one setting, typed as TOML."""
        path = request.config.rootpath / "examples" / "quickstart.toml"
        run = Run.from_toml(path, ["teacher.fit.steps=9", "selection.strategy=last", "teacher.fit.warmup_steps=1"])

        assert (run.teacher.fit.steps, run.selection.strategy) == (9, "last")

    @pytest.mark.parametrize(
        ("override", "budget"),
        [
            ("selection.keep_layers=6", {"keep_layers": 6}),
            ("selection.layers=6", {"keep_layers": 6}),
            ("selection.params=80%", {"parameters": "80%"}),
            ("selection.parameters=400K", {"parameters": 400_000}),
            ("selection.bytes=2G", {"bytes": 2_000_000_000}),
            ("selection.latency=0.5", {"latency_ms": 0.5}),
            ("selection.ratio=50%", {"keep_ratio": 0.5}),
            ('selection={keep_layers = 6, scorer = "fisher"}', {"keep_layers": 6}),
            ("selection.layers=none", {"keep_ratio": 0.25}),
            ("selection.latency_ms=none", {"keep_ratio": 0.25}),
            ("selection.ratio=none", {"keep_ratio": 0.25}),  # the default, though under the other name
        ],
    )
    def test_a_budget_takes_the_place_of_the_files(self, request, override, budget):
        """The file's ratio is not in its way, whichever name the new one goes by."""
        path = request.config.rootpath / "examples" / "quickstart.toml"
        settings = attrs.asdict(Run.from_toml(path, [override]).selection)

        assert {name: settings[name] for name in BUDGETS if settings[name] is not None} == budget

    def test_two_budgets_are_one_too_many(self, request):
        """Two budgets are refused, by two names or the same name twice."""
        path = request.config.rootpath / "examples" / "quickstart.toml"
        with pytest.raises(ConfigurationError, match=r"exactly one of .*; got keep_layers and bytes"):
            check(Run.from_toml(path, ["selection.layers=6", "selection.bytes=2G"]), Registry.from_environment())
        with pytest.raises(ConfigurationError, match="parameters is given twice, once as params; give one of them"):
            Run.from_toml(path, ["selection.parameters=6", "selection.params=6"])

    def test_dates_and_numbers_for_texts(self, tmp_path, ring, tables):
        """TOML writes dates without quotes, and a user's column may be called 1; nothing is lost in between."""
        path = tmp_path / "run.toml"
        path.write_text(
            "\ufeff"
            + to_toml(tables(ring)).replace("core = 2", "core = 2\nsince = 2009-05-04\nuntil = 2010-01-01T10:00:00Z")
        )
        run = Run.from_toml(path, ["data.settings.user=1", "data.settings.title=none"])

        assert (run.data.since, run.data.until) == ("2009-05-04", "2010-01-01T10:00:00+00:00")
        assert Run.from_toml(path, ["data.since=2009-05-04"]) == Run.from_toml(path)
        assert Registry.from_environment().configure("dataset", "table", run.data.settings).user == "1"
        assert Run.from_mapping(json.loads(run.to_json())) == run

    @pytest.mark.parametrize(
        ("written", "source"),
        [
            *(
                (text, text)
                for text in ("2020", "1_000", "0x10", "2020-01-01", "true", "a # b", "1 # b", "a, b", "a'b", " a ")
            ),
            ("'a # b'", "a # b"),
        ],
    )
    def test_a_text_is_taken_as_it_is_written(self, request, written, source):
        """Whatever else it could be in TOML, unless it is a TOML text."""
        path = request.config.rootpath / "examples" / "quickstart.toml"

        assert Run.from_toml(path, [f"data.source={written}"]).data.source == source

    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("Seen: ", "Seen: "),
            (" ", " "),
            ("1 # b", "1 # b"),
            ("1\nseed = 5", "1\nseed = 5"),
            ("1,", "1,"),
            (" 1 ", 1),
            ("[1, 2]", [1, 2]),
        ],
    )
    def test_a_value_is_all_of_the_text(self, request, written, value):
        """Neither blanks at its ends nor what TOML would take for a comment are lost of a text."""
        path = request.config.rootpath / "examples" / "quickstart.toml"

        assert Run.from_toml(path, [f"data.settings.other={written}"]).data.settings["other"] == value

    def test_override_without_value(self, request):
        """An override without a value is an error that gives the form."""
        path = request.config.rootpath / "examples" / "quickstart.toml"
        with pytest.raises(ConfigurationError, match=r"--set takes setting=value, or .* got 'seed'"):
            Run.from_toml(path, ["seed"])

    def test_missing_file(self, tmp_path):
        """The path is named."""
        with pytest.raises(SourceNotFoundError, match=r"no\.toml is not there"):
            Run.from_toml(tmp_path / "no.toml")

    def test_not_toml(self, tmp_path):
        """The line is named."""
        (tmp_path / "bad.toml").write_text("seed = = 1", encoding="utf-8")
        with pytest.raises(ConfigurationError, match=r"bad\.toml is not a TOML file: .*line 1"):
            Run.from_toml(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"bytes": "70%"}, "keep 70% of the bytes on disk"),
        pytest.param({"cache": "50%"}, "keep 50% of the bytes of cache a token", marks=pytest.mark.full),
        pytest.param({"latency_ms": "90%"}, "keep 90% of the milliseconds a user", marks=pytest.mark.full),
    ],
)
def test_budgets_of_other_kinds(ring, tables, tmp_path, budget, words):
    """Fewer layers stay, and the record names the budget; a time is reported as measured and as estimated."""
    run = Run.from_mapping(tables(ring, selection=budget, evaluation={"resamples": 100, "scratch": False}))
    selection = run.execute(tmp_path / "run").selection

    assert selection["budget"] == words
    assert 1 <= len(selection["kept"]) < 4
    assert ("ms a user in batches of 32 were measured" in selection["reason"]) == ("latency_ms" in budget)


@pytest.mark.full
def test_a_narrow_student_fits_more_layers(ring, tables, tmp_path):
    """A budget counts the student's own layers: at half the width all four take less than half of the teacher's.

    In one folder, so that the choice must be made again where the architecture is another.
    """
    half = {"hidden_size": 0.5, "key_value_heads": 0.5, "intermediate_size": 0.5}
    changes = {"evaluation": {"resamples": 100, "scratch": False}, "selection": {"body_parameters": "50%"}}
    narrow = {"architecture": "compact", "settings": half}
    result = Run.from_mapping(tables(ring, **changes, student=narrow)).execute(tmp_path / "run")
    whole = Run.from_mapping(tables(ring, **changes)).execute(tmp_path / "run")

    assert len(result.selection["kept"]) == 4
    assert result.parameters["student_body"] < 0.5 * result.parameters["teacher_body"]
    assert len(whole.selection["kept"]) == 1  # half of the body, whose final norm takes a little
    assert result.plugins["shortstack/compact"]


@pytest.mark.parametrize("repair", ["magnitude", "linear"])
@pytest.mark.full
def test_a_repaired_student(ring, tables, tmp_path, repair):
    """Repair uses the calibration users, also in a fresh folder with an untrained teacher, and records its changes."""
    changes = {"evaluation": {"resamples": 100, "scratch": False}, "selection": {"keep_layers": 2}}
    run = Run.from_mapping(tables(ring, **changes, student={"settings": {"repair": repair}}))
    run.execute(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "pruned" / "config.json").read_text(encoding="utf-8"))["shortstack"]

    assert all("o_proj" in name or "down_proj" in name for name in record["adapted_tensors"])


@pytest.mark.parametrize("loss", ["hidden-states", "attention-relations"])
def test_layers_that_are_dropped_at_random(ring, tables, tmp_path, monkeypatch, loss):
    """OPT's ``layerdrop``: a loss on all layers is refused before the teacher is trained, others are not."""
    changed = tables(ring)
    changed["teacher"]["config"] = {
        "model_type": "opt", "num_hidden_layers": 4, "hidden_size": 16, "ffn_dim": 32, "num_attention_heads": 2,
        "word_embed_proj_dim": 16, "layerdrop": 0.1,
    }  # fmt: skip
    changed["distillation"]["losses"] = {"labels": 1.0, loss: 1.0}
    monkeypatch.setattr("shortstack.pipeline.training.train", None)
    with pytest.raises(
        ConfigurationError,
        match=r"^layerdrop is 0\.1, by which OPTForCausalLM leaves out layers at random in training, but a loss needs the states or",
    ):
        Run.from_mapping(changed).execute(tmp_path / "run")


def test_attention_that_cannot_be_read(ring, tables, tmp_path, monkeypatch):
    """GPT-1 attends without transformers' interface: a loss on attention is refused before the teacher is trained."""
    changed = tables(ring)
    changed["teacher"]["config"] = {"model_type": "openai-gpt", "n_layer": 4, "n_embd": 16, "n_head": 2}
    changed["importance"]["scorers"], changed["selection"]["scorer"] = ["fisher"], "fisher"
    changed["distillation"]["losses"] = {"labels": 1.0, "attention-relations": 1.0}
    monkeypatch.setattr("shortstack.pipeline.training.train", None)
    with pytest.raises(UnsupportedModelError, match=r"^OpenAIGPTLMHeadModel \(openai-gpt\) has no attention that goes"):
        Run.from_mapping(changed).execute(tmp_path / "run")


def test_a_rehearsal_leaves_a_fresh_model_as_it_was():
    """Empty matrices hold something inside, the same each time, and nothing afterwards, even after an error."""
    from shortstack.models.initial import as_if_trained, initial_config, initial_model

    fields = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2}
    model = initial_model(initial_config(fields, 8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inside = []
    for _ in range(2):
        with suppress(ZeroDivisionError), as_if_trained(model):
            inside.append(model.model.layers[0].mlp.down_proj.weight.clone())
            raise ZeroDivisionError

    assert bool(inside[0].all())
    assert torch.equal(*inside)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.full
def test_a_family_whose_layers_give_lists(ring, tables, tmp_path, monkeypatch):
    """GPT-1: losses on hidden states work; its attention cannot be observed, which is an error before any training."""
    changed = tables(ring, evaluation={"resamples": 100, "scratch": False})
    changed["teacher"]["config"] = {"model_type": "openai-gpt", "n_layer": 4, "n_embd": 16, "n_head": 2}
    changed["distillation"]["losses"] = {"labels": 1.0, "hidden-states": 1.0}
    with monkeypatch.context() as patched:
        patched.setattr("shortstack.pipeline.training.train", None)
        with pytest.raises(UnsupportedModelError, match="layer 0 has no attention that can be observed; ask for other"):
            Run.from_mapping(changed).execute(tmp_path / "run")

    changed["importance"]["scorers"], changed["selection"]["scorer"] = ["fisher"], "fisher"
    assert len(Run.from_mapping(changed).execute(tmp_path / "run").selection["kept"]) == 1


def test_what_filters_leave_empty_is_not_the_adapters_fault(ring, tables, tmp_path):
    """The sentence names the filters, and no adapter."""
    strict = tables(ring)
    strict["data"]["core"] = 1000
    with pytest.raises(EmptyDataError, match="lower core") as caught:
        Run.from_mapping(strict).execute(tmp_path / "run")

    assert not getattr(caught.value, "__notes__", [])
