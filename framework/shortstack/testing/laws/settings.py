"""Settings survive a run's file, and are checked however a component is built."""

import json
from typing import Any

import attrs

from shortstack.config.fields import fields_of
from shortstack.config.reader import structure
from shortstack.config.writer import unstructure
from shortstack.errors import UnknownNameError
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.subject import Subject
from shortstack.testing.variants import variants


def settings(subject: Subject) -> None:
    """Settings written to JSON and read back are equal, at and off their defaults; unknown ones are refused by name.

    A value that no file can hold, such as NaN or a set, cannot be built from Python either.
    """
    config = subject.descriptor.config
    for variant in (subject, *variants(subject)):
        _require_round_trip(config, structure(config, variant.settings, subject.name), subject.name)
    for name in fields_of(config) if attrs.has(config) else ():
        if name not in subject.settings:
            _require_refused_or_kept(subject, name)
    try:
        structure(config, {"no_such_setting": 1}, subject.name)
    except UnknownNameError:
        return
    require(condition=False, problem="the setting 'no_such_setting' was accepted")


def _require_refused_or_kept(subject: Subject, name: str) -> None:
    """Raise if a component can be built from Python with a value that cannot be written to a file and read back."""
    config = subject.descriptor.config
    for value in (float("nan"), {"a"}, object()):
        try:
            built = config(**{**subject.settings, name: value})
            subject.registry.build(subject.kind, subject.name, built)  # type: ignore[arg-type]  # no strategy has it
        except Exception:  # noqa: BLE001, S112 -- refused, in whatever words
            continue
        _require_round_trip(config, built, subject.name)


def _require_round_trip(config: type, given: Any, name: str) -> None:
    try:
        read: object = structure(config, json.loads(json.dumps(unstructure(given))), name)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{given!r} cannot be written to a file and read back: {error}") from error
    require(given == read, f"{given!r} was written, {read!r} was read")


scorer_settings = law("scorer")(settings)
student_settings = law("student")(settings)
dataset_settings = law("dataset")(settings)
loss_settings = law("loss")(settings)
