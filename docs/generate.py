"""Generation of the pages that are written from the code and the decisions: ``python docs/generate.py``.

With ``--families`` also ``docs/families.md``, which tries a model of every family and takes minutes.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from enum import EnumMeta
from pathlib import Path
from typing import Any, get_origin

import attrs

from shortstack import contracts, errors, hooks
from shortstack.config.descriptions import attribute_entries
from shortstack.registry import HOOKS
from shortstack.selection import strategies as selection
from shortstack.testing import strategies
from shortstack.testing.laws import FOLDERS, laws_of
from shortstack.testing.suites import Suite
from writers.commands import commands_page
from writers.decisions import decisions_page
from writers.markdown import NOTE
from writers.markdown import table as _table
from writers.python_names import PUBLIC, python_page
from writers.settings import settings_page
from writers.tests import of_the_tests as _of_the_tests

DOCS = Path(__file__).parent

_HOOKS = """An entry point of the group `shortstack` names a module that implements any of these, without arguments, under
`shortstack.hooks.hookimpl`. Each yields descriptors.
"""
_STRATEGIES = """Which layers stay is said by an object of the form `shortstack.selection.strategies.Strategy`. It needs no hook: a run's
`selection.strategy` takes `module:Class`, an attrs class whose fields are the settings in `selection.settings`,
`AdaptiveLayerSelector(strategy=...)` takes the object, and `shortstack check strategy module:Class` and `StrategySuite` try its laws. Like every component it hangs on nothing but its
question: not on what it was asked before, the process, or the random state.
"""
_ERRORS = """`shortstack.errors`: raise these where they fit, and users see one clear line; anything else that a plugin raises becomes a
`PluginError`.
"""
_LAWS = """What every component of a kind must keep, under the condition in the second column. `shortstack check KIND NAME` tries
them, as do the suites of `shortstack.testing`; tolerances are in `shortstack/testing/tolerances.py`.
"""
_SUITES = """`ScorerSuite`, `StudentSuite`, `DatasetSuite` and `LossSuite` of `shortstack.testing` give a class one pytest test for each law that binds
its component.
"""
_RUNS = """A component's short name means the core's component if the core has one of that name; a name that only several plugins have is refused.
`PLUGIN/NAME` always means that plugin's. A scorer is measured if `importance.scorers` lists it or another is made from it, with the settings of
`[importance.settings.NAME]`; a student's are in `[student.settings]`, an adapter's in `[data.settings]`, a loss's beside its weight in
`[distillation.losses.NAME]`.

A stage runs again if the version or the code of a plugin that it used has changed; the code is all Python files of the package that holds the
component's module, or the module's one file. What the plugin imports from elsewhere is not looked at.
"""
_MUTANTS = """
{count} deliberately wrong components, each of which breaks exactly the laws beside it, and {right} correct ones that break none
over ten seeds: `make test-kit`. `make test` and `make test-full` try for each law the first mutant that breaks it; a law that no mutant breaks fails `make test`. Mutants
marked † are mistakes in the core, put in place while a correct component is checked.
"""


def main() -> None:
    """Write the files."""
    if "--families" in sys.argv[1:]:
        (DOCS / "families.md").write_text(families_page(), encoding="utf-8")
    (DOCS / "plugins.md").write_text(plugins_page(), encoding="utf-8")
    (DOCS / "mutants.md").write_text(mutants_page(), encoding="utf-8")
    (DOCS / "decisions" / "README.md").write_text(decisions_page(), encoding="utf-8")
    (DOCS / "reference" / "settings.md").write_text(settings_page(), encoding="utf-8")
    (DOCS / "reference" / "commands.md").write_text(commands_page(), encoding="utf-8")
    (DOCS / "reference" / "python.md").write_text(python_page(), encoding="utf-8")


def plugins_page() -> str:
    """Return the page of hooks, descriptors, traits, contracts, laws and public names."""
    parts = [
        "# Hooks, contracts, traits and laws\n",
        NOTE,
        "\nAll that a plugin may use and must keep. How to begin: [Write a scorer in ten minutes](write-a-scorer.md).\n",
        "## Hooks\n",
        _HOOKS,
        *_table(("hook", "yields", "what"), _hooks()),
        "## Descriptors\n",
        _statement(contracts.Descriptor),
        "",
        *_table(("field", "what"), _fields(contracts.Descriptor)),
        *_own_fields(),
        "## Traits\n",
        "Promises. The kit tries a law where the traits promise what it says; users read them with `shortstack show`.\n",
        *_traits(),
        "## Contracts\n",
        "What `build` returns. Shapes: B examples, T tokens, H hidden, A attention heads.\n",
        *_protocols(),
        "## Values\n",
        "What contracts take and give.\n",
        *_values(),
        "## Selection strategies\n",
        _STRATEGIES,
        *_strategies(),
        "## Errors\n",
        _ERRORS,
        *_table(("error", "what"), _errors()),
        "## Laws\n",
        _LAWS,
        *_laws(),
        "## Suites\n",
        _SUITES,
        *_table(
            ("attribute", "what"), [(f"`{name}`", what) for name, what in attribute_entries(Suite.__doc__).items()]
        ),
        "## Plugins in a run\n",
        _RUNS,
        "## Public names\n",
        "A plugin may use these, and `shortstack.errors` and `shortstack.hooks`; all else may change without notice.\n",
        *_names(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def families_page() -> str:
    """Return the page of the results of ``layer-subset`` on every family."""
    page: str = _of_the_tests("students.families_page").families_page()
    return page


def mutants_page() -> str:
    """Return the page of all mutants, their mistakes, and the laws that they break."""
    modules = {kind: _of_the_tests(f"mutants.{folder}") for kind, folder in FOLDERS.items()}
    count = sum(len(module.MUTANTS) for module in modules.values())
    right = sum(len(module.CORRECT) for module in modules.values())
    parts = [
        "# The mutants\n",
        NOTE,
        _MUTANTS.format(count=count, right=right),
    ]
    for kind, module in modules.items():
        rows = [
            (
                f"`{_plain(m.name)}`{' †' if m.patches else ''}",
                m.wrong,
                ", ".join(f"`{law}`" for law in sorted(m.breaks)),
            )
            for m in module.MUTANTS
        ]
        parts += [f"## {kind.capitalize()}\n", *_table(("mutant", "what is wrong", "breaks"), rows)]
        parts += [f"Correct: {', '.join(f'`{_plain(c.name)}`' for c in module.CORRECT)}.\n"]
    return "\n".join(parts).rstrip() + "\n"


def _hooks() -> Iterator[tuple[str, ...]]:
    for hook, descriptor in HOOKS.values():
        yield f"`{hook}`", f"`{descriptor.__name__}`", _statement(vars(hooks)[hook])


def _own_fields() -> Iterator[str]:
    shared = {field.name for field in attrs.fields(contracts.Descriptor)}
    for _, cls in HOOKS.values():
        yield f"`{cls.__name__}`: {_statement(cls)} Its traits are `{_traits_of(cls).__name__}`.\n"
        rows = [row for row in _fields(cls, missing=("traits",)) if row[0].strip("`") not in shared]
        if rows:
            yield from _table(("field", "what"), rows)


def _traits() -> Iterator[str]:
    for _, descriptor in HOOKS.values():
        cls = _traits_of(descriptor)
        yield f"### {cls.__name__}\n"
        defaults = {f"`{field.name}`": f"`{field.default!r}`" for field in attrs.fields(cls)}
        yield from _table(("trait", "default", "what"), [(n, defaults[n], what) for n, what in _fields(cls)])


def _traits_of(descriptor: type[contracts.Descriptor]) -> type:
    traits: type = attrs.resolve_types(descriptor) and attrs.fields_dict(descriptor)["traits"].type
    return traits


def _protocols() -> Iterator[str]:
    for name in contracts.__all__:
        cls = vars(contracts)[name]
        if getattr(cls, "_is_protocol", False):
            yield f"### {name}\n"
            yield f"{_prose(cls)}\n"
            yield from _table(("member", "what"), _members(cls))


def _members(cls: type) -> Iterator[tuple[str, str]]:
    described = attribute_entries(cls.__doc__)
    for name in cls.__annotations__:
        yield f"`{name}: {_annotation(cls.__annotations__[name])}`", described[name]
    for name, member in vars(cls).items():
        if isinstance(member, property):
            returns = inspect.signature(member.fget).return_annotation  # type: ignore[arg-type]
            yield f"`{name}: {_annotation(returns)}`", _statement(member)
        elif inspect.isfunction(member) and (not name.startswith("_") or name == "__call__") and member.__doc__:
            yield f"`{name}{_signature(member)}`", " ".join(inspect.cleandoc(member.__doc__).split())


def _signature(function: Any) -> str:
    text = str(inspect.signature(function)).replace("'", "").replace('"', "")
    return (
        re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z~])", "", text).replace("(self, ", "(").replace("(self)", "()").replace("~", "")
    )


def _annotation(value: object) -> str:
    text = value.__name__ if isinstance(value, type) and not hasattr(value, "__args__") else str(value)
    return re.sub(r"\b(?:[a-z_]+\.)+", "", text.replace("'", "")).replace("~", "")


def _values() -> Iterator[str]:
    for name in contracts.__all__:
        cls = vars(contracts)[name]
        if isinstance(cls, EnumMeta):
            yield f"### {name}\n"
            yield f"{_statement(cls)}\n"
            described = attribute_entries(cls.__doc__)
            yield from _table(
                ("value", "what"), [(f"`{name}.{member}`", described[member]) for member in cls.__members__]
            )
        elif attrs.has(cls) and attrs.fields(cls) and not name.endswith(("Descriptor", "Traits")):
            yield f"### {name}\n"
            yield f"{_prose(cls)}\n"
            yield from _table(("field", "what"), _fields(cls))


def _strategies() -> Iterator[str]:
    for cls in (selection.Strategy, selection.Question, selection.Choice):
        yield f"### {cls.__name__}\n"
        yield f"{_prose(cls)}\n"
        yield from _table(("member", "what"), [*_members(cls)] if cls is selection.Strategy else _fields(cls))
    yield "### Keeps\n"
    yield f"{_statement(selection.Keeps)}\n"
    defaults = {f"`{field.name}`": f"`{field.default!r}`" for field in attrs.fields(selection.Keeps)}
    yield from _table(("trait", "default", "what"), [(n, defaults[n], what) for n, what in _fields(selection.Keeps)])


def _errors() -> Iterator[tuple[str, str]]:
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, errors.ShortstackError):
            yield (
                f"`{name}{_signature(cls.__init__).removesuffix(' -> None') if '__init__' in vars(cls) else '(message)'}`",
                _statement(cls),
            )


def _laws() -> Iterator[str]:
    for kind in FOLDERS:
        yield f"### Of a {kind}\n"
        rows = [
            (f"`{law.name}`", law.when.words if law.when else "always", " ".join(law.statement.split()))
            for law in laws_of(kind)
        ]
        yield from _table(("law", "binds where", "statement"), rows)


def _names() -> Iterator[str]:
    for place in PUBLIC:
        module = strategies if place == strategies.__name__ else importlib.import_module(place)
        yield f"### {place}\n"
        yield from _table(
            ("name", "what"), [(f"`{name}`", _statement(getattr(module, name))) for name in module.__all__]
        )


def _fields(cls: type, missing: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return each field with its entry under ``Attributes:``.

    Raises:
        ValueError: A field has none.
    """
    described = attribute_entries(cls.__doc__)
    names = [field.name for field in attrs.fields(cls)]  # type: ignore[arg-type]
    inherited = {field.name for base in cls.__mro__[1:] if attrs.has(base) for field in attrs.fields(base)}
    for name in names:
        if name not in described and name not in inherited and name not in missing:
            raise ValueError(f"{cls.__name__}.{name} has no entry under Attributes")
    return [(f"`{name}`", described[name]) for name in names if name in described]


def _statement(thing: Any) -> str:
    """Return the first paragraph of a docstring.

    Raises:
        ValueError: There is none.
    """
    if get_origin(thing) is not None:
        return f"`{_annotation(thing)}`"
    text = " ".join(inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n\n")[0].split())
    if not text:
        raise ValueError(f"{thing!r} has no docstring")
    return text


def _prose(thing: Any) -> str:
    """Return a docstring without its sections."""
    return re.split(r"\n\n(?:Attributes|Args|Returns|Raises):", inspect.cleandoc(thing.__doc__ or ""))[0]


def _plain(text: str) -> str:
    return text.replace("`", "'")


if __name__ == "__main__":
    main()
