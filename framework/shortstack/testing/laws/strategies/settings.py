"""A strategy's settings survive a run's file, which holds its name and its settings as the user wrote them."""

import json

from shortstack.errors import UnknownNameError
from shortstack.selection.selector import strategy_named
from shortstack.testing.comparing import require
from shortstack.testing.law import law
from shortstack.testing.subject import Subject


@law("strategy")
def settings(subject: Subject) -> None:
    """Settings written to JSON and read back give an equal strategy; an unknown setting is refused by name."""
    built = strategy_named(subject.name, subject.settings)
    read = strategy_named(subject.name, json.loads(json.dumps(dict(subject.settings))))
    require(built == read, f"{built!r} was written, {read!r} was read")
    try:
        strategy_named(subject.name, {"no_such_setting": 1})
    except UnknownNameError:
        return
    require(condition=False, problem="the setting 'no_such_setting' was accepted")
