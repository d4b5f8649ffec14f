"""A study as a value: a base run, the settings that vary, and the runs that they make."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Self

import attrs

from shortstack.config.changes import by_path, full_path, with_settings
from shortstack.config.toml import toml_tables
from shortstack.errors import ConfigurationError, SourceNotFoundError, UnknownNameError
from shortstack.pipeline.settings_classes import settings_classes
from shortstack.registry import Registry
from shortstack.run import Run
from shortstack.studies import none_word
from shortstack.studies.grid import MOST, Point, count, points

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_TABLES: Final = {
    "base": "base",
    "axes": "axes",
    "zip": "zipped",
    "variant": "variants",
    "runs": "runs",
    "exclude": "exclude",
    "reuse": "reuse",
}
"""Name in a file → the field."""


@attrs.frozen(kw_only=True)
class StudyRun:
    """A run of a study.

    Attributes:
        point: Its name, variant and settings.
        run: The run itself.
    """

    point: Point
    run: Run


def _base(given: Run | str | Path) -> Run:
    if not isinstance(given, Run | str | Path):
        raise ConfigurationError(f"a study's base is a Run, or the path of a run's TOML file, got {given!r}")
    return given if isinstance(given, Run) else Run.from_toml(given)


def _axes(given: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"a study's axes are a table of settings, each with a list of values, got {given!r}")
    return dict(_axes_in(given))


def _axes_in(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Sequence[Any]]]:
    for name, values in table.items():
        path = f"{prefix}{name}"
        if isinstance(values, Mapping):
            yield from _axes_in(values, f"{path}.")
        elif isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ConfigurationError(f"the axis {path!r} takes a list with one value or more, got {values!r}")
        else:
            yield full_path(path), values if isinstance(values, range) else tuple(values)


def _zipped(given: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Sequence[Any]], ...]:
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence) or not all(given):
        raise ConfigurationError(f"a study's zip is a list of tables of axes that vary together, got {given!r}")
    tables = tuple(map(_axes, given))
    for table in tables:
        _require_one_length(table)
    return tables


def _require_one_length(table: Mapping[str, Sequence[Any]]) -> None:
    first, *others = table
    other = next((path for path in others if len(table[path]) != len(table[first])), None)
    if other is not None:
        raise ConfigurationError(
            f"the zipped axes {first!r} and {other!r} have {len(table[first])} and {len(table[other])} values; those that vary "
            "together need as many each"
        )


def _folders(given: Sequence[str | Path]) -> tuple[Path, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ConfigurationError(f"a study's reuse is a list of folders of runs or studies, got {given!r}")
    return tuple(map(Path, given))


@attrs.frozen(kw_only=True)
class StudySettings:
    """The settings of a study; see ``Study``.

    Attributes:
        base: The run that all others are changes of; or the path of its TOML file.
        axes: Dotted path of a setting → its values.
        zipped: Further axes, each of several settings whose values vary together.
        variants: Name → settings, in tables or by dotted path.
        runs: Further runs, each a table of settings.
        exclude: Combinations to leave out.
        reuse: Folders of runs or studies whose finished stages are taken where they are equal.
    """

    base: Run = attrs.field(converter=_base)
    axes: Mapping[str, Sequence[Any]] = attrs.field(factory=dict, converter=_axes)
    zipped: Sequence[Mapping[str, Sequence[Any]]] = attrs.field(default=(), converter=_zipped)
    variants: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    runs: Sequence[Mapping[str, Any]] = ()
    exclude: Sequence[Mapping[str, Any]] = ()
    reuse: Sequence[str | Path] = attrs.field(default=(), converter=_folders)

    def __attrs_post_init__(self) -> None:
        for name, settings in _items(self.variants, "variants"):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"a variant's name is letters, digits, '.', '_' and '-', 60 at most, got {name!r}"
                )
            _require_table(settings, f"the variant {name!r}")
        for what in ("runs", "exclude"):
            for table in _list(getattr(self, what), what):
                _require_table(table, f"each of a study's {what}")
        if self.size <= MOST:
            self.members  # noqa: B018 -- what is wrong with a run is an error now

    @property
    def size(self) -> int:
        """Number of runs, before exclusions."""
        return count(self.axes, self.variants, self.runs, self.zipped)

    @property
    def varied(self) -> tuple[str, ...]:
        """Dotted paths of the axes, and of the settings of single runs."""
        together = (path for table in self.zipped for path in table)
        return tuple(dict.fromkeys([*self.axes, *together, *(path for table in self._listed for path in table)]))

    @cached_property
    def members(self) -> Mapping[str, StudyRun]:
        """The runs by name, in order.

        Raises:
            UnknownNameError: A path is no setting; the message suggests the nearest.
            ConfigurationError: A value is wrong, or two runs have one name.
        """
        variants = {name: dict(by_path(self.base, table)) for name, table in self.variants.items()}
        excluded = [self._exclusion(table) for table in self.exclude]
        made = points(self.axes, variants, self._listed, excluded, self.zipped, settled=self._settled)
        return {point.name: StudyRun(point=point, run=with_settings(self.base, point.settings)) for point in made}

    @property
    def _listed(self) -> list[dict[str, Any]]:
        return [dict(by_path(self.base, table)) for table in self.runs]

    @cached_property
    def _settled(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """Returns a run's settings with the word ``none`` of a file read as the run's own plugins say."""
        plugins = cache(Registry.from_environment)
        return lambda settings: none_word.settled(self.base, settings, lambda run: settings_classes(run, plugins()))

    def _exclusion(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return an exclusion by dotted path; a table that is a value of an axis is not taken apart."""
        whole = {name: value for name, value in table.items() if name in self.varied}
        return whole | dict(by_path(self.base, {name: value for name, value in table.items() if name not in whole}))

    @classmethod
    def from_toml(cls, path: str | Path, *, base: Run | str | Path | None = None) -> Self:
        """Read a study from a TOML file; ``base`` and ``reuse`` are relative to it, and ``none`` is no value.

        Args:
            path: The file.
            base: A run, or the path of its TOML file, in place of the base that the file names.

        Raises:
            SourceNotFoundError: The file, or that of the base, does not exist.
            ConfigurationError: It is not TOML, or a setting is wrong.
        """
        path = Path(path)
        if not path.is_file():
            raise SourceNotFoundError(f"{path} is not there, or no file; name a study's TOML file")
        try:
            tables = toml_tables(path.read_text(encoding="utf-8-sig"))
        except ValueError as error:
            raise ConfigurationError(f"{path} is not a TOML file: {error}") from error
        unknown = next((name for name in tables if name not in _TABLES), None)
        if unknown is not None:
            raise UnknownNameError("setting of a study:", unknown, _TABLES)
        if base is None and not isinstance(tables.get("base"), str):
            raise ConfigurationError(f"{path} needs base, the path of a run's TOML file")
        base = _base(path.parent / tables["base"] if base is None else base)
        fields = {_TABLES[name]: _read(name, value) for name, value in tables.items()}
        reuse = [path.parent / folder for folder in _folders(tables.get("reuse", []))]
        return cls(**{**fields, "base": base, "reuse": reuse})

    def require_size(self, *, large: bool) -> None:
        """Raise if there are more runs than anyone is likely to want, and ``large`` does not say otherwise.

        Raises:
            ConfigurationError: There are.
        """
        if self.size > MOST and not large:
            raise ConfigurationError(
                f"the study has {self.size:,} runs, more than {MOST:,}; say --yes (large=True in Python) if that is meant"
            )


def _items(table: object, what: str) -> Iterator[tuple[str, object]]:
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"a study's {what} are a table of tables of settings, got {table!r}")
    return iter(table.items())


def _list(tables: object, what: str) -> Sequence[object]:
    if isinstance(tables, str) or not isinstance(tables, Sequence):
        raise ConfigurationError(f"a study's {what} is a list of tables of settings, got {tables!r}")
    return tables


def _require_table(table: object, what: str) -> None:
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{what} is a table of settings, got {table!r}")


def _read(name: str, value: Any) -> Any:
    """Return what a file says under a name; see ``none_word.read``."""
    if name == "variant" and isinstance(value, Mapping):  # whose names are no settings
        return {variant: none_word.read(settings) for variant, settings in value.items()}
    if name == "exclude" and isinstance(value, list):
        return [_read_exclusion(table) for table in value]
    return none_word.read(value)


def _read_exclusion(table: Any) -> Any:
    """Return an exclusion; the name of a variant is a text, also if that is ``none``."""
    variant = {"variant": table["variant"]} if isinstance(table, Mapping) and "variant" in table else {}
    return {**none_word.read(table), **variant} if variant else none_word.read(table)
