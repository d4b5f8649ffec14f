"""Recipes that attacks share: odd values, trees of JSON with something odd in them, damaged bytes."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from shortstack.testing.recipes.damage import DAMAGES

ODD_TEXTS = (
    "", " ", "\0", "\x1b]0;x\x07", "\u202egnp", "\ud800", "é", "日本\u2028", "x" * 3_000, "../x", "/dev/zero", "/dev/null", "/proc/self/mem", ".",
    "nan", "-1", "1e999", "9" * 5_000, "[" * 3_000, "{}", "{title}", "{0.x}", "%s", "a:b", ":x", "json:loads", "None", "true", "1_000", "٣", "²",
    "0x1F", "50%", "-5%", "1K", "2020-01-01", "9999-12-31T23:59:59", "#", '"', "'", ",", "\t", "\n", "\r", "--json", "~", "*", "C:\\x", "wheel:x",
)  # fmt: skip
ODD_NUMBERS = (-1, 0, 1, 2, 3, 7, 2**15, 2**31 - 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, -(2**63), -(10**30))
ODD_FLOATS = (0.0, -0.0, 0.5, 1.0, 1.5, -1.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"))
ODD_BYTES = (
    b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b"\r\n", b"\t", b",", b'"', b"\\", b"{", b"}", b"[" * 2_000, b"::", b"\x1b[2J",
    b"nan", b"inf", b"1e999", b"-1", b"9" * 30, b"null", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\xa6\x8a", b"\x1a", b"PK\x03\x04", b"\x1f\x8b",
    b"PAR1", b"\\ud800", b"\xe2\x80\xa8", b"x" * 5_000, b"\0" * 64, b"\xff" * 8,
)  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    """Draw texts that programs stumble over."""
    return st.sampled_from(ODD_TEXTS) | st.text(st.characters(codec="utf-8"), max_size=6)


def scalars() -> st.SearchStrategy[Any]:
    """Draw single values of JSON and TOML."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(ODD_NUMBERS),
        st.sampled_from(ODD_FLOATS),
        texts(),
        st.integers(-9, 99),
    )


def values() -> st.SearchStrategy[Any]:
    """Draw values of JSON, some nested."""
    return scalars() | st.recursive(
        scalars(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3), max_leaves=4
    )


def _places(tree: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each value in a tree of JSON."""
    inner = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in inner for place in ((*path, key), *_places(value, (*path, key)))]


@st.composite
def trees(draw: st.DrawFn, tree: Any, most: int = 2) -> Any:
    """Draw a tree of JSON in which up to so many values are replaced, left out, renamed, or joined by others."""
    changed = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        places = _places(changed)
        if not places:
            return draw(values())
        *way, last = draw(st.sampled_from(places))
        holder = changed
        for key in way:
            holder = holder[key]
        _change(draw, holder, last)
    return changed


def _change(draw: st.DrawFn, holder: Any, key: Any) -> None:
    what = draw(st.sampled_from(["replaced", "left out", "beside", "renamed"]))
    if what == "replaced" or (isinstance(holder, list) and what != "left out"):
        holder[key] = draw(values())
    elif what == "left out":
        del holder[key]
    elif what == "beside":
        holder[draw(texts())] = draw(values())
    else:
        holder[draw(texts())] = holder.pop(key)


def written(tree: object) -> bytes:
    """Return a tree as JSON, halves of surrogate pairs spelt out."""
    return json.dumps(tree).encode()


def _between(data: bytes, place: int, length: int, change: Callable[[bytes], bytes]) -> bytes:
    start = place % (len(data) + 1)
    return data[:start] + change(data[start : start + length]) + data[start + length :]


@st.composite
def damaged(draw: st.DrawFn, data: bytes, most: int = 3) -> bytes:
    """Draw damaged bytes: a named damage of the conformance kit, flipped bits, odd bytes put in, parts moved or repeated."""
    for _ in range(draw(st.integers(1, most))):
        data = draw(_one_damage(data))
    return data


def _one_damage(data: bytes) -> st.SearchStrategy[bytes]:
    place, length = st.integers(0, max(0, len(data) - 1)), st.integers(1, 64)
    odd = st.sampled_from(ODD_BYTES) | st.binary(min_size=1, max_size=8)
    return st.one_of(
        st.builds(lambda kind, at: DAMAGES[kind](data, at), st.sampled_from(list(DAMAGES)), place),
        st.builds(
            lambda at, bit: _between(data, at, 1, lambda part: bytes(b ^ 1 << bit for b in part)),
            place,
            st.integers(0, 7),
        ),
        st.builds(lambda at, what: _between(data, at, 0, lambda _: what), place, odd),
        st.builds(lambda at, what: _between(data, at, len(what), lambda _: what), place, odd),
        st.builds(lambda at, many: _between(data, at, many, lambda part: part * 3), place, length),
        st.builds(lambda at, many: _between(data, at, many, lambda _: b""), place, length),
    )


@st.composite
def odd_field(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw a file of which one field of one line is an odd text."""
    lines = content.split(b"\n")
    number = draw(st.integers(0, len(lines) - 1))
    separator = max((b"\t", b"::", b",", b" "), key=lines[number].count)
    fields = lines[number].split(separator)
    fields[draw(st.integers(0, len(fields) - 1))] = draw(st.sampled_from(ODD_TEXTS)).encode("utf-8", "surrogatepass")
    lines[number] = separator.join(fields)
    return b"\n".join(lines)


@st.composite
def odd_object(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw a file of which one line of JSON is odd; one without JSON gets a line of it."""
    lines = content.split(b"\n")
    number = draw(st.integers(0, len(lines) - 1))
    try:
        tree = json.loads(lines[number])
    except ValueError:
        tree = {"user": "u", "items": ["a", 1]}
    lines[number] = written(draw(trees(tree)))
    return b"\n".join(lines)
