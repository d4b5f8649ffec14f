"""A look at one's own data: which adapter reads them, with which settings, and what filters would leave."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from shortstack.contracts import Records
from shortstack.contracts.column_names import USUAL
from shortstack.data.inspection import inspected
from shortstack.errors import DataError, SourceNotFoundError
from shortstack.registry import Component, Registry
from shortstack.registry.isolation import plugin_errors

_CORES: Final = (5, 2, 0)
"""The k-cores that are tried, the usual one first."""


@attrs.frozen(kw_only=True)
class Proposal:
    """How a source may be read.

    Attributes:
        adapter: Name of the adapter that recognises it.
        settings: Settings of that adapter.
    """

    adapter: str
    settings: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class DataLook:
    """A source as it was read.

    Attributes:
        source: The file, folder, archive or name.
        proposal: How it was read.
        core: The k-core that leaves something to evaluate.
        order: Order of a user's interactions: by ``"time"``, or as in the ``"file"`` where there are no times.
        shown: Whether the source records what was shown to users.
        facts: What ``shortstack data inspect`` says.
    """

    source: str
    proposal: Proposal
    core: int
    order: str
    shown: bool
    facts: Mapping[str, Any]


def proposal(source: str, registry: Registry, *, adapter: str | None = None) -> Proposal:
    """Return how a source may be read: by the named adapter, or else by the first that recognises it.

    Published data sets come before general formats, whose files begin alike: of these, the one whose proposal knows most
    columns by their names, if it reads the source.

    Raises:
        SourceNotFoundError: It is not there.
        DataError: No installed adapter recognises it.
        UnknownNameError: There is no adapter of this name.
    """
    if not str(source).strip():  # as a path it would be the current folder
        raise SourceNotFoundError("the name of the data is empty; name a file, a folder or an archive of interactions")
    if adapter is not None:
        return _proposed(source, registry.find("dataset", adapter), adapter)
    known = [component for component in _adapters(registry) if _recognises(component, source, registry)]
    published = [component for component in known if not _is_general(component)]
    proposals = [_proposed(source, component, _name(component, registry)) for component in published[:1] or known]
    if not proposals:
        raise _unknown(source, registry)
    *others, last = sorted(proposals, key=lambda one: -len(USUAL.keys() & one.settings.keys()))
    return next((one for one in others if _reads(source, one, registry)), last)


def _adapters(registry: Registry) -> list[Component]:
    return [component for component in registry.components if component.kind == "dataset"]


def _recognises(component: Component, source: str, registry: Registry) -> bool:
    with plugin_errors(component):
        return registry.build("dataset", component.full_name).detect(source) is not None


def _unknown(source: str, registry: Registry) -> DataError:
    """Return the error for a source that no adapter recognises."""
    if not Path(source).exists():
        return SourceNotFoundError(f"{source} is not there; name a file, a folder or an archive of interactions")
    names = ", ".join(component.descriptor.name for component in _adapters(registry))
    return DataError(f"no adapter recognises {source}; name the one that reads it with --adapter: {names}")


def _reads(source: str, how: Proposal, registry: Registry) -> bool:
    """Return True if an adapter reads a source of a format that others recognise as well."""
    try:
        _read(source, how, registry)
    except DataError:
        return False
    return True


def look(source: str, how: Proposal, registry: Registry) -> DataLook:
    """Read a source, and find filters that leave something to evaluate.

    Raises:
        DataError: It cannot be read with these settings.
        RowError: A row is bad.
    """
    records = _read(source, how, registry)
    order = "time" if inspected(records, core=0)["first"] else "file"
    tried = {core: inspected(records, core=core, order=order) for core in _CORES}
    core = next((core for core, facts in tried.items() if "split" in facts), 0)
    shown = records.impressions is not None
    return DataLook(source=source, proposal=how, core=core, order=order, shown=shown, facts=tried[core])


def _read(source: str, how: Proposal, registry: Registry) -> Records:
    component = registry.find("dataset", how.adapter)
    adapter = registry.build("dataset", how.adapter, how.settings)
    try:
        with plugin_errors(component):
            records: Records = adapter.read(source)
    except DataError as error:
        if _is_general(component):
            name = component.descriptor.name
            error.add_note(
                f"columns and format are settings: --set data.settings.user=COLUMN; see shortstack show dataset {name}"
            )
        raise
    return records


def _is_general(component: Component) -> bool:
    """Return True if an adapter reads a general format, which files of published data sets have as well."""
    descriptor: Any = component.descriptor
    return descriptor.propose is not None


def _proposed(source: str, component: Component, name: str) -> Proposal:
    descriptor: Any = component.descriptor
    with plugin_errors(component):
        settings = {} if descriptor.propose is None else descriptor.propose(source)
    return Proposal(adapter=name, settings=settings)


def _name(component: Component, registry: Registry) -> str:
    """Return the short name of a component where it means this one, else its full name."""
    short = component.descriptor.name
    same = [other for other in registry.components if other.kind == component.kind and short in other.names]
    return short if same == [component] else component.full_name
