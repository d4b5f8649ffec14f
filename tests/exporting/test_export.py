"""``shortstack export``: what it writes, and what it refuses without a trace."""

import json

import attrs
import numpy as np
import pytest
import torch
from exporting.conftest import FILMS, SCALE, films, made

from shortstack import export_recommender
from shortstack.cli import main
from shortstack.data.sequences import Sequences
from shortstack.digests import damage
from shortstack.errors import ConfigurationError, ProofError, RunFolderError, UnknownNameError
from shortstack.exporting import formats
from shortstack.exporting.export import RECORD
from shortstack.recommender import Recommender


def said(arguments, capfd):
    """What a command that is refused says."""
    with pytest.raises(SystemExit) as end:
        main(["export", *map(str, arguments)])

    assert 2 == end.value.code
    return capfd.readouterr().err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder: a student, and the data of eight users."""
    root = tmp_path_factory.mktemp("run")
    made().save_pretrained(root / "student")
    (root / "data").mkdir()
    films().save(root / "data")
    random = np.random.default_rng(0)
    splits = np.tile(np.array([0, 0, 0, 0, 1, 2], dtype=np.int8), 8)
    Sequences(
        items=random.integers(FILMS, size=48), offsets=np.arange(0, 49, 6), splits=splits, catalogue_size=FILMS
    ).save(root / "data" / "sequences.safetensors")
    return root


@pytest.fixture
def untraced(monkeypatch):
    """The format torch-export, of which the graph is kept as it is: nothing is traced, which takes seconds."""
    kept = []

    def write(graph, folder):
        kept.append(graph)
        (folder / "model.pt2").write_text("a graph")

    def load(_):
        return kept[0]

    fast = attrs.evolve(formats.FORMATS["torch-export"], write=write, load=load)
    monkeypatch.setitem(formats.FORMATS, "torch-export", fast)
    monkeypatch.setattr("shortstack.exporting.export.traced", lambda graph, _: graph)


@pytest.mark.usefixtures("untraced")
def test_the_command(run, tmp_path, capfd):
    """The folder appears whole; its record has the proof, the versions and digests."""
    out = tmp_path / "new" / "exported"
    main_without_exit(["export", str(run), "--format", "torch-export", "--top", "5", "--out", str(out)])
    record = json.loads((out / RECORD).read_text())

    assert ["catalogue.json", RECORD, "model.pt2"] == sorted(path.name for path in out.iterdir())
    assert "" == damage(out, RECORD)
    assert ("torch-export", 5, 72) == (record["format"], record["k"], record["proof"]["histories"])
    assert record["proof"]["ndcg_before"] == record["proof"]["ndcg_after"]
    assert torch.__version__ == record["versions"]["torch"]
    assert [out] == list(out.parent.iterdir())
    shown = capfd.readouterr().out
    assert "on 72 histories 100.00% of the 5 best items are the recommender's" in shown
    assert "NDCG@5 of validation users:" in shown


@pytest.mark.full
def test_torch_export(run, tmp_path):
    """The file answers without us."""
    out = tmp_path / "exported"
    export_recommender(run / "student", out, format="torch-export", k=5)
    graph = torch.export.load(out / "model.pt2").module()
    items, scores = graph(torch.tensor([[3, 5], [7, -1]]), torch.tensor([[3, 5], [-1, -1]]))
    recommender = Recommender.from_pretrained(run / "student")
    expected = [
        recommender.recommend(["m3", "m5"], 5, exclude_seen=True),
        recommender.recommend(["m7"], 5, exclude_seen=False),
    ]

    assert [[int(one.id[1:]) for one in answer] for answer in expected] == items.tolist()
    assert [[pytest.approx(one.score, abs=1e-4) for one in answer] for answer in expected] == scores.tolist()


def main_without_exit(arguments):
    """Run a command that succeeds."""
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert 0 == end.value.code


@pytest.fixture
def careless(monkeypatch):
    """A format that writes a file and answers wrongly."""

    def load(_):
        return lambda histories, _: (torch.zeros(len(histories), 10, dtype=torch.long), torch.zeros(len(histories), 10))

    fast = attrs.evolve(
        formats.FORMATS["torch-export"], write=lambda _, folder: (folder / "x").write_text("x"), load=load
    )
    monkeypatch.setitem(formats.FORMATS, "torch-export", fast)
    monkeypatch.setattr("shortstack.exporting.export.traced", lambda *_: None)


@pytest.mark.usefixtures("careless")
def test_a_failed_proof_leaves_nothing(recommender, tmp_path):
    """Neither the folder nor what was begun of it."""
    with pytest.raises(ProofError, match="the export does not answer as the recommender does"):
        export_recommender(recommender, tmp_path / "out", format="torch-export")

    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_is_there(recommender, tmp_path):
    """Even an empty one is left alone."""
    with pytest.raises(RunFolderError, match="exists already; choose a new folder"):
        export_recommender(recommender, tmp_path)


def test_an_unknown_format(recommender, tmp_path):
    """The nearest one is suggested."""
    with pytest.raises(
        UnknownNameError, match=r"unknown export format 'onx'; did you mean 'onnx'\? \(known: int8, onnx"
    ):
        export_recommender(recommender, tmp_path / "out", format="onx")


@pytest.mark.parametrize("name", ["onnx", "int8"])
def test_a_missing_extra(recommender, tmp_path, monkeypatch, name):
    """Named with the line that installs it."""
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    with pytest.raises(
        ConfigurationError, match=rf"format '{name}' needs the extra 'export': pip install 'shortstack\[export\]'"
    ):
        export_recommender(recommender, tmp_path / "out", format=name)


@pytest.mark.parametrize("k", [0, FILMS + 1, 10**9, True, 2.5])
def test_numbers_of_items(recommender, tmp_path, k):
    """From one to all."""
    with pytest.raises(ConfigurationError, match=r"k must be a whole number from 1 to 16, the number of items, got"):
        export_recommender(recommender, tmp_path / "out", k=k)


def test_a_recommender_that_rates(tmp_path):
    """It has no list of items."""
    with pytest.raises(ConfigurationError, match="rates items and does not rank them, so there is no list"):
        export_recommender(made(options=SCALE), tmp_path / "out")


def test_folders_of_the_command(run, tmp_path, capfd):
    """No folder, no recommender, and a damaged model."""
    assert "is no recommender that shortstack saved" in said([tmp_path, "--out", tmp_path / "out"], capfd)
    (tmp_path / "student").mkdir()
    for file in (run / "student").iterdir():
        (tmp_path / "student" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "student" / "model.safetensors").write_bytes(b"no weights")

    assert "holds no readable model" in said([tmp_path, "--out", tmp_path / "out"], capfd)
    assert not (tmp_path / "out").exists()


def test_help(capfd):
    """It names the formats."""
    main_without_exit(["export", "--help"])

    assert "onnx, int8 or torch-export" in capfd.readouterr().out
