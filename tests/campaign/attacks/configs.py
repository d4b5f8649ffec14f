"""Configs of runs: odd values for known settings, unknown settings, bytes that are no TOML."""

from pathlib import Path
from typing import Any

import attrs
from campaign.bases import tables, toml
from campaign.case import Case
from campaign.recipes import damaged, texts, trees, values
from hypothesis import strategies as st

from shortstack.config.run import RunConfig

COMMANDS = (
    ("plan", "run.toml", "--tflops", "1", "--users", "24", "--vocabulary", "40"),
    ("run", "run.toml", "--out", "out", "--prepare"),
)


def cases(bases: Path) -> st.SearchStrategy[Case]:
    """Draw a config and a command that reads it."""
    whole = (bases / "inputs" / "run.toml").read_bytes()
    return st.builds(
        _case,
        st.sampled_from(COMMANDS),
        damaged(whole) | st.one_of(trees(tables()), _settings()).map(_written),
        st.just(())
        | st.lists(_override(), max_size=2).map(lambda found: tuple(v for pair in found for v in ("--set", pair))),
    )


def _case(command: tuple[str, ...], config: bytes, overrides: tuple[str, ...]) -> Case:
    return Case(base="inputs", files={"run.toml": config}, command=(*command, *overrides), writes=("out",))


def _written(tree: Any) -> bytes:
    return toml(tree if isinstance(tree, dict) else {"data": tree}).encode("utf-8", "surrogatepass")


@st.composite
def _settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the tables with one or two of all known settings set to an odd value."""
    changed = tables()
    for _ in range(draw(st.integers(1, 2))):
        table, field = draw(st.sampled_from(_known()))
        value = draw(values())
        if table is None:
            changed[field] = value
        elif isinstance(changed.setdefault(table, {}), dict):
            changed[table][field] = value
    return changed


def _known() -> list[tuple[str | None, str]]:
    """Return the table and the name of each setting of a run."""
    attrs.resolve_types(RunConfig)
    known: list[tuple[str | None, str]] = [(None, field.name) for field in attrs.fields(RunConfig)]
    for table in attrs.fields(RunConfig):
        if attrs.has(table.type):
            known += [(table.name, field.name) for field in attrs.fields(table.type)]
    return known


def _override() -> st.SearchStrategy[str]:
    names = st.sampled_from([".".join(filter(None, place)) for place in _known()]) | texts()
    return st.builds("{}={}".format, names, texts() | st.integers(-9, 99).map(str)).map(_typeable)


def _typeable(text: str) -> str:
    """Return a text as a shell can hand it on."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
