"""Wherever a setting takes a name, Python takes the object: the same results, keys that tell one object from another."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import attrs
import datasets
import pandas as pd
import polars as pl
import pytest
import torch
from pipeline.conftest import without_times
from pipeline.little_language_model import WORDS, llama, teacher, tokenizer
from pipeline.recording import Recording
from transformers import LlamaConfig, TrainerCallback

from shortstack import Budget, Recommender, Registry, Run, WeightedLoss, scorer
from shortstack.config.given import Given
from shortstack.config.run_tables import SelectionSettings
from shortstack.data.splits import LeaveLast
from shortstack.errors import ConfigurationError, PluginError
from shortstack.evaluation.baselines import Popularity
from shortstack.selection.strategies import TopK
from shortstack.tasks.next_item import NextItem


@pytest.fixture(scope="module")
def registry():
    """The environment's plugins."""
    return Registry.from_environment()


@pytest.fixture(scope="module")
def small(tables, ring):
    """A short run: gradient scores decide."""
    return tables(
        ring,
        importance={"scorers": ["gradient"], "examples": 16},
        selection={"keep_layers": 1, "scorer": "gradient", "strategy": "top-k"},
    )


@pytest.fixture(scope="module")
def by_name(small, tmp_path_factory):
    """Its result, everything named."""
    return Run.from_mapping(small).execute(tmp_path_factory.mktemp("named") / "run")


def same(first, second):
    """Whether two results hold the same figures, whatever scorers and methods are called."""
    return (first.metrics, first.selection["kept"]) == (second.metrics, second.selection["kept"])


@scorer("states", "gradients", over="examples")
def effect(signals):
    """The first-order effect of a layer on the log-probability."""
    return (signals.gradient * (signals.output - signals.input)).sum((-1, -2)).abs()


def squared(student, teacher, labels):
    """No docstring's first sentence is needed."""
    return (student - teacher).square().mean(-1)


def hit_at_ten(ranks):
    """HR@10 again."""
    return ranks <= 10


def spoils(ranks):
    """Writes into what it is given."""
    ranks[:] = 1
    return ranks


def fails(ranks):
    """Raises."""
    raise ZeroDivisionError("no reason")


def texts(ranks):
    """Returns no numbers."""
    return ["a"] * len(ranks)


class Failing:
    """A split that raises."""

    def codes(self, users, times):
        """Raise."""
        raise KeyError("no reason")


def student(sequences, upto):
    """A baseline with the name of a model."""
    return Popularity.fit(sequences, upto)


def no_ranker(sequences, upto):
    """Returns something else."""
    return 3


def half_a_ranker(sequences, upto):
    """Returns what scores and does not say whether these are logits."""
    return SimpleNamespace(scores=lambda histories: None)


@scorer("states", name="effect")
def effect_again(signals):
    """Another of the same name."""
    return signals.output.norm(dim=-1)


def hit_at_ten_of_scores(scores, targets):
    """And again, of the scores."""
    own = scores.gather(1, targets[:, None])
    return 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2 <= 10


def upside_down(sequences, _upto):
    """The least popular first."""
    found = Popularity.fit(sequences, "valid")
    return attrs.evolve(found, counts=-found.counts) if attrs.has(type(found)) else found


class TestSame:
    """An object gives what its name gives."""

    def test_every_object(self, small, by_name, registry, tmp_path):
        """Scorer, architecture, adapter, loss, strategy, task, split: all as objects."""
        settings = small["data"]["settings"]
        weights = small["distillation"].get("losses", {"labels": 1.0, "soft-targets": 1.0, "hidden-states": 1.0})
        run = Run(
            data={**small["data"], "adapter": registry.build("dataset", "table", settings), "settings": {}},
            task=NextItem(window=10),
            teacher=small["teacher"],
            importance={
                **small["importance"],
                "scorers": [Given.of(registry.build("scorer", "gradient"), name="gradient")],
            },
            selection={"scorer": "gradient"},
            budget=Budget(keep_layers=1),
            strategy=TopK(),
            student=registry.build("student", "layer-subset"),
            distillation={name: value for name, value in small["distillation"].items() if name != "losses"},
            losses={
                name: WeightedLoss(name=name, loss=registry.build("loss", name), weight=w)
                for name, w in weights.items()
            },
            split=LeaveLast(),
            evaluation=small["evaluation"],
        )
        progress = Recording()
        first = run.execute(tmp_path / "run")
        again = copy.deepcopy(run).execute(tmp_path / "run", progress=progress)

        assert first.metrics == by_name.metrics
        assert without_times(attrs.asdict(again)) == without_times(attrs.asdict(first))
        assert "evaluation" in progress.left

    @pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "arrow", "datasets", "two tables"])
    def test_tables(self, small, by_name, ring, tmp_path, kind):
        """A table in memory is read as the file is; columns with usual names need no setting."""
        frame = pl.read_csv(ring)
        source = {
            "pandas": lambda: pd.read_csv(ring),
            "polars": lambda: frame,
            "lazy": frame.lazy,
            "arrow": frame.to_arrow,
            "datasets": lambda: datasets.Dataset(frame.to_arrow()),
            "two tables": lambda: {
                "interactions": frame.drop("title"),
                "items": frame.select("item", "title").unique("item").rename({"item": "item_id"}),
            },
        }[kind]()
        run = Run.from_mapping(small)
        data = attrs.evolve(run.data, source=source, settings={})
        prepared, named = tmp_path / "given", tmp_path / "named"
        attrs.evolve(run, data=data).prepare(prepared)
        run.prepare(named)

        for name in ("items.jsonl", "sequences.safetensors"):
            assert (prepared / "data" / name).read_bytes() == (named / "data" / name).read_bytes()

    @pytest.mark.full
    def test_a_language_model(self, ring, folder, tables, tmp_path):
        """A model and its tokenizer are what their folder is; the model stays as it was, and so does the first result."""
        model, words = llama(), tokenizer()
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        named = Run(**tables(ring, teacher=teacher(folder)))
        given = attrs.evolve(named, teacher={"path": model, "tokenizer": words, "fit": teacher(folder)["fit"]})
        ours, theirs = given.execute(tmp_path / "given"), named.execute(tmp_path / "named")

        assert same(ours, theirs)
        assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
        assert len(words) == len(WORDS)
        assert given.forecast(given.teacher_config(), tflops=0.1)[0].seconds >= 0

    @pytest.mark.full
    def test_a_recommender(self, ring, tables, tmp_path):
        """One that an earlier run made teaches on, from its folder or from memory; a config is its mapping."""
        shape = tables(ring)["teacher"]["config"]
        config = LlamaConfig(**{name: value for name, value in shape.items() if name != "model_type"})
        first = Run(**tables(ring, teacher={"config": config, "fit": tables(ring)["teacher"]["fit"]}) | {})
        first.execute(tmp_path / "first")
        made = tmp_path / "first" / "teacher"
        run = Run(**tables(ring, teacher=str(made)))
        given = attrs.evolve(run, teacher={"path": Recommender.from_pretrained(made)})

        assert same(given.execute(tmp_path / "given"), run.execute(tmp_path / "named"))


class TestOwn:
    """What no name means."""

    @pytest.fixture(scope="class")
    @staticmethod
    def root(tmp_path_factory):
        """One folder for all."""
        return tmp_path_factory.mktemp("own") / "run"

    @pytest.fixture(scope="class")
    @staticmethod
    def run(small):
        """A scorer, a loss, metrics, a baseline of one's own."""
        return Run(
            data=small["data"],
            task=small["task"],
            teacher=small["teacher"],
            importance=[effect, "gradient"],
            budget=Budget(keep_layers=1),
            losses={
                "labels": 1.0,
                "mine": squared,
                "soft": {"loss": "soft-targets", "weight": 0.5, "temperature": 2.0},
            },
            distillation={name: value for name, value in small["distillation"].items() if name != "losses"},
            metrics=[spoils, hit_at_ten, hit_at_ten_of_scores],
            baselines=["popularity", upside_down],
            evaluation={**small["evaluation"], "selected_by": "hit-at-ten"},
        )

    @pytest.fixture(scope="class")
    @staticmethod
    def result(run, root):
        """Of the run."""
        return run.execute(root)

    def test_a_metric_stands_in_every_table(self, result):
        """Its values are those of the metric that it repeats; it has intervals and comparisons, and selects models."""
        for method, found in result.metrics.items():
            assert found["hit-at-ten"] == found["hit-at-ten-of-scores"] == found["hr@10"], method
            assert result.intervals[method]["hit-at-ten"] == result.intervals[method]["hr@10"]
        assert result.comparisons["student-teacher"]["hit-at-ten"] == result.comparisons["student-teacher"]["hr@10"]
        assert result.selected_by == "hit-at-ten"
        assert "hit-at-ten" in result.verdict

    def test_baselines(self, result):
        """Those that were chosen are there, and no others; models are compared with them."""
        assert list(result.metrics)[:2] == ["popularity", "upside-down"]
        assert "student-upside-down" in result.comparisons
        assert "item-knn" not in result.metrics

    def test_scorer_and_losses(self, result, root):
        """The first scorer decides; every loss is in the curve's record, and the plugins' record has digests."""
        assert list(result.importance) == ["effect", "gradient"]
        assert {"python/effect", "python/squared", "shortstack/soft-targets"} <= result.plugins.keys()
        last = result.cost["training"]["student"][-1]
        assert {f"{kind}/{name}" for kind in ("loss", "weight") for name in ("labels", "mine", "soft")} <= last.keys()
        assert json.loads((root / "run.json").read_bytes())["importance"]["scorers"][0]["python object"] == "effect"

    def test_a_folder_cannot_say_it_again(self, result, root):
        """The error says what to do."""
        with pytest.raises(
            ConfigurationError,
            match=r"'effect', that Run was given in Python .*: build the same Run|build the same Run",
        ):
            Run.of_folder(root)

    def test_another_object_runs_again(self, result, run, root):
        """Only what depends on it: another loss leaves the choice, another metric all but what it selects."""
        progress = Recording()

        def squared(student, teacher, labels):
            return 2 * (student - teacher).square().mean(-1)

        losses = {**run.distillation.losses, "mine": squared}
        changed = attrs.evolve(run, distillation=attrs.evolve(run.distillation, losses=losses))
        changed.execute(root, progress=progress, keep=True)

        assert progress.left == ["data", "teacher", "calibration", "importance", "selection", "pruning", "scratch"]


class Counts(TrainerCallback):
    """Counts the steps."""

    digest = "counts"
    steps = 0

    def on_step_end(self, *_args, **_more):
        """One more."""
        type(self).steps += 1


@pytest.mark.full
def test_callbacks(small, tmp_path):
    """Every training calls them; they are part of what results depend on."""
    progress = Recording()
    run = Run(**small, callbacks=[Counts()])
    run.execute(tmp_path / "run")
    Run(**small).execute(tmp_path / "run", progress=progress)

    assert Counts.steps > 0
    assert progress.left == ["data"]


class TestRefused:
    """In one line, before any work."""

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"selection": {"strategy": TopK}}, r"selection\.strategy takes .*the class TopK; write TopK\(\)"),
            ({"losses": {"a": 1.0}, "distillation": {"losses": {}}}, "losses is given twice"),
            ({"strategy": "last", "selection": SelectionSettings(strategy="top-k")}, "strategy is given twice"),
            (
                {"budget": Budget(keep_layers=1), "selection": SelectionSettings(keep_ratio=0.5)},
                "got keep_layers and keep_ratio|got keep_ratio and keep_layers",
            ),
            ({"teacher": (1, 2, 3)}, "teacher takes a model and its tokenizer, got 3 values"),
            ({"importance": [object()]}, "this scorer is a object, which lacks"),
            ({"metrics": [lambda hits: hits]}, r"must be a function with the parameters \(ranks\)"),
            ({"metrics": [hit_at_ten, hit_at_ten]}, "two metrics are called 'hit-at-ten'"),
            ({"metrics": [lambda predicted, actual: predicted]}, r"metrics of this task are functions of \(ranks\)"),
            ({"evaluation": {"selected_by": "ndgc@10"}}, r"did you mean 'ndcg@10'"),
            ({"baselines": ["populraity"]}, "did you mean 'popularity'"),
            ({"split": object()}, r"has no method codes\(users, times\)"),
            ({"callbacks": [object()]}, "is no transformers.TrainerCallback"),
            ({"baselines": [student]}, "two methods are called 'student'"),
            ({"baselines": ["popularity", upside_down, upside_down]}, "two methods are called 'upside-down'"),
            ({"baselines": [hit_at_ten]}, r"must be a function of \(sequences, upto\)"),
            ({"importance": [effect, effect_again]}, "two scorers are called 'effect'"),
            ({"importance": [None]}, "importance.scorers"),
            ({"data": pd.Series([1, 2])}, "data takes a path, a table of pandas"),
            ({"data": [{"user": 1}]}, "data takes a path, a table of pandas"),
            (
                {"data": {"source": pl.DataFrame({"who": ["a"], "what": ["b"]})}},
                "no column that is usually called user",
            ),
            ({"data": {"interactions": pl.DataFrame({"user": []}), "rest": 1}}, "takes a table, or the tables"),
            ({"teacher": {"path": object()}}, "takes a model of transformers, a Recommender"),
            ({"taks": "next-item"}, "unknown setting of a run: 'taks'; did you mean 'task'"),
        ],
    )
    def test_wrong_objects(self, small, tmp_path, changes, words):
        """The message names the setting and what is allowed."""
        with pytest.raises(ConfigurationError, match=words):
            Run(**{**small, **changes}).execute(tmp_path / "run")

    @pytest.mark.parametrize("selection", [{"scorer": "gradient"}, SelectionSettings(scorer="gradient")])
    def test_a_budget_beside_a_selection(self, small, selection):
        """A settings object takes a budget by itself as its mapping does."""
        run = Run(**{**small, "selection": selection, "budget": Budget(keep_layers=1)})

        assert (run.selection.scorer, run.selection.budget) == ("gradient", Budget(keep_layers=1))

    @pytest.mark.parametrize(
        ("chosen", "decides"),
        [
            ({"importance": ["fisher", "gradient"]}, "fisher"),
            ({"importance": ["fisher", "hybrid"]}, "hybrid"),
            ({"importance": ["fisher", "gradient"], "selection": SelectionSettings(scorer="gradient")}, "gradient"),
            ({"importance": {"scorers": ["fisher", "hybrid"]}}, "hybrid"),
        ],
    )
    def test_the_scorer_that_decides(self, small, chosen, decides):
        """The first of a list, unless the selection names one or the usual one is in it."""
        without = {name: table for name, table in small.items() if name not in {"importance", "selection"}}

        assert Run(**without, **chosen).selection.scorer == decides

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"metrics": [fails]},
                r"metric 'fails' \(.*test_one_door:fails\) failed: ZeroDivisionError: no reason",
            ),
            ({"metrics": [texts]}, r"metric 'texts' .*could not convert string to float"),
            ({"split": Failing()}, r"split Failing \(.*test_one_door:Failing\) failed: KeyError"),
            ({"baselines": [no_ranker]}, r"baseline 'no-ranker' .* returns a int, which has neither scores"),
            (
                {"baselines": [half_a_ranker]},
                r"'half-a-ranker' .* which has scores\(histories\), but no scores_are_logits",
            ),
        ],
    )
    def test_objects_that_fail(self, small, tmp_path, changes, words):
        """They are named, and no other component is."""
        with pytest.raises(PluginError, match=words) as caught:
            Run(**{**small, **changes}).execute(tmp_path / "run")

        assert not getattr(caught.value, "__notes__", [])

    def test_a_model_without_its_tokenizer(self, ring, tables, tmp_path):
        """Nothing says what its tokens mean."""
        with pytest.raises(ConfigurationError, match="came without its tokenizer"):
            Run(**tables(ring, teacher=llama())).execute(tmp_path / "run")

    def test_what_cannot_be_digested(self, small, tmp_path):
        """The way out is in the message, and works."""
        tables = {**small, "selection": {"keep_layers": 1, "scorer": "gradient"}}
        held = TopKOfAFile(Path(__file__).open(encoding="utf-8"))  # noqa: SIM115
        with pytest.raises(ConfigurationError, match=r"file is a _io.* give the object an attribute digest"):
            Run(**tables, strategy=held).execute(tmp_path / "run")
        held.digest = "1"

        assert Run(**tables, strategy=held).to_mapping()["selection"]["strategy"]["digest"]
        held.file.close()


class TopKOfAFile:
    """A strategy that holds an open file."""

    name = "top-k-of-a-file"
    keeps = TopK.keeps

    def __init__(self, file):
        """Keep it."""
        self.file = file

    def choose(self, question, keep):
        """As ``TopK``."""
        return TopK().choose(question, keep)
