"""Any value may stand in any field of a JSON source: adapters read on past it when asked to, and else name its line."""

import copy
import json
import re
from functools import partial

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mutants import datasets

from shortstack.errors import DataError
from shortstack.registry import Registry
from shortstack.testing.laws.datasets.reading import read, written
from shortstack.testing.recipes.tables import InteractionTable
from shortstack.testing.subject import subject_of

REGISTRY = Registry.from_environment()
VALUES = ([1], {"a": 1}, 5, 1.5, True, None, "\ud800", [[[]]], "", 10**400, -1, float("nan"))
SAMPLE = InteractionTable(rows=((0, 0, 5, 0), (1, 1, 1, 1), (2, 2, 5, 2), (0, 3, 1, 3))).sample()
OURS = [s for s in datasets.CORRECT if s.name.partition("-")[0] in {"amazon", "yelp", "table", "sequences", "recbole"}]
NESTED = [
    {
        "user_id": f"U{user}",
        "category": "Toys",
        "history": [
            {
                "parent_asin": f"A{item}",
                "rating": 5.0,
                "timestamp_ms": 1_500_000_000_000 + item,
                "product": {"title": f"T{item}", "main_category": "Toys"},
            }
            for item in range(3)
        ],
    }
    for user in range(3)
]


def refusal(work, *arguments):
    """The message of the error that ends it; None if nothing does."""
    try:
        work(*arguments)
    except DataError as error:
        return str(error)
    return None


def objects_of(path):
    """The JSON objects of a file's lines; none where it holds something else."""
    try:
        objects = [json.loads(line) for line in path.read_bytes().decode().splitlines() if line.strip()]
    except ValueError:
        return []
    return objects if all(isinstance(one, dict) for one in objects) else []


def changes(objects):
    """The same with one value of the first or the last changed."""
    for place in {0, len(objects) - 1} if objects else ():
        for key in objects[place]:
            for value in VALUES:
                changed = copy.deepcopy(objects)
                changed[place][key] = value
                yield changed


def write(path, objects):
    """One a line."""
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")


@pytest.mark.full
@pytest.mark.parametrize("subject", OURS, ids=lambda subject: subject.name)
def test_every_field(subject):
    """With ``skip_bad_rows`` everything is read; without, an error names the line, or nothing is wrong with the value."""
    base = subject_of(subject.component, "dataset", settings=subject.settings, registry=REGISTRY)
    skipping = attrs.evolve(base, settings={**base.settings, "skip_bad_rows": True})
    with written(base, SAMPLE) as place:
        paths = [path for path in place.files if objects_of(path)]
        if not paths:
            pytest.skip("this format has no JSON objects on its lines")
        for path in paths:
            before, errors = path.read_bytes(), []
            for changed in changes(objects_of(path)):
                write(path, changed)
                assert read(skipping, place.source).interactions.collect().height >= 3
                refused = refusal(read, base, place.source)
                assert refused is None or re.match(rf"{re.escape(str(path))}:\d+: ", refused)
                errors.append(refused)
            assert any(errors), path  # some of the values are none in any column
            path.write_bytes(before)


def nested_changes():
    """Of the users, of their reviews, and of the products in these."""
    for value in VALUES:
        for key in NESTED[1]:
            yield changed_at(value, lambda users: users[1], key)
        for key in NESTED[1]["history"][1]:
            yield changed_at(value, lambda users: users[1]["history"][1], key)
        for key in NESTED[1]["history"][1]["product"]:
            yield changed_at(value, lambda users: users[1]["history"][1]["product"], key)


def changed_at(value, place, key):
    """The nested histories with one value changed."""
    changed = copy.deepcopy(NESTED)
    place(changed)[key] = value
    return changed


def test_nested_histories(tmp_path):
    """Amazon's histories by user: a review whose item is a list is a bad row, not the end, and no item called ``[1]``."""
    path, errors = tmp_path / "nested_amazon_dataset.jsonl", []
    for users in nested_changes():
        write(path, users)
        skipping = REGISTRY.build("dataset", "amazon-reviews", {"skip_bad_rows": True}).read(tmp_path)
        rows = skipping.interactions.collect()

        assert rows.height >= 6
        assert set(rows["item"]) <= {"A0", "A1", "A2", "\\ud800"}
        strict = REGISTRY.build("dataset", "amazon-reviews", {})
        refused = refusal(strict.read, tmp_path)
        assert refused is None or refused.startswith(f"{path}:2: ")
        errors.append(refused)
    assert any(errors)
    assert not all(errors)


def test_halves_of_surrogate_pairs_stay_apart(tmp_path):
    """Two ids that UTF-8 cannot hold are two, and their lines are read."""
    (tmp_path / "x.jsonl").write_text('{"user": "\\ud800", "item": "a"}\n{"user": "\\ud801", "item": "b\\udc00"}\n')
    rows = REGISTRY.build("dataset", "table", {}).read(tmp_path / "x.jsonl").interactions.collect()

    assert rows.select("user", "item").rows() == [("\\ud800", "a"), ("\\ud801", "b\\udc00")]


PAIRS = st.lists(
    st.tuples(st.sampled_from(["item", "título", "more"]), st.sampled_from(["a", "b", 'the "item"', None])), max_size=5
)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(PAIRS, min_size=1, max_size=3), ascii_only=st.booleans(), gap=st.sampled_from([":", " : "]))
def test_a_repeated_field_is_the_last(tmp_path_factory, lines, ascii_only, gap):
    """As in Python and most programs, whether or not another line is bad."""
    path = tmp_path_factory.mktemp("repeated") / "x.jsonl"
    spell = partial(json.dumps, ensure_ascii=ascii_only)
    pairs = [[("user", f"u{number}"), *line, ("item", "z")] for number, line in enumerate(lines)]
    texts = ["{" + ", ".join(f"{spell(key)}{gap}{spell(value)}" for key, value in line[::-1]) + "}" for line in pairs]
    expected = [json.loads(text) for text in texts]
    adapter = REGISTRY.build("dataset", "table", {"title": "título", "skip_bad_rows": True})
    assume(any(row.get("título") for row in expected) and all(row["item"] for row in expected))

    for more in ("", "no object\n"):
        path.write_text("".join(f"{text}\n" for text in texts) + more, encoding="utf-8")
        records = adapter.read(path)
        read_rows = records.interactions.collect().select("user", "item").rows()
        assert read_rows == [(row["user"], row["item"]) for row in expected]
        assert set(records.items.collect()["title"].drop_nulls()) <= {row.get("título") for row in expected}


LONG = "9007199254740993"
"""2**53 + 1, which a float takes for 2**53."""


@pytest.mark.parametrize("adapter", ["table", "sequences"])
@pytest.mark.parametrize("column", ["user", "item"])
@pytest.mark.parametrize("number", [f"{LONG}.0", f"-{LONG}.0", "9.007199254740993E15", "1e400"])
def test_a_float_that_stands_for_many_numbers_is_no_id(tmp_path, adapter, column, number):
    """Neighbouring ids would be one; a whole number of any length is an id, and so is a short float."""
    other = {"user": "item", "item": "user"}[column]
    path = tmp_path / "ids.json"

    def written(one):
        lines = f'{{"{column}": {one}, "{other}": "a"}}\n{{"{other}": "b", "{column}": 5.0}}\n'
        objects = f'{{"u": [1.0], "v": [7, {one}]}}' if adapter == "sequences" else lines
        path.write_text(objects, encoding="utf-8")
        return path

    read = REGISTRY.build("dataset", adapter).read
    ids = read(written(LONG)).interactions.collect()[column if adapter == "table" else "item"].to_list()
    problem = refusal(read, written(number))

    assert ids == ([LONG, "5"] if adapter == "table" else ["1", "7", LONG])
    if adapter == "sequences":
        assert problem == f"{path}:2: the entry should be a user with a list of item ids, texts or whole numbers"
    else:
        assert problem == (
            f"{path}:1: {column} is a float of 9,007,199,254,740,992 or more, where different ids are one number; "
            "write whole numbers or text"
        )
