"""Components that are passed as Python objects: each gets the descriptor that a plugin would declare."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shortstack.config.given import Given
from shortstack.contracts import (
    DatasetDescriptor,
    Descriptor,
    DistillationLoss,
    LossDescriptor,
    ScorerDescriptor,
    StudentDescriptor,
)
from shortstack.decorators import loss
from shortstack.errors import ConfigurationError, PluginError
from shortstack.registry.validation import require_protocol

DESCRIPTORS: Final[Mapping[str, type[Descriptor]]] = {
    "scorer": ScorerDescriptor,
    "student": StudentDescriptor,
    "dataset": DatasetDescriptor,
    "loss": LossDescriptor,
}


def descriptor_of(kind: str, given: Given) -> Descriptor:
    """Return the given descriptor, or one that builds the given object; a function becomes a loss over logits.

    Raises:
        ConfigurationError: The object is not a component of that kind.
    """
    value, expected = given.value, DESCRIPTORS[kind]
    if isinstance(value, Descriptor):
        if not isinstance(value, expected):
            raise ConfigurationError(f"{given!r} is a {type(value).__name__}, and a {expected.__name__} is needed here")
        return value
    name, summary = _kebab_case(given), f"Given in Python as {type(value).__name__}."
    if kind == "loss" and callable(value) and not isinstance(value, DistillationLoss) and hasattr(value, "__code__"):
        return loss(name=name, summary=summary)(value)
    try:
        require_protocol(kind, value)
    except PluginError as error:
        raise ConfigurationError(str(error)) from None

    def build(_settings: Any) -> Any:
        return value

    return expected(name=name, summary=summary, build=build)


def _kebab_case(name: str) -> str:
    """Return a valid component name: letters, digits and hyphens, a letter first.

    >>> _kebab_case("MyScorer 2")
    'myscorer-2'
    """
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return words if words[:1].isalpha() else f"given-{words}".strip("-")
