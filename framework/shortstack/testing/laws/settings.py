"""Settings survive a run's file."""

import json

from shortstack.errors import UnknownNameError
from shortstack.settings import structure, unstructure
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.subject import Subject


def settings(subject: Subject) -> None:
    """Settings written to JSON and read back are equal; a setting that does not exist is refused by its name."""
    config = subject.descriptor.config
    given: object = structure(config, subject.settings, subject.name)
    read: object = structure(config, json.loads(json.dumps(unstructure(given))), subject.name)
    require(given == read, f"{given!r} was written, {read!r} was read")
    try:
        structure(config, {"no_such_setting": 1}, subject.name)
    except UnknownNameError:
        return
    require(condition=False, problem="the setting 'no_such_setting' was accepted")


scorer_settings = law("scorer", 58)(settings)
student_settings = law("student", 58)(settings)
dataset_settings = law("dataset", 58)(settings)
loss_settings = law("loss", 58)(settings)
