"""One trial: a case is written, its command is run, and the oracle judges."""

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
from campaign.case import Case, Limit
from campaign.oracle import Problem, is_refusal, problem_of
from campaign.process import GIGABYTE, Bounds, Outcome, forked, kill_after, own_file_system
from campaign.publisher import published
from campaign.results import contents, result_of

RESIDENT = "resident"


@attrs.frozen(kw_only=True)
class Reference:
    """What a command gives on its base as it is, and the seconds of CPU time that it takes."""

    result: str
    cpu_seconds: float


@attrs.define(kw_only=True)
class Trials:
    """Tries cases.

    Attributes:
        bases: Folder of what cases begin with.
        place: Folder for the case that is being tried; emptied before each.
        bounds: What a command may use.
        peak_bytes: The most memory that a command has used so far.
        refused: Cases that ended with an error for the user.
        count: Cases tried.
    """

    bases: Path
    place: Path
    bounds: Bounds = attrs.field(factory=Bounds)
    peak_bytes: int = 0
    refused: int = 0
    count: int = 0
    _references: dict[tuple[str, tuple[str, ...]], Reference] = attrs.field(factory=dict)

    def problem(self, case: Case) -> Problem | None:
        """Try a case; return what is wrong, or None."""
        self.count += 1
        reference = self.reference(case) if case.compared or case.limit else None
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        if case.limit and case.limit.disk_bytes is not None:
            return self._on_a_small_disk(case, case.limit.disk_bytes, reference)
        case.write(self.bases, self._folder)
        return self._judged(case, reference, lambda: None)

    def reference(self, case: Case) -> Reference:
        """Return what the case's command gives on its base as it is.

        Raises:
            AssertionError: It fails there.
        """
        key = (case.base, case.command)
        if key not in self._references:
            self._references[key] = self._undisturbed(case.undisturbed())
        return self._references[key]

    @property
    def _folder(self) -> Path:
        return self.place / "case"

    def _undisturbed(self, case: Case) -> Reference:
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        case.write(self.bases, self._folder)
        outcome = self._run(case, None)
        if outcome.code != 0:
            raise AssertionError(f"{case.command} fails on {case.base}: {outcome.stderr}")
        return Reference(result=self._result(case, outcome), cpu_seconds=outcome.cpu_seconds)

    def _judged(self, case: Case, reference: Reference | None, give_room: Callable[[], None]) -> Problem | None:
        """Run a case's command, and again if it was disturbed, and return the first thing that is wrong."""
        before = contents(self._folder, case.writes)
        if case.limit:
            outcome = self._run(case, limiting(case.limit, reference))
            problem = None if was_killed(case.limit, outcome) else problem_of(outcome, self.bounds)
            if problem:
                return problem
            give_room()
        outcome = self._run(case, None)
        problem = problem_of(outcome, self.bounds) or self._lost(case, before)
        return problem or self._other_result(case, outcome, reference)

    def _run(self, case: Case, prepare: Callable[[], None] | None) -> Outcome:
        outcome = forked(partial(_typed, case, self._folder), self.place / RESIDENT, self.bounds, prepare=prepare)
        self.peak_bytes = max(self.peak_bytes, outcome.resident_bytes)
        self.refused += is_refusal(outcome)
        return outcome

    def _lost(self, case: Case, before: dict[str, str]) -> Problem | None:
        """Return a problem if a file that the command has no business with is another, or is gone."""
        after = contents(self._folder, case.writes)
        lost = sorted(name for name in before if before[name] != after.get(name))
        return Problem(kind=f"{case.command[0]} changes files that are not its own", detail=str(lost)) if lost else None

    def _other_result(self, case: Case, outcome: Outcome, reference: Reference | None) -> Problem | None:
        if reference is None or (is_refusal(outcome) and not case.limit):
            return None
        if outcome.code != 0:
            return Problem(kind=f"{case.command[0]} does not go on afterwards", detail=outcome.stderr[-3_000:])
        actual = self._result(case, outcome)
        if actual == reference.result:
            return None
        return Problem(
            kind=f"{case.command[0]} gives another result{_of(case)}", detail=difference(reference.result, actual)
        )

    def _result(self, case: Case, outcome: Outcome) -> str:
        return result_of(case.command, self._folder, outcome.stdout)

    def _on_a_small_disk(self, case: Case, size: int, reference: Reference | None) -> Problem | None:
        """Try a case in a process whose folder has a file system of its own.

        Raises:
            PermissionError: There cannot be one.
        """
        self._folder.mkdir()

        def work() -> None:
            resize = own_file_system(self._folder)
            shutil.copytree(self.bases / case.base, self._folder, dirs_exist_ok=True)
            state = os.statvfs(self._folder)
            resize((state.f_blocks - state.f_bfree) * state.f_bsize + size)
            problem = self._judged(case, reference, lambda: resize(GIGABYTE))
            record = {"problem": problem and attrs.asdict(problem), "refused": self.refused, "peak": self.peak_bytes}
            sys.stdout.write(json.dumps(record))  # to the process outside

        outcome = forked(work, self.place / "outer", Bounds(cpu_seconds=300, seconds=300, address_bytes=32 * GIGABYTE))
        if outcome.code != 0:
            raise PermissionError(f"no file system of one's own: {outcome.stderr.strip().splitlines()[-1]}")
        record = json.loads(outcome.stdout)
        self.refused, self.peak_bytes = record["refused"], record["peak"]
        return Problem(**record["problem"]) if record["problem"] else None


def limiting(limit: Limit, reference: Reference | None) -> Callable[[], None]:
    """Return what disturbs a process, to be done at its beginning."""

    def limited() -> None:
        if limit.killed_at is not None and reference is not None:
            kill_after(limit.killed_at * reference.cpu_seconds)
        if limit.file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit.file_bytes, limit.file_bytes))

    return limited


def was_killed(limit: Limit, outcome: Outcome) -> bool:
    """Return whether the process was killed as planned, so that nothing was asked of it."""
    return limit.killed_at is not None and outcome.signal == signal.SIGPROF


def difference(expected: str, actual: str) -> str:
    """Return where two texts part, and what stands there."""
    place = next(
        (i for i, (a, b) in enumerate(zip(expected, actual, strict=False)) if a != b), min(len(expected), len(actual))
    )
    start = max(0, place - 120)
    return f"expected …{expected[start : place + 80]}…\nactual   …{actual[start : place + 80]}…"


def _of(case: Case) -> str:
    """Return the files that were changed, as a part of a kind of finding."""
    return f" with another {', '.join(sorted(case.files))}" if case.files else ""


def _typed(case: Case, folder: Path) -> None:
    """Type a case's command in its folder."""
    from shortstack.cli import main

    os.chdir(folder)
    with published(case.answers):
        main(list(case.command))
