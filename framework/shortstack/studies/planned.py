"""What a study will do, before it is done: which stages its runs share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from shortstack.pipeline.runner import stages_of
from shortstack.studies.settings import StudyRun, StudySettings

if TYPE_CHECKING:
    from shortstack.config.run import RunConfig
    from shortstack.registry import Registry


@attrs.frozen(kw_only=True)
class Shared:
    """A stage that will be done once for some runs.

    Attributes:
        stage: Name of the stage.
        key: Hash of what its result depends on, as far as that is known before any work.
        runs: Names of the runs.
    """

    stage: str
    key: str
    runs: tuple[str, ...]


def planned(members: Mapping[str, StudyRun], registry: "Registry") -> list[Shared]:
    """Return the stages of all runs, each once, in the order of their work.

    They are the most that will be done: stages may also come out equal where earlier results do, such as the same layers
    for two scorers.
    """
    runs_of: dict[tuple[str, str], list[str]] = {}
    for name, member in members.items():
        for stage, key in _keys(member.run, registry).items():
            runs_of.setdefault((stage, key), []).append(name)
    return [Shared(stage=stage, key=key, runs=tuple(runs)) for (stage, key), runs in runs_of.items()]


def _keys(run: "RunConfig", registry: "Registry") -> dict[str, str]:
    keys: dict[str, str] = {}
    for stage in stages_of(run):
        keys[stage.name] = stage.planned_key(run, registry, keys)
    return keys


def plan(study: StudySettings, *, registry: "Registry", large: bool = False) -> list[Shared]:
    """Check all runs, and return the stages that they need; nothing is done.

    Raises:
        ConfigurationError: A run's settings are wrong, or there are more than 1,000 runs.
    """
    from shortstack.studies.execution import check_all

    study.require_size(large=large)
    check_all(study.members, registry)
    return planned(study.members, registry)
