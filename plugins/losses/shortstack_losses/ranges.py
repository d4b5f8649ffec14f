"""Validators of the losses' settings whose message shows the whole range."""

from collections.abc import Callable
from typing import Any

import attrs
from attrs import validators

TEMPERATURE = (validators.gt(0.0), validators.lt(float("inf")))
"""Validators of a temperature: a finite number above 0."""


def share(*, zero: bool) -> "Callable[[object, attrs.Attribute[Any], float], None]":
    """Return a validator of a number between 0 and 1, neither 1 nor, unless ``zero``, 0."""
    interval = "[0, 1)" if zero else "(0, 1)"

    def validate(_instance: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
        if not 0.0 <= value < 1.0 or (value == 0.0 and not zero):
            raise ValueError(f"'{attribute.name}' must be in {interval}: {value}")

    return validate
