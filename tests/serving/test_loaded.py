"""What is served depends on no file any more, and knows when the folder is another."""

import shutil

import pytest

from shortstack.serving.loaded import Served


@pytest.fixture
def place(folder, tmp_path):
    """A copy of the folder, which may be changed."""
    return shutil.copytree(folder, tmp_path / "student")


def test_weights_that_are_overwritten_in_their_file(place):
    """The bytes of a mapped file would change under the model."""
    served = Served.load(place, "cpu")
    before = served.recommender.recommend(["m1"], 16)
    weights = place / "model.safetensors"
    size = weights.stat().st_size
    with weights.open("r+b") as opened:
        opened.seek(size // 2)
        opened.write(b"\x11" * (size - size // 2))

    assert before == served.recommender.recommend(["m1"], 16)
    assert served.changed()


def test_two_loads_agree_to_the_last_bit(place, recommender):
    """Wherever the weights lie: as saved, and in a file in which they begin elsewhere."""
    loaded = Served.load(place, "cpu").recommender

    for history in (["m1"], ["m2", "m3", "m4"], [f"m{n}" for n in range(6)]):
        assert recommender.recommend(history, 16) == loaded.recommend(history, 16)


@pytest.mark.parametrize("change", ["added", "removed", "touched", "gone"])
def test_a_folder_that_changes(place, change):
    """Every change of its files is told; none is, of a folder left alone."""
    served = Served.load(place, "cpu")
    assert not served.changed()
    match change:
        case "added":
            (place / "new.json").write_text("{}")
        case "removed":
            (place / "items.jsonl").unlink()
        case "touched":
            (place / "items.jsonl").write_text("another")
        case _:
            shutil.rmtree(place)

    assert served.changed()
