"""Execution of a study: its stages by an executor, each run taking from the others what is equal."""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from shortstack.boundaries import in_one_line
from shortstack.config.given import renew_digests
from shortstack.errors import ShortstackError
from shortstack.pipeline.pieces import unfinished
from shortstack.pipeline.preflight import check
from shortstack.studies.executors import Choice, executor_of
from shortstack.studies.executors.sent import in_lines
from shortstack.studies.folder import RUNS, await_others, claimed, finished_in, record_failure
from shortstack.studies.result import StudyResult
from shortstack.studies.scheduler import Scheduler
from shortstack.studies.settings import StudyRun, StudySettings

if TYPE_CHECKING:
    from shortstack.progress import Progress
    from shortstack.registry import Registry


def execute(
    study: StudySettings,
    folder: Path,
    choice: Choice,
    *,
    registry: "Registry | None",
    progress: "Progress | None",
    large: bool,
) -> StudyResult:
    """Execute all runs, and write the tables of their results; see ``Study.execute``."""
    from shortstack.progress import default_progress
    from shortstack.registry import Registry

    study.require_size(large=large)
    choice.check(study.members, registry)
    registry, progress = registry or Registry.from_environment(), progress or default_progress()
    check_all(study.members, registry)
    elsewhere = finished_in([Path(place) for place in study.reuse])
    with claimed(folder, study):
        await_others(folder, progress)
        finished = {**elsewhere, **finished_in([folder])}
        with closing(executor_of(choice, folder, registry=registry, progress=progress)) as executor:
            runs = {
                name: unfinished(
                    member.run,
                    folder / RUNS / name,
                    registry=registry,
                    progress=progress if choice.is_here else in_lines(progress.note, name),
                    finished=finished,
                )
                for name, member in study.members.items()
            }
            Scheduler(
                runs=runs,
                finished=finished,
                executor=executor,
                progress=progress,
                conclude=_written_down(folder, progress),
            ).complete()
        result = StudyResult.load(folder)
        result.save()
    return result


def check_all(members: Mapping[str, StudyRun], registry: "Registry") -> None:
    """Check every run for mistakes that can be found without data, before any work.

    Raises:
        ConfigurationError: A run has one; a note names the run.
    """
    for name, member in members.items():
        renew_digests(member.run)
        try:
            check(member.run, registry)
        except ShortstackError as error:
            error.add_note(f"in the study's run {name!r}; nothing was done")
            raise


def _written_down(folder: Path, progress: "Progress") -> Callable[[str, Exception | None], None]:
    """Return a function that writes down whether a run failed."""

    def conclude(name: str, error: Exception | None) -> None:
        if error is not None:
            progress.note(f"the run {name!r} failed: {_described(error)}")
        record_failure(folder, name, "" if error is None else _described(error))

    return conclude


def _described(error: Exception) -> str:
    return in_one_line(error) if isinstance(error, ShortstackError) else f"{type(error).__name__}: {in_one_line(error)}"
