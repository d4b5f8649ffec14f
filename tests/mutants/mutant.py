"""What a mutant is, and what is correct."""

from collections.abc import Mapping

import attrs

from shortstack.contracts import Descriptor


@attrs.frozen(kw_only=True)
class Subject:
    """A component for the kit to check.

    Attributes:
        component: A descriptor, or the name of something installed; a strategy's name may be ``module:attribute``.
        kind: ``"scorer"``, ``"student"``, ``"dataset"``, ``"loss"`` or ``"strategy"``.
        settings: What it is built with.
    """

    component: Descriptor | str
    kind: str
    settings: Mapping[str, object] = attrs.field(factory=dict)

    @property
    def name(self):
        """For the ids of tests and the table."""
        name = self.component if isinstance(self.component, str) else self.component.name
        return name if not self.settings else f"{name} {dict(self.settings)}"


@attrs.frozen(kw_only=True)
class Mutant(Subject):
    """A deliberately wrong plugin.

    Attributes:
        wrong: What is wrong with it, in one sentence.
        breaks: The names of the laws that it breaks: all of them, and no others.
        pitfall: Its number in the list of pitfalls; None if it is our own invention.
        patches: Dotted path → what is put there while it is checked: a mistake in the core rather than in a plugin.
        called: A name for a mistake in the core, where the component's own says nothing.
    """

    wrong: str
    breaks: frozenset[str] = attrs.field(converter=frozenset)
    pitfall: int | None = None
    patches: Mapping[str, object] = attrs.field(factory=dict)
    called: str = ""

    @property
    def name(self):
        """For the ids of tests and the table."""
        return self.called or super().name


@attrs.frozen
class SetOfNames:
    """Settings that no file can hold."""

    names: frozenset = frozenset({"a"})
