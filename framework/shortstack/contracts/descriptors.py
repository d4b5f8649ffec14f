"""Descriptors of components: a name, a summary, the settings, and how to build it."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from shortstack.contracts.datasets import Download, Sample
from shortstack.contracts.traits import DatasetTraits, LossTraits, ScorerTraits, StudentTraits

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEXT = attrs.validators.instance_of(str)
_TEXTS = attrs.validators.deep_iterable(_TEXT, attrs.validators.instance_of(tuple))


def _kebab_case(_instance: object, _attribute: "attrs.Attribute[str]", value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ValueError(f"a component's name is lower-case words joined by '-', got {value!r}")


@attrs.frozen
class NoSettings:
    """Settings of a component that has none."""


@attrs.frozen(kw_only=True)
class Descriptor:
    """Declaration that every component makes.

    Attributes:
        name: Lower-case words joined by ``-``; users write this.
        summary: One sentence.
        build: Makes the component from an instance of ``config``; imports what it needs inside.
        config: A frozen attrs class whose fields are the settings, each with a default.
        reference: The paper or page that defines the method.
        former_names: Names that still work.
    """

    name: str = attrs.field(validator=_kebab_case)
    summary: str = attrs.field(validator=attrs.validators.and_(_TEXT, attrs.validators.min_len(1)))
    build: Callable[[Any], Any] = attrs.field(validator=attrs.validators.is_callable())
    config: type = attrs.field(default=NoSettings)
    reference: str = attrs.field(default="", validator=_TEXT)
    former_names: tuple[str, ...] = attrs.field(default=(), validator=_TEXTS)

    @config.validator
    def _config_is_attrs(self, _attribute: object, value: type) -> None:
        if not (isinstance(value, type) and attrs.has(value)):
            raise TypeError(f"config must be an attrs class, got {value!r}")
        bare = [field.name for field in attrs.fields(value) if field.init and field.default is attrs.NOTHING]
        if bare:
            raise TypeError(f"every setting needs a default, and {value.__name__}.{bare[0]} has none")


@attrs.frozen(kw_only=True)
class ScorerDescriptor(Descriptor):
    """An importance scorer: a fold, a probe or a derived scorer (see ``contracts.scorers``)."""

    traits: ScorerTraits = attrs.field(factory=ScorerTraits, validator=attrs.validators.instance_of(ScorerTraits))


@attrs.frozen(kw_only=True)
class StudentDescriptor(Descriptor):
    """A student architecture (see ``contracts.students``)."""

    traits: StudentTraits = attrs.field(factory=StudentTraits, validator=attrs.validators.instance_of(StudentTraits))


@attrs.frozen(kw_only=True)
class DatasetDescriptor(Descriptor):
    """A dataset adapter (see ``contracts.datasets``).

    Attributes:
        traits: Promised properties of its format.
        write: ``write(config, sample, folder)`` puts a small sample into an empty folder, in the adapter's format, and
            returns the source that ``read`` takes; raises ``DataError`` where the format, with these settings, cannot
            hold it. Without it the conformance kit can only check what needs no data: refusals.
        propose: ``propose(source)`` returns settings that read a source, as far as its first rows say; for adapters of a
            general format, whose settings name the columns. ``shortstack init`` writes them into a run's file.
        downloads: Edition → its public download.
        elsewhere: One line for users: where to get a source that has no public download, and where to put it.
    """

    traits: DatasetTraits = attrs.field(factory=DatasetTraits, validator=attrs.validators.instance_of(DatasetTraits))
    write: Callable[[Any, Sample, Path], Path] | None = attrs.field(default=None)
    propose: Callable[[str | Path], Mapping[str, Any]] | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.is_callable())
    )
    downloads: Mapping[str, Download] = attrs.field(factory=dict)
    elsewhere: str = ""

    @write.validator
    def _write_is_callable(self, _attribute: object, value: object) -> None:
        if value is not None and not callable(value):
            raise TypeError(f"write must be callable or None, got {value!r}")


@attrs.frozen(kw_only=True)
class LossDescriptor(Descriptor):
    """A distillation loss (see ``contracts.losses``).

    Attributes:
        traits: Promises with the default settings and, without ``traits_of``, with all others.
        traits_of: Promises with given settings, an instance of ``config``, where they depend on them.
    """

    traits: LossTraits = attrs.field(factory=LossTraits, validator=attrs.validators.instance_of(LossTraits))
    traits_of: Callable[[Any], LossTraits] | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.is_callable())
    )

    def __attrs_post_init__(self) -> None:
        # in a run's file they stand beside the settings, and would never reach the loss
        taken = [field.alias for field in attrs.fields(self.config) if field.init and field.alias in {"weight", "loss"}]
        if taken:
            raise TypeError(
                f"the setting {self.config.__name__}.{taken[0]} could not be given: in the table of a loss, {taken[0]!r} is the "
                f"{'weight of the whole loss' if taken[0] == 'weight' else 'name of the loss'}; call it otherwise"
            )

    @traits_of.validator
    def _agrees_with_traits(self, _attribute: object, value: Callable[[Any], LossTraits] | None) -> None:
        if value is not None and value(self.config()) != self.traits:
            raise ValueError(
                f"traits are the promises with the default settings, where traits_of says {value(self.config())}, "
                f"got {self.traits}"
            )

    def traits_with(self, settings: object) -> LossTraits:
        """Return the promises with given settings, an instance of ``config``."""
        return self.traits if self.traits_of is None else self.traits_of(settings)
