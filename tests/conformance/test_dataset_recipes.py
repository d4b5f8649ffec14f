"""Recipes of tables, damage and other people's sources: what they make, and that they can be pasted."""

import pytest
from hypothesis import given
from mutants import datasets

from shortstack.contracts import Interaction
from shortstack.testing import Damage, InteractionTable, OtherSource, check
from shortstack.testing.recipes.damage import DAMAGES
from shortstack.testing.recipes.tables import disordered_tables
from shortstack.testing.strategies import damages, interaction_tables, other_sources

TEXT = b"u,i,4\nv,j,5\n"
DAMAGED = {
    "empty": b"",
    "truncated": b"u,i,4",
    "lost field": b"u,i,4\nv,5\n",
    "lost line": b"u,i,4\n",
    "repeated line": b"u,i,4\nv,j,5\nv,j,5\n",
    "joined lines": b"u,i,4\nv,j,5",
    "blank line": b"u,i,4\n\nv,j,5\n",
    "text in a number": b"u,i,4\nv,j,5x\n",
    "huge number": b"u,i,4\nv,j,5" + b"0" * 30 + b"\n",
    "negative number": b"u,i,4\nv,j,-5\n",
    "not UTF-8": b"u,i,4\xff\xfe\nv,j,5\n",
    "NUL": b"u,i,4\0\nv,j,5\n",
    "quote": b'u,i,4"\nv,j,5\n',
    "newline": b"u,i,4\n\nv,j,5\n",
}
PLACES = {"truncated": 5, "not UTF-8": 5, "NUL": 5, "quote": 5, "newline": 5, "lost field": 4}


def test_damage_does_what_its_name_says(tmp_path):
    """Each kind damages a byte, a line, a field or a number; the second file is left alone."""
    first, second = tmp_path / "a.csv", tmp_path / "b" / "c.csv"
    second.parent.mkdir()
    second.write_bytes(TEXT)
    contents = {}
    for kind in DAMAGES:
        first.write_bytes(TEXT)
        Damage(kind=kind, place=PLACES.get(kind, 1)).apply(tmp_path)
        contents[kind] = first.read_bytes()

    assert contents == DAMAGED
    assert second.read_bytes() == TEXT


def test_a_lost_file(tmp_path):
    """The index of the removed file wraps around; in an empty folder nothing is removed."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(TEXT)
    Damage(kind="lost file", file=4).apply(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]
    (tmp_path / "nothing").mkdir()
    Damage(kind="lost file").apply(tmp_path / "nothing")


def test_nothing_to_damage(tmp_path):
    """A file without numbers stays as it is."""
    (tmp_path / "a").write_bytes(b"abc")
    Damage(kind="text in a number").apply(tmp_path)

    assert (tmp_path / "a").read_bytes() == b"abc"


def test_other_sources(tmp_path):
    """A source may be a folder, a file in it, or the file itself."""
    kinds = ("empty folder", "folder", "file")
    for kind in kinds:
        (tmp_path / kind).mkdir()
    made = [OtherSource(kind=kind, name="x", content="é").write(tmp_path / kind) for kind in kinds]

    assert made == [tmp_path / "empty folder", tmp_path / "folder", tmp_path / "file" / "x"]
    assert [path.read_bytes() for path in sorted(tmp_path.rglob("x"))] == [b"\xe9", b"\xe9"]
    assert list((tmp_path / "empty folder").iterdir()) == []


def test_a_table():
    """Numbers become ids, days times; the item that is in no row is described too, and the untitled one is not."""
    table = InteractionTable(rows=((0, 1, 5, 0), (1, 0, 2, 3)), names=("x,y",), untitled=(1,))

    assert table.sample(text_ids=True).rows == (
        Interaction(user="x,y 2147000000", item="38", rating=5.0, timestamp=9_000 * 86_400_000),
        Interaction(user="x,y 2147007919", item="x,y", rating=2.0, timestamp=11_991 * 86_400_000),
    )
    assert [row.item for row in table.sample().rows] == ["38", "1"]
    assert table.sample().titles == {"75": "1984", "1": "Misérables, Les (1995)"}
    assert table.sample().categories == {"75": "Sci-Fi", "1": "Drama"}


def test_without_repeats():
    """The first row of each pair stays, in its place."""
    table = InteractionTable(rows=((0, 1, 5, 0), (1, 1, 2, 3), (0, 1, 4, 2), (0, 0, 4, 2)))

    assert table.without_repeats().rows == ((0, 1, 5, 0), (1, 1, 2, 3), (0, 0, 4, 2))


@given(interaction_tables(), damages(), other_sources())
def test_recipes_can_be_pasted(table, damage, source):
    """The printed repr is Python that rebuilds the same recipe."""
    for recipe in (table, damage, source):
        assert eval(repr(recipe)) == recipe  # noqa: S307 -- our own repr


@given(interaction_tables())
def test_ids_are_told_apart(table):
    """No two users and no two items share an id, with text or without; no id is empty."""
    for text in (False, True):
        rows = table.sample(text_ids=text).rows
        for column, number in (("user", 0), ("item", 1)):
            ids = {row[number]: getattr(interaction, column) for row, interaction in zip(table.rows, rows, strict=True)}
            assert len(set(ids.values())) == len(ids)
            assert all(ids.values())


@given(interaction_tables())
def test_shuffling_keeps_the_rows(table):
    """Rows come in the order that the seed gives."""
    assert sorted(table.shuffled(3).rows) == sorted(table.rows)
    assert table.shuffled(3) == table.shuffled(3)


@given(disordered_tables())
def test_rows_in_the_order_of_no_column(table):
    """Sorting by any column, or by users and then by any, changes their order."""
    rows = [(row.user, row.item, row.rating, row.timestamp) for row in table.sample().rows]
    keys = [lambda row, place=place: (row[place],) for place in range(4)]
    keys += [lambda row, place=place: (row[0], row[place]) for place in range(4)]

    assert rows not in [sorted(rows, key=key, reverse=reverse) for key in keys for reverse in (False, True)]
    assert len({row[:2] for row in rows}) == len(rows)


@pytest.mark.parametrize("mutant", ["by-time", "by-user-and-time", "reversed"])
@pytest.mark.parametrize("seed", range(3))
def test_one_example_shows_a_wrong_order(mutant, seed):
    """A table that is drawn in the order of its times would hide it."""
    (wrong,) = (each for each in datasets.MUTANTS if each.name == mutant)
    (outcome,) = check(wrong.component, laws=["file-order"], examples=1, seed=seed, shrink=False)

    assert outcome.status == "failed"
