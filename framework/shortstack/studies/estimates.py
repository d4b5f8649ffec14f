"""What a study will take: the time of its unique stages, and the weights that they leave on the disk."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from shortstack.errors import ShortstackError
from shortstack.models.devices import device_named
from shortstack.pipeline.data import DATA_STAGE
from shortstack.planning.forecast import Forecaster
from shortstack.planning.plan import Forecast
from shortstack.planning.speed import Measured
from shortstack.studies.planned import Shared
from shortstack.studies.settings import StudyRun

if TYPE_CHECKING:
    from shortstack.registry import Registry
    from shortstack.run import Histories, Run


@attrs.frozen(kw_only=True)
class Estimates:
    """Estimates for the stages of a study, each done once, as if nothing were finished yet.

    Attributes:
        seconds: Key of a stage → its seconds on this machine; stages without a model's passes are not in it.
        disk_bytes: Key of a stage → bytes of weights and of teachers' states that it writes.
        unknown: Why some runs have no estimates, in words; empty if all have them.
    """

    seconds: Mapping[str, float]
    disk_bytes: Mapping[str, float]
    unknown: str


def estimates(members: Mapping[str, StudyRun], stages: Sequence[Shared], registry: "Registry") -> Estimates:
    """Estimate each stage by the first of its runs; the data are read, and a few layers timed, once for all runs."""
    asked = _Runs(members=members, registry=registry)
    seconds, disk, unknown = dict[str, float](), dict[str, float](), ""
    for stage in stages:
        try:
            forecasts, weights = asked.of(stage.runs[0])
        except ShortstackError as error:
            unknown = unknown or f"{stage.runs[0]}: {error}"
            continue
        if stage.stage in forecasts:
            seconds[stage.key] = forecasts[stage.stage].seconds
        states = forecasts[stage.stage].disk_bytes if stage.stage in forecasts else 0
        disk[stage.key] = weights.get(stage.stage, 0) + states
    return Estimates(seconds=seconds, disk_bytes=disk, unknown=unknown)


_Known = tuple[Mapping[str, Forecast], Mapping[str, float]]


@attrs.frozen(kw_only=True, eq=False)
class _Runs:
    """Estimates of single runs, with what several of them need."""

    members: Mapping[str, StudyRun]
    registry: "Registry"
    _known: dict[str, _Known | ShortstackError] = attrs.field(init=False, factory=dict)
    _data: dict[str, "Histories | None"] = attrs.field(init=False, factory=dict)
    _speeds: dict[str, Measured] = attrs.field(init=False, factory=dict)

    def of(self, name: str) -> _Known:
        """Return a run's forecasts and weights by stage, which are computed once.

        Raises:
            ShortstackError: They are not known, such as without the data.
        """
        if name not in self._known:
            self._known[name] = self._tried(self.members[name].run)
        known = self._known[name]
        if isinstance(known, ShortstackError):
            raise known
        return known

    def _tried(self, run: "Run") -> _Known | ShortstackError:
        try:
            forecaster = Forecaster.of(
                run,
                run.teacher_config(),
                registry=self.registry,
                data=self._histories(run),
                speed=self._speeds.setdefault(run.device, Measured(device=device_named(run.device))),
            )
            return {forecast.stage: forecast for forecast in forecaster.stages()}, forecaster.weights()
        except ShortstackError as error:
            return error

    def _histories(self, run: "Run") -> "Histories | None":
        key = DATA_STAGE.planned_key(run, self.registry, {})
        if key not in self._data:
            self._data[key] = run.histories(registry=self.registry)
        return self._data[key]
