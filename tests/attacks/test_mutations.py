"""The generators themselves: each mutation changes its file, and the law accuses what is wrong."""

import json

import pytest

from attacks.answers import accusation, accusations
from attacks.mutations import mutations, sample
from shortstack.errors import DataError

KINDS = {"place", "bytes", "cut", "flip"}


@pytest.fixture
def written(tmp_path):
    """A file of each format."""
    import numpy as np
    from safetensors.numpy import save_file

    (tmp_path / "a.json").write_text('{"x": 1, "y": [2, {"z": "t"}]}')
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n{"x": 2}\n{"x": 3}\n')
    save_file({"x": np.zeros(3)}, tmp_path / "a.safetensors")
    (tmp_path / "a.txt").write_text("some text")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("a.txt", set()),
        ("a.json", {"whole value", "dropped", "value", "raw value"}),
        ("a.jsonl", {"whole value", "dropped", "value", "raw value"}),
        ("a.safetensors", {"whole value", "dropped", "value", "raw value", "length"}),
    ],
)
def test_each_changes_its_file(written, name, more):
    """And there are some of each kind that suits the format."""
    before, path = (written / name).read_bytes(), written / name
    found = list(mutations(path))
    same = []
    for one in found:
        one.apply(path)
        if path.is_file() and path.read_bytes() == before:
            same.append(str(one))
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(before)

    assert {one.kind for one in found} == KINDS | more
    assert all(" = " in one for one in same)  # a value in its own place
    assert len(same) < 3


def test_a_sample_has_each_kind(written):
    """And is the same for a seed."""
    found = list(mutations(written / "a.json"))
    drawn = sample(found, 2)

    assert {one.kind for one in drawn} == {one.kind for one in found}
    assert [str(one) for one in drawn] == [str(one) for one in sample(found, 2)]
    assert [str(one) for one in drawn] != [str(one) for one in sample(found, 2, seed=1)]


def test_the_law_accuses(written, tmp_path_factory):
    """Other errors, and our own without a name."""

    def raises(error):
        def work(folder):
            raise error

        return work

    assert accusation(raises(DataError(f"{written}/a.json is damaged")), written) == ""
    assert accusation(lambda _: None, written) == ""
    assert "no file is named" in accusation(raises(DataError("it is damaged")), written)
    assert "KeyError: 'x'" in accusation(raises(KeyError("x")), written)
    assert "SystemExit" in accusation(raises(SystemExit(1)), written)

    def keys(folder):
        return json.loads((folder / "a.json").read_text())["x"]

    found = sample(mutations(written / "a.json"), 1)
    assert accusations(written, "a.json", found, [keys], tmp_path_factory.mktemp("space"))
