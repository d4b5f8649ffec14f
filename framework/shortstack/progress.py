"""Progress reports of a run: bars in a terminal, lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from shortstack.terminal_text import visible

QUIET_FOR = 60.0
"""Longest time in seconds without a line, for jobs with shorter steps."""


class ProgressCallback(Protocol):
    """Receiver of a long job's progress."""

    def __call__(self, done: int, note: str = "") -> None:
        """Report that ``done`` of the total is done."""


class Progress(Protocol):
    """Receiver of reports on stages and the long jobs within them."""

    def kept(self, stage: str) -> None:
        """Report that a stage was done before and is unchanged."""

    def note(self, text: str) -> None:
        """Report something that the user who started the run should know."""

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Report that a stage runs, while the context is open."""

    @contextmanager
    def job(self, name: str, total: int) -> Iterator[ProgressCallback]:
        """Report that a long job runs within a stage, while the context is open."""


class Silent:
    """Progress that prints nothing."""

    def kept(self, stage: str) -> None:
        """Print nothing."""

    def note(self, text: str) -> None:
        """Print nothing."""

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:  # noqa: ARG002 -- part of the protocol
        """Print nothing."""
        yield

    @contextmanager
    def job(self, name: str, total: int) -> Iterator[ProgressCallback]:  # noqa: ARG002 -- part of the protocol
        """Print nothing."""
        yield lambda done, note="": None  # noqa: ARG005 -- part of the protocol


class Collected(Silent):
    """Progress that prints nothing, and keeps the notes.

    Attributes:
        notes: The texts of the notes, in order.
    """

    def __init__(self) -> None:
        """Begin without notes."""
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep the note."""
        self.notes.append(text)


def default_progress() -> Progress:
    """Return a run's default progress: the console in a terminal or a notebook, silent elsewhere."""
    console = Console(stderr=True)
    return ToConsole(console) if console.is_terminal or console.is_jupyter else Silent()


class ToConsole:
    """Progress with bars in a terminal, plain lines otherwise."""

    def __init__(self, console: Console) -> None:
        """Report to a rich console."""
        self._console = console

    def kept(self, stage: str) -> None:
        """Print one line."""
        self._console.print(f"{stage}: kept", highlight=False)

    def note(self, text: str) -> None:
        """One line."""
        self._console.print(visible(text, lines=True), highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Print a line when the stage ends, with its seconds."""
        start = perf_counter()
        yield
        self._console.print(f"{stage}: done in {perf_counter() - start:.1f} s", highlight=False)

    @contextmanager
    def job(self, name: str, total: int) -> Iterator[ProgressCallback]:
        """Show a bar in a terminal, elsewhere print a line a minute; each new note is printed and stays."""
        if not self._console.is_terminal:
            yield _Lines(self._console, name, total)
            return
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, TextColumn("{task.fields[note]}"), console=self._console, transient=True) as bars:
            yield _Bar(bars, name, total)


class _Bar:
    """Bar of a long job in a terminal."""

    def __init__(self, bars: Bars, name: str, total: int) -> None:
        self._bars, self._task, self._name, self._total = bars, bars.add_task(name, total=total, note=""), name, total
        self._note, self._start = "", perf_counter()

    def __call__(self, done: int, note: str = "") -> None:
        """Move the bar; print a new note above it."""
        if note and note != self._note:
            self._note = note
            line = f"  {self._name}: {done} of {self._total}, {note}, {perf_counter() - self._start:.0f} s"
            self._bars.console.print(line, highlight=False, soft_wrap=True)
        self._bars.update(self._task, completed=done, note=self._note)


class _Lines:
    """Lines of a long job in a log file."""

    def __init__(self, console: Console, name: str, total: int) -> None:
        self._console, self._name, self._total = console, name, total
        self._start = self._told = perf_counter()
        self._note = ""

    def __call__(self, done: int, note: str = "") -> None:
        """Print a line if the note is new, or if the last line is a minute old."""
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
