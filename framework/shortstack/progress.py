"""How a run tells what it is doing: bars in a terminal, lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from shortstack.terminal_text import visible

QUIET_FOR = 60.0
"""Seconds without a line, at most, of a job whose steps take less."""


class ProgressCallback(Protocol):
    """Told how far a long job has come."""

    def __call__(self, done: int, note: str = "") -> None:
        """Report that ``done`` of the total is done."""


class Progress(Protocol):
    """Told about stages and the long jobs within them."""

    def kept(self, stage: str) -> None:
        """A stage was done before and is unchanged."""

    def note(self, text: str) -> None:
        """Something that whoever started the run should know."""

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """A stage runs."""

    @contextmanager
    def job(self, name: str, total: int) -> Iterator[ProgressCallback]:
        """A long job runs within a stage."""


class Silent:
    """Says nothing."""

    def kept(self, stage: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:  # noqa: ARG002 -- part of the protocol
        """Say nothing."""
        yield

    @contextmanager
    def job(self, name: str, total: int) -> Iterator[ProgressCallback]:  # noqa: ARG002 -- part of the protocol
        """Say nothing."""
        yield lambda done, note="": None  # noqa: ARG005 -- part of the protocol


def default_progress() -> Progress:
    """Where a run reports to unless it is told: the console in a terminal or a notebook, nowhere elsewhere."""
    console = Console(stderr=True)
    return ToConsole(console) if console.is_terminal or console.is_jupyter else Silent()


class ToConsole:
    """Bars in a terminal, plain lines otherwise."""

    def __init__(self, console: Console) -> None:
        """Report to a rich console."""
        self._console = console

    def kept(self, stage: str) -> None:
        """One line."""
        self._console.print(f"{stage}: kept", highlight=False)

    def note(self, text: str) -> None:
        """One line."""
        self._console.print(visible(text, lines=True), highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """A line when it ends, with its seconds."""
        start = perf_counter()
        yield
        self._console.print(f"{stage}: done in {perf_counter() - start:.1f} s", highlight=False)

    @contextmanager
    def job(self, name: str, total: int) -> Iterator[ProgressCallback]:
        """A bar in a terminal, elsewhere a line a minute; and a line with each new note, which stays when the bar is gone."""
        if not self._console.is_terminal:
            yield _Lines(self._console, name, total)
            return
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, TextColumn("{task.fields[note]}"), console=self._console, transient=True) as bars:
            yield _Bar(bars, name, total)


class _Bar:
    """A long job in a terminal."""

    def __init__(self, bars: Bars, name: str, total: int) -> None:
        self._bars, self._task, self._name, self._total = bars, bars.add_task(name, total=total, note=""), name, total
        self._note, self._start = "", perf_counter()

    def __call__(self, done: int, note: str = "") -> None:
        """Move the bar; what is new about the job stays above it."""
        if note and note != self._note:
            self._note = note
            line = f"  {self._name}: {done} of {self._total}, {note}, {perf_counter() - self._start:.0f} s"
            self._bars.console.print(line, highlight=False, soft_wrap=True)
        self._bars.update(self._task, completed=done, note=self._note)


class _Lines:
    """A long job in a log file: how far it is, when there is something to say."""

    def __init__(self, console: Console, name: str, total: int) -> None:
        self._console, self._name, self._total = console, name, total
        self._start = self._told = perf_counter()
        self._note = ""

    def __call__(self, done: int, note: str = "") -> None:
        """A line if the note is new, or if the last line is a minute old."""
        now = perf_counter()
        if note in ("", self._note) and now - self._told < QUIET_FOR:
            return
        self._told, self._note = now, note or self._note
        shown = "" if not self._note else f", {self._note}"
        self._console.print(
            f"  {self._name}: {done} of {self._total}{shown}, {now - self._start:.0f} s",
            highlight=False,
            soft_wrap=True,
        )
