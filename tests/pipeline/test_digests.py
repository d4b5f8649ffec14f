"""Files of a finished run that are no longer as they were written: found, said, and made again."""

import json
import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.conftest import without_times
from pipeline.recording import Recording

from shortstack import Recommender, Run
from shortstack.digests import contents, damage, is_unchecked, link, read_record, require_whole, seal, write_record
from shortstack.errors import DataError, RunFolderError
from shortstack.run_layout import CARD

HISTORY = ["i1", "i2", "i3"]
STAGES = ("data", "teacher", "calibration", "importance", "selection", "pruned", "student", "evaluation")


def cut(content, place):
    """Return what is left of a file that was cut short."""
    return content[: place % len(content)]


def flipped(content, place):
    """Return a file with one bit of one byte changed."""
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def emptied(_content, _place):
    """Return an empty file."""
    return b""


CHANGES = (cut, flipped, emptied)
names = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
trees = st.dictionaries(names, st.binary(min_size=1, max_size=50), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A function that returns a new folder."""
    return lambda: tmp_path_factory.mktemp("sealed")


def written(folder, tree):
    """Write the files of a tree whose names do not collide with its folders; return their paths."""
    paths = []
    for name, content in tree.items():
        path = folder / name
        if not path.is_dir() and all(not parent.is_file() for parent in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            paths.append(path)
    return paths


@given(tree=trees, data=st.data())
def test_any_change_of_any_file_is_found(place, tree, data):
    """One damaged or missing file is named; a folder as it was written, or with more files in it, is whole."""
    folder = place()
    paths = written(folder, tree)
    seal(folder, "stage.json", {"key": "k"})
    (folder / "a stranger's").write_bytes(b"!")
    assert damage(folder) == ""
    assert "k" == read_record(folder / "stage.json")["key"]

    path = data.draw(st.sampled_from([*paths, folder / "stage.json"]))
    content = path.read_bytes()
    change = data.draw(st.sampled_from([*CHANGES, None]))
    if change is None:
        path.unlink()
        assert damage(folder) == ("" if path.name == "stage.json" else f"{path} is missing")
    else:
        path.write_bytes(change(content, data.draw(st.integers(0, 10_000))))
        if path.read_bytes() != content.removesuffix(b"\n"):  # a record without its last line feed says the same
            assert damage(folder).startswith(f"{path} is damaged")


@settings(max_examples=30)
@given(
    record=st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)),
    place_of_bit=st.integers(0, 10_000),
)
def test_a_record_is_read_as_it_was_or_not_at_all(place, record, place_of_bit):
    """Whatever bit of a record changes, no other record is read; white space alone changes nothing."""
    path = place() / "stage.json"
    write_record(path, {**record, "files": {}})
    before = read_record(path)
    path.write_bytes(flipped(path.read_bytes(), place_of_bit))

    assert json.dumps(read_record(path)) in {"null", json.dumps(before)}


def test_a_folder_of_an_earlier_version_is_unchecked(tmp_path):
    """A record without digests is read, and said to be none that is checked."""
    (tmp_path / "stage.json").write_text('{"key": "k"}', encoding="utf-8")

    assert (damage(tmp_path), is_unchecked(tmp_path), contents({"key": "k"}, frozenset())) == ("", True, None)
    seal(tmp_path, "stage.json", {"key": "k"})
    assert not is_unchecked(tmp_path)


def test_contents_differ_by_files_and_not_by_those_left_out(tmp_path):
    """Times may differ between equal results."""
    found = []
    for number, (model, times) in enumerate([("a", "1"), ("a", "2"), ("b", "2")]):
        folder = tmp_path / str(number)
        written(folder, {"model": model.encode(), "training.json": times.encode()})
        seal(folder, "stage.json", {"seconds": number})
        found.append(contents(read_record(folder / "stage.json"), frozenset({"training.json"})))

    assert found[0] == found[1] != found[2]


def test_a_changed_folder_is_refused_with_the_way_out(tmp_path):
    """What was changed on purpose is read without the record."""
    written(tmp_path, {"config.json": b"{}"})
    seal(tmp_path, "stage.json", {})
    require_whole(tmp_path)
    (tmp_path / "config.json").write_bytes(b"[]")

    with pytest.raises(
        DataError, match=r"config\.json is damaged.*start the run that made .* again.*on purpose, remove"
    ):
        require_whole(tmp_path)
    (tmp_path / "stage.json").unlink()
    require_whole(tmp_path)


def test_a_file_is_hashed_once_though_its_folder_is_renamed(tmp_path, monkeypatch):
    """A model of many gigabytes is loaded by several stages, and read for its digest by the first alone."""
    from shortstack import digests

    hashed, computed = [], digests._computed
    monkeypatch.setattr(digests, "_computed", lambda path: hashed.append(path.name) or computed(path))
    folder = tmp_path / "one"
    written(folder, {"model": b"weights"})
    seal(folder, "stage.json", {})
    folder = folder.rename(tmp_path / "two")
    assert (damage(folder), hashed) == ("", ["model"])
    (folder / "model").write_bytes(b"WEIGHTS")

    assert damage(folder).startswith(f"{folder / 'model'} is damaged")
    assert hashed == ["model", "model"]


@pytest.fixture(scope="module")
def described(ring, tables):
    """A short run without the model from scratch."""
    return Run.from_mapping(tables(ring, evaluation={"resamples": 100, "scratch": False}))


@pytest.fixture(scope="module")
def finished(described, tmp_path_factory):
    """The folder of that run, finished."""
    folder = tmp_path_factory.mktemp("runs") / "ring"
    described.execute(folder)
    return folder


def figures(folder):
    """Return the result without times."""
    return without_times(json.loads((folder / "result.json").read_text(encoding="utf-8")))


def recommended(folder):
    """Return recommendations of a run's student."""
    return Recommender.from_pretrained(folder / "student").recommend(HISTORY)


def is_refused_or_equal(folder, expected):
    """Return whether recommendations are the expected ones, or refused in a sentence of ours."""
    try:
        return recommended(folder) == expected
    except DataError as error:
        return "start the run that made" in str(error)


def rerun(described, folder):
    """Run again, and return what was told."""
    noted = Recording()
    described.execute(folder, progress=noted)
    return noted


def test_nothing_is_said_of_a_run_as_it_was(described, finished):
    """All stages are kept, in silence."""
    noted = rerun(described, finished)

    assert (noted.notes, len(noted.left)) == ([], len(STAGES))


def test_a_damaged_stage_is_said_and_done_again(described, finished, tmp_path):
    """The result is that of the whole run; stages that read an equal result are kept."""
    folder = shutil.copytree(finished, tmp_path / "run")
    path = folder / "calibration" / "batches.safetensors"
    path.write_bytes(flipped(path.read_bytes(), -1))
    noted = rerun(described, folder)

    assert figures(finished) == figures(folder)
    assert noted.notes == [f"{path} is damaged: it is not as it was written; calibration is done again"]
    assert noted.left == ["data", "teacher", "importance", "selection", "pruning", "distillation", "evaluation"]


def test_the_record_of_another_stage(described, finished, tmp_path):
    """A record that is whole, but in the wrong place, makes its stage again and is named."""
    folder = shutil.copytree(finished, tmp_path / "run")
    path = shutil.copy(folder / "data" / "stage.json", folder / "selection" / "stage.json")
    noted = rerun(described, folder)

    assert noted.notes == [f"{path} is damaged: it is the record of the stage 'data'; selection is done again"]
    assert len(noted.left) == len(STAGES) - 1


@pytest.mark.full
def test_what_was_made_of_another_result_is_done_again(described, finished, tmp_path):
    """A stage whose result differs from the one that later stages read takes them with it."""
    folder = shutil.copytree(finished, tmp_path / "run")
    record = read_record(folder / "selection" / "stage.json")
    chosen = json.loads((folder / "selection" / "selection.json").read_text(encoding="utf-8"))
    (folder / "selection" / "selection.json").write_text(json.dumps({**chosen, "reason": "another"}), encoding="utf-8")
    seal(folder / "selection", "stage.json", record)  # as if another machine had come to another result
    noted = rerun(described, folder)

    assert noted.left == ["data", "teacher", "calibration", "importance", "selection"]


def test_a_damaged_student_is_not_asked(finished, tmp_path):
    """One byte of the weights differs: no recommendation, and the message says what to do."""
    folder = shutil.copytree(finished, tmp_path / "run")
    path = folder / "student" / "model.safetensors"
    path.write_bytes(flipped(path.read_bytes(), -1))

    with pytest.raises(DataError, match=r"model\.safetensors is damaged: it is not as it was written; start the run"):
        recommended(folder)


def test_a_student_that_was_copied_out_of_its_run(finished, tmp_path):
    """It is checked by its own record, and may have more files than that."""
    alone = shutil.copytree(finished / "student", tmp_path / "mine")
    (alone / "README.md").write_text("my model", encoding="utf-8")
    (alone / "stage.json").rename(tmp_path / "stage.json")

    assert recommended(finished) == Recommender.from_pretrained(alone).recommend(HISTORY)
    (tmp_path / "stage.json").rename(alone / "stage.json")
    assert recommended(finished) == Recommender.from_pretrained(alone).recommend(HISTORY)


def test_a_run_of_an_earlier_version_is_kept_and_said_to_be_unchecked(described, finished, tmp_path):
    """Without digests nothing is done again, and one line says for which stages nobody would see damage."""
    folder = shutil.copytree(finished, tmp_path / "run")
    record = read_record(folder / "data" / "stage.json")
    (folder / "evaluation" / "stage.json").write_text(
        json.dumps(
            {k: v for k, v in read_record(folder / "evaluation" / "stage.json").items() if k not in {"files", "digest"}}
        )
    )
    noted = rerun(described, folder)

    assert record
    assert len(noted.left) == len(STAGES)
    assert noted.notes == [
        "evaluation kept unchecked: an earlier version of shortstack recorded no digests; what is removed is done again"
    ]


def test_a_damaged_run_json_is_written_anew(described, finished, tmp_path):
    """The stages' records show whose folder it is; a folder without any stays a stranger's."""
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / "run.json").write_bytes(b"")
    noted = rerun(described, folder)

    assert noted.notes == [f"{folder / 'run.json'} is damaged; it is written anew with the settings of this run"]
    assert (finished / "run.json").read_bytes() == (folder / "run.json").read_bytes()
    for name in STAGES:
        (folder / name / "stage.json").unlink()
    (folder / "run.json").write_bytes(b"")
    with pytest.raises(RunFolderError, match="holds something else"):
        rerun(described, folder)


def test_changed_settings_of_a_folder_are_noticed(described, finished, tmp_path):
    """What reads a run of its folder refuses them, and a run with its own settings writes them anew."""
    folder = shutil.copytree(finished, tmp_path / "run")
    settings = (folder / "run.json").read_bytes()
    (folder / "run.json").write_bytes(settings.replace(b'"seed": 0', b'"seed": 1'))

    with pytest.raises(
        DataError, match=r"run\.json is not as it was written: its digest is of other content; run it again"
    ):
        Run.of_folder(folder)
    rerun(described, folder)
    assert settings == (folder / "run.json").read_bytes()


def every_damage(folder):
    """Yield each file of a run's stages with each kind of damage, as a function that damages it in a copy.

    But for the models' cards, which every run writes anew: nothing depends on them.
    """
    others = {path.name: path for path in folder.rglob("*") if path.is_file()}
    for path in sorted(path for path in folder.glob("*/**/*") if path.name != CARD):
        for change in CHANGES:
            yield path.relative_to(folder), change
        other = next(
            (o for o in folder.rglob(path.name) if o != path and o.read_bytes() != path.read_bytes()), others[path.name]
        )
        if other != path and other.read_bytes() != path.read_bytes():
            yield path.relative_to(folder), lambda _content, _place, other=other: other.read_bytes()


@pytest.mark.attacks
@pytest.mark.parametrize("stage", STAGES)
def test_every_damage_to_every_file_of_a_run(described, finished, tmp_path, stage):
    """The next run says which file is damaged and gives the same result; until then the student is whole or refused."""
    expected, answers = figures(finished), recommended(finished)
    for number, (relative, change) in enumerate(every_damage(finished)):
        if relative.parts[0] != stage:
            continue
        folder = shutil.copytree(finished, tmp_path / str(number))
        path = folder / relative
        path.write_bytes(change(path.read_bytes(), 7919 * (number + 1)))
        assert is_refused_or_equal(folder, answers), path
        noted = rerun(described, folder)

        assert any(note.startswith(f"{path} is damaged") for note in noted.notes), path
        assert expected == figures(folder), path
        assert answers == recommended(folder), path
        shutil.rmtree(folder)


def test_folders_that_know_no_fsync(tmp_path, monkeypatch):
    """Some network file systems refuse it for folders; for files, and for other reasons, the error stays one."""
    import errno

    from shortstack.files import write_through

    def refusing(number):
        def fsync(_descriptor):
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", refusing(errno.EINVAL))
    write_through(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Invalid argument"):
        write_through(tmp_path / "file")
    monkeypatch.setattr(os, "fsync", refusing(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_through(tmp_path)


def test_a_linked_file_is_not_hashed_again(tmp_path, monkeypatch):
    """A new name changes its status; what was written into it since does count."""
    written(tmp_path / "one", {"a": b"content", "b": b"more"})
    seal(tmp_path / "one", "record.json", {})
    (tmp_path / "two").mkdir()
    for name in ("a", "b", "record.json"):
        link(str(tmp_path / "one" / name), str(tmp_path / "two" / name))
    hashed = []
    monkeypatch.setattr("shortstack.digests._computed", lambda path: hashed.append(path) or "another")

    assert damage(tmp_path / "two", "record.json") == damage(tmp_path / "one", "record.json") == ""
    assert hashed == []
    (tmp_path / "one" / "a").write_bytes(b"CONTENT")
    assert damage(tmp_path / "two", "record.json").endswith("a is damaged: it is not as it was written")
