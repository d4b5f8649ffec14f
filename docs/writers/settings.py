"""``docs/reference/settings.md``: every setting of a run, from the settings classes."""

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import attrs

from shortstack.cli.built_ins import CHOICES, built_ins
from shortstack.config.described import Setting, all_settings, parts_of, table_class
from shortstack.config.descriptions import describe_settings
from shortstack.config.run import RunConfig
from shortstack.config.type_words import type_words
from shortstack.pipeline.runner import stages_of
from shortstack.registry import Registry
from writers.markdown import NOTE, plain, table
from writers.reruns import READ_BY_CONTENT, stages_that_run_again
from writers.units import NAMES, OWN, UNITS

HEAD = """# Settings

{note}

Every setting of a run, by its path. In a TOML file the part before the last dot is the table: `data.core = 3` at the top, or `core = 3`
below `[data]`. On the command line it is `--set data.core=3`, in Python `Run(data={{"core": 3}})`. Where a meaning speaks of None, the
setting is left out; `--set data.min_rating=none` takes a file's value away. Wherever an object is taken, only Python can give it.

After `--set` the type of the setting says how the value is read, a plugin's settings included. A text is taken as it is written:
`--set data.settings.user=1_000` is the column `1_000`, and `007`, `1e3` or `true` are columns too. Anything else is TOML: a number, `true` or
`false`, a list in brackets, a table in braces. A text in TOML's quotes is what stands between them: `--set 'data.settings.rating="none"'` is the
column `none`, where `none` alone would leave the ratings out. The order of several `--set` is free, also where one names another plugin.

*Runs again* are the stages that a changed value sets to work by itself. What is made from their results runs again too, if those come out
different: {order}.
"""
OTHERS = "\n## Settings of what has a name\n\nDatasets, tasks, scorers and so on bring their own settings. `shortstack show KIND NAME` says the same, of installed plugins too.\n"


def settings_page() -> str:
    """Return the page."""
    order = " → ".join(f"`{stage.name}`" for stage in stages_of(_a_run()))
    parts = [HEAD.format(note=NOTE, order=order)]
    for title, settings in _tables():
        parts += [f"## {title}\n", *(line for setting in settings for line in _entry(setting))]
    parts += [OTHERS, *_of_components()]
    return "\n".join(parts).rstrip() + "\n"


def _a_run() -> RunConfig:
    return RunConfig(data={"source": "ratings"}, teacher={"path": "model"})


def _tables() -> Iterator[tuple[str, list[Setting]]]:
    """Yield the title and the settings of each table, the run's own settings first."""
    by_table: dict[str, list[Setting]] = {"": []}
    for setting in all_settings():
        parent, _, _ = setting.path.rpartition(".")
        if table_class(setting.kind) is None:
            by_table.setdefault(parent, []).append(setting)
    for name, settings in by_table.items():
        yield f"`[{name}]`" if name else "At the top", settings


def _entry(setting: Setting) -> Iterator[str]:
    yield f"### `{setting.path}`\n"
    yield f"{plain(setting.meaning)}\n"
    facts = {
        "Type": type_words(setting.kind),
        "unit": unit_of(setting),
        "default": _default(setting.default),
        "allowed": _allowed(setting),
        "runs again": _again(setting),
    }
    yield " · ".join(f"*{name}:* {fact}" for name, fact in facts.items() if fact) + "\n"


def _again(setting: Setting) -> str:
    if setting.path in READ_BY_CONTENT:
        return "`data`, if it reads other content"
    if setting.path == "selection.schedule":
        return "`importance` to `distillation`, once a step"
    return ", ".join(f"`{name}`" for name in stages_that_run_again(setting.path, setting.default)) or "none"


def unit_of(setting: Setting) -> str:
    """Return the unit of a setting; empty if it is no number.

    Raises:
        ValueError: It is a number without a unit.
    """
    path = setting.path
    for name in ("teacher", "distillation"):
        path = path.replace(f"{name}.fit.", "fit.")
    if path in UNITS:
        return UNITS[path]
    if _holds_a_number(setting.kind):
        raise ValueError(f"{path} is a number without a unit; give it one in docs/writers/units.py")
    return ""


def _holds_a_number(kind: Any) -> bool:
    return kind in {int, float} or any(map(_holds_a_number, get_args(kind) if get_origin(kind) is not Literal else ()))


def _default(default: Any) -> str:
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory()
    return "None" if default is None else f"`{json.dumps(default, ensure_ascii=False, default=str)}`"


def _allowed(setting: Setting) -> str:
    """Return what a setting takes beyond its type."""
    choices = [*_choices(setting.kind)]
    if choices:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in choices)
    if setting.path in NAMES:
        kind = NAMES[setting.path]
        return f"names of [{plural(kind)}](#{anchor(kind)})" if kind in OWN else f"`shortstack list {kind}`"
    return " and ".join(_bounds(setting.bounds))


def _choices(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    for part in parts_of(kind):
        yield from _choices(part)


def _bounds(validator: Any) -> Iterator[str]:
    """Yield the bounds of a validator of attrs in words."""
    words = {">=": "{} or more", ">": "above {}", "<": "below {}", "<=": "{} or less"}
    for one in getattr(validator, "_validators", [getattr(validator, "validator", validator)]):
        if hasattr(one, "bound"):
            yield words[one.compare_op].format("2³²" if one.bound == 2**32 else f"{one.bound:g}")


def anchor(kind: str) -> str:
    """Return the anchor of the section about the settings of a kind."""
    return f"settings-of-{plural(kind)}"


def plural(kind: str) -> str:
    """Return the plural of a kind.

    >>> plural("loss"), plural("strategy"), plural("task")
    ('losses', 'strategies', 'tasks')
    """
    return {"loss": "losses", "strategy": "strategies"}.get(kind, f"{kind}s")


def _of_components() -> Iterator[str]:
    for kind, place in OWN.items():
        members = [*_members(kind)]
        yield f"### Settings of {plural(kind)}\n"
        yield f"In `{place}`.\n"
        for name, summary, settings in members:
            yield f"#### `{name}`\n"
            yield f"{plain(summary)}\n"
            rows = [(f"`{s['name']}`", s["takes"], f"`{s['default']}`", s["meaning"]) for s in settings]
            yield from table(("setting", "takes", "default", "meaning"), rows) if rows else ["It has no settings.\n"]


def _members(kind: str) -> Iterator[tuple[str, str, list[dict[str, str]]]]:
    """Yield name, summary and settings of our own members of a kind."""
    if kind in CHOICES:
        yield from ((one.name, one.summary, one.settings) for one in built_ins(kind))
        return
    for component in Registry.from_environment().components:
        if component.kind == kind and component.origin.distribution == "shortstack":
            descriptor = component.descriptor
            yield descriptor.name, descriptor.summary, describe_settings(descriptor.config)
