"""Folders that were damaged, or never were a run's: one clear error, and nothing is lost."""

import json
import shutil

import attrs
import pytest

from shortstack import CompactStudentModel, Run
from shortstack.data.catalogue import Catalogue, Item
from shortstack.errors import ConfigurationError, DataError, RunFolderError, SourceNotFoundError, UnknownNameError
from shortstack.files import read_json


@pytest.fixture(scope="module")
def teacher(ring, tables, tmp_path_factory):
    """The teacher of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "ring"
    Run.from_mapping(tables(ring, evaluation={"resamples": 100, "scratch": False})).execute(folder)
    return folder / "teacher"


@pytest.fixture
def copied(teacher, tmp_path):
    """A copy of the teacher to damage, without the record whose digests would tell."""
    return shutil.copytree(teacher, tmp_path / "teacher", ignore=shutil.ignore_patterns("stage.json"))


def test_a_strangers_run_json_is_left_alone(ring, tables, tmp_path):
    """Another program's ``run.json`` does not make its folder ours."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "run.json").write_text('{"my": "tracker"}', encoding="utf-8")

    with pytest.raises(RunFolderError, match="holds something else"):
        Run.from_mapping(tables(ring)).execute(tmp_path)
    assert (tmp_path / "data" / "precious.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_no_stage_wrote_is_left_alone(ring, tables, tmp_path):
    """A user's folder in the place of a stage's is not replaced."""
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(RunFolderError, match="is no result of a run; move it away"):
        Run.from_mapping(tables(ring)).execute(tmp_path)
    assert (tmp_path / "data" / "precious.txt").read_text(encoding="utf-8") == "mine"


def test_a_teacher_with_more_layers_than_weights(copied):
    """Transformers would fill the missing layers at random; this is an error."""
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    (copied / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 6}), encoding="utf-8")

    with pytest.raises(DataError, match=r"do not fit its config: missing keys model.layers.4"):
        CompactStudentModel.from_pretrained(copied)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff{"])
def test_an_unreadable_model(copied, name, content):
    """Missing, empty and damaged files are one error that names the folder."""
    (copied / name).unlink()
    if content is not None:
        (copied / name).write_bytes(content)

    damaged_config = name == "config.json" and content is not None
    with pytest.raises(DataError, match=r"config\.json is no JSON" if damaged_config else "holds no readable model"):
        CompactStudentModel.from_pretrained(copied)


@pytest.mark.parametrize("content", [b"{", b'{"token": 3.5, "id": "a", "title": ""}', b'"3"', b"\xff"])
def test_an_unreadable_catalogue(tmp_path, content):
    """The file and, where there is one, the line are named."""
    (tmp_path / "items.jsonl").write_bytes(content)

    with pytest.raises(DataError, match=r"items\.jsonl"):
        Catalogue.load(tmp_path)


def test_titles_with_every_kind_of_line_end(tmp_path):
    """Only a line feed ends a line of ``items.jsonl``."""
    catalogue = Catalogue(items=[Item(id="a", title="x\u2028y\x85z\r", token=1)])
    catalogue.save(tmp_path)

    assert catalogue == Catalogue.load(tmp_path)


def test_other_weights_under_the_same_path_run_again(ring, tables, teacher, copied, tmp_path):
    """Other weights under the same path run the stages again."""
    from safetensors.torch import load_file, save_file

    run = Run.from_mapping(tables(ring, teacher={"path": str(copied)}, evaluation={"resamples": 100, "scratch": False}))
    before = run.execute(tmp_path / "run")
    weights = load_file(copied / "model.safetensors")
    save_file({name: tensor * 0.5 for name, tensor in weights.items()}, copied / "model.safetensors", {"format": "pt"})
    after = run.execute(tmp_path / "run")

    assert before.metrics["teacher"] != after.metrics["teacher"]


@pytest.mark.parametrize("content", [b"{", b"[1, 2]"])
def test_a_damaged_record_runs_its_stage_again(ring, tables, teacher, tmp_path, content):
    """A stage whose record cannot be read is not done."""
    folder = shutil.copytree(teacher.parent, tmp_path / "run")
    (folder / "selection" / "stage.json").write_bytes(content)
    result = Run.from_mapping(tables(ring, evaluation={"resamples": 100, "scratch": False})).execute(folder)

    assert result.selection["of"] == 4


def test_a_damaged_result_of_a_stage(tmp_path):
    """The message says what to remove."""
    (tmp_path / "facts.json").write_text("{", encoding="utf-8")

    with pytest.raises(DataError, match=r"facts\.json is damaged .*; remove its folder"):
        read_json(tmp_path / "facts.json")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seed": -1}, ConfigurationError, "'seed' must be >= 0"),
        ({"distillation": {"losses": {}}}, ConfigurationError, "there is no loss to train on"),
        ({"distillation": {"losses": {"labels": 0.0}}}, ConfigurationError, "must be a number above 0, got 0.0"),
        ({"evaluation": {"cutoffs": [0]}}, ConfigurationError, "cutoffs must be"),
        ({"importance": {"scorers": ["fisher", "hybrid"], "settings": {"fishr": {}}}}, UnknownNameError, "'fisher'"),
        ({"selection": {"keep_ratio": 0.5, "strategy": ":X"}}, ConfigurationError, "cannot be imported"),
        ({"distillation": {"balancing": ":x"}}, ConfigurationError, "cannot be imported"),
        ({"teacher": {"path": "nowhere"}}, SourceNotFoundError, "teacher.path is 'nowhere', which is not here"),
        ({"teacher": {"config": {"model_type": "vit"}}}, UnknownNameError, "unknown model type 'vit'"),
        (
            {"teacher": {"config": {"model_type": "llama", "hidden_size": 15, "num_attention_heads": 2}}},
            ConfigurationError,
            "teacher.config",
        ),
        (
            {"teacher": {"config": {"model_type": "gpt2", "n_positions": 6, "n_embd": 8, "n_head": 2}}},
            ConfigurationError,
            "needs 11 positions, but teacher.config has 6",
        ),
        (
            {"teacher": {"config": {"model_type": "llama", "num_hidden_layers": 0}}},
            ConfigurationError,
            "at least one layer",
        ),
    ],
)
def test_mistakes_are_found_before_any_work(ring, tables, tmp_path, change, error, message):
    """The error is one sentence, and no folder is made."""
    with pytest.raises(error, match=message):
        Run.from_mapping(tables(ring, **change)).execute(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_data_split(ring, tables, tmp_path):
    """An unknown split is reported before the data are read."""
    changed = tables(ring)
    changed["data"]["split"] = "leave-first"

    with pytest.raises(UnknownNameError, match="did you mean 'leave-last'"):
        Run.from_mapping(changed).execute(tmp_path / "run")


@pytest.mark.full
def test_scratch_sees_all_that_went_into_the_student(ring, tables, tmp_path):
    """The scratch baseline trains on as many examples as the teacher and the student together."""
    work = Run.from_mapping(tables(ring)).execute(tmp_path / "run").cost["work"]

    assert work["teacher"]["examples"] + work["student"]["examples"] == work["scratch"]["examples"]


def test_a_task_that_ranks_something_else(ring, tables, tmp_path):
    """Candidates in another order than the catalogue's would be evaluated wrongly without a word."""
    changed = tables(ring, task={"name": f"{__name__}:Backwards"})
    import sys

    sys.modules[__name__] = sys.modules.get(__name__) or __import__(__name__)
    with pytest.raises(ConfigurationError, match="must be the catalogue's tokens, in its order"):
        Run.from_mapping(changed).execute(tmp_path / "run")


@attrs.frozen
class Backwards:
    """A task whose candidates are in the wrong order."""

    window: int = 10
    longest: int = 11
    reads: str = "interactions"

    def training_examples(self, sequences, catalogue):
        """Delegate to next-item."""
        from shortstack.tasks.next_item import NextItem

        return NextItem(window=self.window).training_examples(sequences, catalogue)

    def calibration_examples(self, sequences, catalogue, *, count=256, seed=0):
        """Delegate to next-item."""
        from shortstack.tasks.next_item import NextItem

        return NextItem(window=self.window).calibration_examples(sequences, catalogue, count=count, seed=seed)

    def candidates(self, catalogue):
        """Return the candidates in reverse order."""
        import torch

        return torch.tensor(catalogue.tokens[::-1])
