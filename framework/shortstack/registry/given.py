"""Components that are passed as Python objects: each gets the descriptor that a plugin would declare."""

import re
from inspect import signature
from typing import Any

from shortstack.config.given import Given
from shortstack.contracts import Descriptor
from shortstack.decorators import loss
from shortstack.errors import ConfigurationError, PluginError
from shortstack.registry.components import HOOKS, Kind
from shortstack.registry.validation import require_protocol


def descriptor_of(kind: Kind, given: Given) -> Descriptor:
    """Return the given descriptor, or one that builds the given object; a callable becomes a loss over logits.

    Raises:
        ConfigurationError: The object is not a component of that kind, nor a function of logits.
    """
    value, (_, expected) = given.value, HOOKS[kind]
    if isinstance(value, Descriptor):
        if not isinstance(value, expected):
            raise ConfigurationError(f"{given!r} is a {type(value).__name__}, and a {expected.__name__} is needed here")
        return value
    name, summary = _kebab_case(given), f"Given in Python as {type(value).__name__}."
    if kind == "loss" and _is_plain_callable(value):
        _require_logits_and_labels(given)
        return loss(name=name, summary=summary)(value)
    try:
        require_protocol(kind, value)
    except PluginError as error:
        raise ConfigurationError(str(error)) from None

    def build(_settings: Any) -> Any:
        return value

    return expected(name=name, summary=summary, build=build)


def _is_plain_callable(value: object) -> bool:
    """Return True for what can be called and has nothing else of a loss, which would then be an incomplete one."""
    members = ("needs", "prepare", "count")
    return callable(value) and not isinstance(value, type) and not any(hasattr(value, name) for name in members)


def _require_logits_and_labels(given: Given) -> None:
    """Raise if a callable cannot be called with logits of student and teacher, and labels.

    Raises:
        ConfigurationError: It takes fewer or more arguments.
    """
    # the call of a module of torch takes anything; its forward says what it takes
    called = getattr(given.value, "forward", given.value)
    try:
        signature(called).bind("student", "teacher", "labels")
    except ValueError:  # some built-ins have no signature
        return
    except TypeError as error:
        raise ConfigurationError(
            f"the loss {str(given)!r} must be callable with (student, teacher, labels), two tensors of logits and one of "
            f"int64: {error}"
        ) from error


def _kebab_case(name: str) -> str:
    """Return a valid component name: letters, digits and hyphens, a letter first.

    >>> _kebab_case("MyScorer 2")
    'myscorer-2'
    """
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return words if words[:1].isalpha() else f"given-{words}".strip("-")
