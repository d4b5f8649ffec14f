"""Mutations of one file: of its bytes, of its JSON values, of the tensors' header, and of what stands in its place.

``mutations(path)`` yields all that suit a file, each with a name; ``Mutation.apply`` does it to a copy. ``sample`` draws a
few of every kind, the same for a seed.
"""

import json
import os
import random
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs

VALUES = (
    None, True, -1, 0, 1.5, 10**19, float("nan"), float("inf"), "", "x", "\ud800", "../x", "\x1b[31m", [], {}, [None], [[[]]],
    {"a": 1}, [1, "a"],
)  # fmt: skip
"""What may stand in the place of any value of a JSON file."""
RAW = {"5,000 digits": b"9" * 5_000, "an exponent": b"1e999", "deep nesting": b"[" * 100_000 + b"]" * 100_000}
"""JSON that Python's reader refuses, or reads as infinity: in place of a value."""
CUTS = 7
"""Number of places at which a file is cut off."""
MANY = 6
"""Largest number of entries of a list or table that are changed one by one; of longer ones the first and the last."""


@attrs.frozen
class Mutation:
    """One thing that happened to a file.

    Attributes:
        kind: The kind of thing; a sample has some of each.
        name: What exactly.
        apply: Does it to the file at a path.
    """

    kind: str
    name: str
    apply: Callable[[Path], object]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def mutations(path: Path) -> Iterator[Mutation]:
    """Yield all mutations that suit a file: those of its place and bytes, and those of its format."""
    data = path.read_bytes()
    yield from _of_places()
    yield from _of_bytes(data)
    if path.suffix == ".json":
        yield from _of_json(data)
    if path.suffix == ".jsonl":
        yield from _of_lines(data)
    if path.suffix == ".safetensors":
        yield from _of_headers(data)


def sample(found: Iterable[Mutation], each: int, seed: int = 0) -> list[Mutation]:
    """Draw at most ``each`` mutations of every kind."""
    draw = random.Random(seed)
    by_kind = groupby(sorted(found, key=lambda one: one.kind), key=lambda one: one.kind)
    groups = [list(group) for _, group in by_kind]
    return [one for group in groups for one in draw.sample(group, min(each, len(group)))]


def _of_places() -> Iterator[Mutation]:
    """What stands where the file should be."""
    yield Mutation("place", "missing", Path.unlink)
    yield Mutation("place", "a folder", lambda path: (path.unlink(), path.mkdir()))
    yield Mutation("place", "a link to itself", lambda path: (path.unlink(), path.symlink_to(path)))
    yield Mutation("place", "a link to nothing", lambda path: (path.unlink(), path.symlink_to(path.with_name("gone"))))
    if os.geteuid():  # root reads everything
        yield Mutation("place", "not ours to read", lambda path: path.chmod(0))


def _of_bytes(data: bytes) -> Iterator[Mutation]:
    draw = random.Random(len(data))
    yield _written("bytes", "empty", b"")
    yield _written("bytes", "not UTF-8", b"\xff\xfe" + data)
    yield _written("bytes", "a byte order mark", b"\xef\xbb\xbf" + data)
    yield _written("bytes", "NUL bytes", bytes(len(data) or 1))
    yield _written("bytes", "twice", data + data)
    yield _written("bytes", "random", draw.randbytes(max(16, min(len(data), 10_000))))
    yield _written("bytes", "deep nesting", RAW["deep nesting"])
    yield _written("bytes", "a number of 5,000 digits", RAW["5,000 digits"])
    for place in range(1, CUTS + 1):
        at = len(data) * place // (CUTS + 1)
        yield _written("cut", f"after {at} bytes", data[:at])
        yield _written(
            "flip",
            f"of byte {at}",
            data[:at] + bytes([(data or b"\0")[min(at, len(data) - 1)] ^ 0x55]) + data[at + 1 :],
        )


def _of_json(data: bytes) -> Iterator[Mutation]:
    value = json.loads(data)
    yield from (_written("whole value", f"{other!r:.20}", _dumped(other)) for other in VALUES)
    for place in _places(value):
        at = "".join(f"[{step!r}]" for step in place)
        yield _written("dropped", at, _dumped(_changed(value, place, _Dropped)))
        for other in VALUES:
            yield _written("value", f"{at} = {other!r:.20}", _dumped(_changed(value, place, other)))
        for name, raw in RAW.items():
            yield _written(
                "raw value",
                f"{at} = {name}",
                _dumped(_changed(value, place, _MARK)).replace(f'"{_MARK}"'.encode(), raw),
            )


def _of_lines(data: bytes) -> Iterator[Mutation]:
    """The same of the first and the last line."""
    lines = data.split(b"\n")
    for place in sorted({0, len(lines) - 2}):
        for one in _of_json(lines[place]):
            changed = attrs.evolve(one, name=f"line {place + 1}: {one.name}", apply=_in_line(place, one))
            yield changed


def _in_line(place: int, one: Mutation) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        lines = path.read_bytes().split(b"\n")
        path.write_bytes(lines[place])
        one.apply(path)
        lines[place] = path.read_bytes()
        path.write_bytes(b"\n".join(lines))

    return apply


def _of_headers(data: bytes) -> Iterator[Mutation]:
    """The header of a safetensors file: its length, and its JSON."""
    (length,) = struct.unpack("<Q", data[:8])
    for other in (0, 1, length + 1, len(data), 2**40, 2**63):
        yield _written("length", f"a header of {other} bytes", struct.pack("<Q", other) + data[8:])
    for one in _of_json(data[8 : 8 + length]):
        yield attrs.evolve(one, apply=_in_header(length, one))


def _in_header(length: int, one: Mutation) -> Callable[[Path], object]:
    def apply(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[8 : 8 + length])
        one.apply(path)
        header = path.read_bytes()
        path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])

    return apply


_MARK = "the place of a mark"


class _Dropped:
    """Stands for an entry that is left out."""


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values below a JSON value, of long lists and tables those of the ends."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return
    for key in keys if len(keys) <= max(MANY, 40 if not place else 0) else [keys[0], keys[-1]]:
        yield (*place, key)
        yield from _places(value[key], (*place, key))


def _changed(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """Return the value with another at a path."""
    key, *rest = place
    changed = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        changed[key] = _changed(value[key], tuple(rest), other)
    elif other is _Dropped:
        del changed[key]
    else:
        changed[key] = other
    return changed


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def _written(kind: str, name: str, data: bytes) -> Mutation:
    return Mutation(kind, name, lambda path: path.write_bytes(data))
