"""Components that plugins offer: their kinds, and the hook of each kind."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

import attrs

from shortstack.contracts import (
    DatasetDescriptor,
    Descriptor,
    LossDescriptor,
    ScorerDescriptor,
    StudentDescriptor,
)
from shortstack.registry.origins import Origin
from shortstack.registry.source_digest import source_digest

Kind = Literal["scorer", "student", "dataset", "loss"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
TITLES: Final[Mapping[Kind, str]] = {
    "scorer": "importance scorer",
    "student": "student architecture",
    "dataset": "dataset adapter",
    "loss": "distillation loss",
}
"""Words for each kind in messages."""
HOOKS: Final[Mapping[Kind, tuple[str, type[Descriptor]]]] = {
    "scorer": ("shortstack_importance_scorers", ScorerDescriptor),
    "student": ("shortstack_students", StudentDescriptor),
    "dataset": ("shortstack_datasets", DatasetDescriptor),
    "loss": ("shortstack_losses", LossDescriptor),
}
"""Hook of each kind, and the class of the descriptors that it yields."""


@attrs.frozen(kw_only=True, eq=False)
class Component:
    """Component that a plugin offers.

    Attributes:
        kind: Kind of component.
        origin: The plugin that offers it.
        descriptor: The plugin's declaration of it.
        module: The name of the plugin's module.
    """

    kind: Kind
    origin: Origin
    descriptor: Descriptor
    module: str

    @property
    def full_name(self) -> str:
        """``distribution/name``, as stored in run records."""
        return f"{self.origin.distribution}/{self.descriptor.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every short name of the component, former ones included."""
        return (self.descriptor.name, *self.descriptor.former_names)

    @property
    def full_names(self) -> tuple[str, ...]:
        """Every full name of the component, former ones included."""
        return tuple(f"{self.origin.distribution}/{name}" for name in self.names)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Full name, version, and a hash of the code, which its author may edit between versions."""
        return (self.full_name, self.origin.version, source_digest(self.module))

    def __str__(self) -> str:
        return f"{TITLES[self.kind]} {self.full_name} ({self.origin})"


def reject_clashes(components: Iterable[Component], others: Iterable[Component]) -> None:
    """Raise if a full name means two components; different distributions may share a short name.

    Raises:
        ValueError: One does; names it and the plugin that was first.
    """
    owners = {(c.kind, name): c for c in others for name in c.full_names}
    for component in components:
        for name in component.full_names:
            other = owners.setdefault((component.kind, name), component)
            if other is not component:
                raise ValueError(
                    f"{TITLES[component.kind]} {name!r} is offered twice, the first time by {other.origin}"
                )
