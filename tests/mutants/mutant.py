"""Mutants and the components that the kit checks."""

from collections.abc import Mapping

import attrs

from shortstack.contracts import Descriptor


@attrs.frozen(kw_only=True)
class Subject:
    """A component for the kit to check.

    Attributes:
        component: A descriptor, or the name of something installed; a strategy's name may be ``module:attribute``.
        kind: ``"scorer"``, ``"student"``, ``"dataset"``, ``"loss"`` or ``"strategy"``.
        settings: Settings that it is built with.
    """

    component: Descriptor | str
    kind: str
    settings: Mapping[str, object] = attrs.field(factory=dict)

    @property
    def name(self):
        """Name used in test ids and the table."""
        name = self.component if isinstance(self.component, str) else self.component.name
        return name if not self.settings else f"{name} {dict(self.settings)}"


@attrs.frozen(kw_only=True)
class Mutant(Subject):
    """A deliberately wrong plugin.

    Attributes:
        wrong: The mistake, in one sentence.
        breaks: The names of the laws that it breaks: all of them, and no others.
        pitfall: Number in the project's list of known pitfalls; None if it is not on the list.
        patches: Dotted path → replacement while it is checked: a mistake in the core rather than in a plugin.
        called: Name of a mistake in the core, where the component's own name does not describe it.
    """

    wrong: str
    breaks: frozenset[str] = attrs.field(converter=frozenset)
    pitfall: int | None = None
    patches: Mapping[str, object] = attrs.field(factory=dict)
    called: str = ""

    @property
    def name(self):
        """Name used in test ids and the table."""
        return self.called or super().name


@attrs.frozen
class SetOfNames:
    """Settings that cannot be written to a file."""

    names: object = frozenset({"a"})
