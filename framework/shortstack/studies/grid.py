"""The runs of a study: each combination of the axes' values, for each variant, and what is listed beside them."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

import attrs

from shortstack.config.amounts import plain_number
from shortstack.config.given import Given
from shortstack.config.writer import name_in_record, unstructure
from shortstack.errors import ConfigurationError, UnknownNameError

Settings = Mapping[str, Any]

MOST: Final = 1000
"""Runs of a study that need no confirmation."""
_LONGEST: Final = 120
"""Characters of a run's name, which is a folder's."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


@attrs.frozen(kw_only=True)
class Point:
    """A run of a study, as its differences from the base.

    Attributes:
        name: Name of the run, and of its folder.
        variant: Name of its variant; empty if the study has none.
        settings: Dotted path → value.
    """

    name: str
    variant: str
    settings: Settings


Axes = Mapping[str, Sequence[Any]]


def count(axes: Axes, variants: Mapping[str, Settings], listed: Sequence[Settings], zipped: Sequence[Axes] = ()) -> int:
    """Return the number of runs, before exclusions.

    >>> count({"seed": [0, 1], "selection.keep_ratio": [0.5, 0.25]}, {}, [{"seed": 7}])
    5
    """
    steps = [len(next(iter(table.values()))) for table in zipped]
    grid = len(variants or [""]) * math.prod([*map(len, axes.values()), *steps])
    return len(listed) + (grid if axes or zipped or variants or not listed else 0)


def points(
    axes: Axes,
    variants: Mapping[str, Settings],
    listed: Sequence[Settings],
    excluded: Sequence[Settings],
    zipped: Sequence[Axes] = (),
    *,
    settled: Callable[[Settings], Settings] = dict,
) -> list[Point]:
    """Return the runs, each axis in its order, the first axis slowest, and after all axes those that vary together.

    Args:
        axes: Dotted path → its values.
        variants: Name → settings by dotted path.
        listed: Further runs.
        excluded: Combinations to leave out.
        zipped: Further axes, each of several settings.
        settled: Returns the settings of one run as they are meant, where only a whole run says that.

    Raises:
        UnknownNameError: An exclusion names something that is no axis.
        ConfigurationError: Two runs have one name, all are excluded, or a run has a setting twice.
    """
    paths = [*axes, *(path for table in zipped for path in table)]
    _require_once(paths)
    for variant, settings in variants.items():
        _require_no_axis(variant, settings, paths)
    for table in excluded:
        _require_axes(table, paths, variants)
    has_grid = axes or zipped or variants or not listed
    grid = [(variant, point) for variant in variants or [""] for point in _grid(axes, zipped)] if has_grid else []
    for table in excluded:
        _require_effect(table, grid)
    left = [(variant, point) for variant, point in grid if not _is_excluded(variant, point, excluded)]
    shown = short_names([*paths, *(path for table in listed for path in table)])
    made = [
        _point(variant, point, settled({**variants.get(variant, {}), **point}), shown)
        for variant, point in [*left, *(("", table) for table in listed)]
    ]
    if not made:
        raise ConfigurationError("a study's exclude leaves no run; exclude less")
    _require_names_of_their_own(made)
    for point in made:
        _require_apart(point)
    return made


def _point(variant: str, varied: Iterable[str], settings: Settings, shown: Mapping[str, str]) -> Point:
    name = _name(variant, {path: settings[path] for path in varied}, shown)
    return Point(name=name, variant=variant, settings=settings)


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Return the last part of each path, or the whole path where two end alike.

    >>> short_names(["seed", "teacher.fit.steps", "distillation.fit.steps"])
    {'seed': 'seed', 'teacher.fit.steps': 'teacher.fit.steps', 'distillation.fit.steps': 'distillation.fit.steps'}
    """
    distinct = dict.fromkeys(paths)
    ends = Counter(path.rpartition(".")[2] for path in distinct)
    return {path: path.rpartition(".")[2] if ends[path.rpartition(".")[2]] == 1 else path for path in distinct}


def in_words(value: object) -> Any:
    """Return a value of an axis as a table shows it: numbers and texts as they are, an object's name, all else as JSON."""
    plain = _plain(value)
    if plain is None or isinstance(plain, bool | int | float):
        return plain
    named = name_in_record(plain) if isinstance(plain, Mapping | str) else ""
    is_named = isinstance(plain, str) or named != str(plain)
    return named if named and is_named else json.dumps(plain, default=str)


def in_words_apart(values: Sequence[object]) -> list[Any]:
    """Return the values of one axis in words, with a digest where objects of one name differ.

    >>> in_words_apart([{"python object": "mine", "digest": "5f"}, {"python object": "mine", "digest": "6a"}, "other"])
    ['mine~a23377f4', 'mine~53eb4b18', 'other']
    """
    words, plain = [in_words(value) for value in values], [_plain(value) for value in values]
    meanings: dict[Any, set[str]] = {}
    for word, value in zip(words, plain, strict=True):
        meanings.setdefault(word, set()).add(_digest(value))
    return [
        f"{word}~{_digest(value)}" if isinstance(value, Mapping) and len(meanings[word]) > 1 else word
        for word, value in zip(words, plain, strict=True)
    ]


def _plain(value: object) -> Any:
    """Return a value as plain settings; an object as its name and digest, for its fields do not say of which class it is."""
    value = plain_number(value)
    is_table = type(value).__module__.startswith("shortstack.config.") and not isinstance(value, Given)
    return unstructure(value, None if is_table else Any)


def possible_words(value: object) -> list[Any]:
    """Return how a table may show a value of an axis: see ``in_words_apart``."""
    words, plain = in_words(value), _plain(value)
    return [words, f"{words}~{_digest(plain)}"] if isinstance(plain, Mapping) else [words]


def _grid(axes: Axes, zipped: Sequence[Axes]) -> Iterator[Settings]:
    each = [[{path: value} for value in values] for path, values in axes.items()]
    together = [
        [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)] for table in zipped
    ]
    for tables in product(*each, *together):
        yield {path: value for table in tables for path, value in table.items()}


def _require_once(paths: Sequence[str]) -> None:
    twice = next((path for path, times in Counter(paths).items() if times > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{twice!r} is an axis twice in the study; leave it in axes or in one zip alone")


def _require_apart(point: Point) -> None:
    """Raise if a run sets a table, and a setting in it too: which of them holds would depend on their order."""
    for path in point.settings:
        inner = next((other for other in point.settings if other.startswith(f"{path}.")), None)
        if inner is not None:
            raise ConfigurationError(
                f"the study's run {point.name!r} sets {path!r} and {inner!r}, which is a part of it; set the one in the other"
            )


def _require_axes(table: Settings, axes: Sequence[str], variants: Mapping[str, Settings]) -> None:
    known = [*axes, *(["variant"] if variants else [])]
    unknown = next((path for path in table if path not in known), None)
    if unknown is not None:
        raise UnknownNameError("axis in a study's exclude:", unknown, known)


def _require_no_axis(variant: str, settings: Settings, axes: Sequence[str]) -> None:
    """Raise if a variant sets what an axis sets: the axis would hold, and the variant would be left out without a word."""
    twice = next((path for path in settings if path in axes), None)
    if twice is not None:
        raise ConfigurationError(
            f"the study's variant {variant!r} sets {twice!r}, which is an axis too; leave it in one of them alone"
        )


def _require_effect(table: Settings, grid: Sequence[tuple[str, Settings]]) -> None:
    """Raise if an exclusion leaves nothing out, as one with a mistyped value does."""
    if not any(_is_excluded(variant, point, [table]) for variant, point in grid):
        shown = ", ".join(f"{path} = {in_words(value)!r}" for path, value in table.items())
        raise ConfigurationError(
            f"the study's exclude leaves out no run where {shown}; give values of its axes and names of its variants"
        )


def _is_excluded(variant: str, point: Settings, excluded: Sequence[Settings]) -> bool:
    there = {**point, "variant": variant}
    return any(all(_is_same(there[path], value) for path, value in table.items()) for table in excluded)


def _is_same(one: object, other: object) -> bool:
    """Compare values as settings: False is not 0, and objects, such as tables, are equal if their content is."""
    if one is other:
        return True
    return bool(_plain(one) == _plain(other)) and isinstance(one, bool) == isinstance(other, bool)


def _name(variant: str, settings: Settings, shown: Mapping[str, str]) -> str:
    parts = [f"{shown[path]}={_spelt(value)}" for path, value in settings.items()]
    name = ",".join([*([variant] if variant else []), *parts]) or "base"
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 9]}~{_digest(name)}"


def _spelt(value: object) -> str:
    """Return a value as a part of a folder's name; a digest tells apart what is not spelt out."""
    text = str(in_words(value))
    if _PLAIN.fullmatch(text) and not isinstance(_plain(value), Mapping):
        return text
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', text).strip('-.')[:24]}~{_digest(_plain(value))}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _require_names_of_their_own(made: Sequence[Point]) -> None:
    """Raise if two names are one, also on a disk that does not tell capitals apart."""
    names = Counter(point.name.casefold() for point in made)
    twice = next((point.name for point in made if names[point.name.casefold()] > 1), None)
    if twice is not None:
        raise ConfigurationError(
            f"two runs of the study are called {twice!r}; give each axis, variant and run values of its own"
        )
