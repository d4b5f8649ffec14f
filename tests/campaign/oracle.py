"""The one oracle of all attacks: an equal result, or one clear line and exit code 2; nothing lost; within the bounds."""

import re
import signal
import unicodedata

import attrs
from campaign.process import Bounds, Outcome

LONGEST = 4_000
"""Characters of a clear line; names of files and of values that it repeats are long in some cases."""
BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
FRAME = re.compile(r'File "([^"]+)", line \d+,? in (\S+)')
OURS = re.compile(r"/(shortstack\w*)/(\S+\.py)$")
WARNING = re.compile(r"^\S+:\d+: \w*Warning: ", re.MULTILINE)
OWN_PLUGIN = re.compile(r"\(shortstack:\w+ [^)]*\) [^:]*failed: (\w+)")
FAILED_RUNS = re.compile(r"^\d+ finished, \d+ failed\n((?:\S+ failed: .*\n)+)", re.MULTILINE)
"""Runs that a study could not do, a line for each; the others are done, and the study ends with exit code 1."""
UNFORESEEN = re.compile(r"\S+ failed: (\w+(?:Error|Exception|Interrupt)): ")
"""A run that ended with an exception that is none of ours."""
OTHER_LINES = re.compile(r"warning: |stopped; |.*: (done in \d+\.\d s|kept)$")
"""Lines that may stand beside an error: warnings, and the progress up to it."""


@attrs.frozen(kw_only=True)
class Problem:
    """What is wrong with an outcome.

    Attributes:
        kind: Tells findings apart: what happened, and where in the code.
        detail: What was seen.
    """

    kind: str
    detail: str


def problem_of(outcome: Outcome, bounds: Bounds) -> Problem | None:
    """Return what is wrong with how a command ended, whatever its result; None if it kept its promises."""
    for look in (_bounds_kept, _ended_by_itself, _one_line, _harmless):
        found = look(outcome, bounds)
        if found:
            return Problem(kind=found, detail=(outcome.stderr or outcome.stdout)[-3_000:])
    return None


def is_refusal(outcome: Outcome) -> bool:
    """Return whether the command ended with an error for the user, or a study with one for a run."""
    return outcome.code == 2 or (outcome.code == 1 and bool(FAILED_RUNS.search(outcome.stdout)))


def _bounds_kept(outcome: Outcome, bounds: Bounds) -> str | None:
    if outcome.waited:
        return f"waits for ever in {_place(outcome.stderr)}"
    if outcome.signal == signal.SIGXCPU:
        return f"runs for more than {bounds.cpu_seconds} s in {_place(outcome.stderr)}"
    if outcome.resident_bytes > bounds.resident_bytes:
        return f"takes more than {bounds.resident_bytes >> 20} MB, ends as {_end(outcome)}"
    return None


def _ended_by_itself(outcome: Outcome, _bounds: Bounds) -> str | None:
    if outcome.signal:
        return f"ended by {signal.Signals(outcome.signal).name} in {_place(outcome.stderr)}"
    if "Traceback (most recent call last)" in outcome.stderr:
        return f"{_error(outcome.stderr)} in {_place(outcome.stderr)}"
    return None if outcome.code in {0, 1, 2} else f"exit code {outcome.code}"


def _one_line(outcome: Outcome, _bounds: Bounds) -> str | None:
    """An error is one line that begins with ``error:``."""
    if warned := WARNING.search(outcome.stderr):
        return f"shows a warning: {warned[0]}"
    if outcome.code == 1:
        failed = FAILED_RUNS.search(outcome.stdout)
        return next(filter(None, map(_unclear, failed[1].splitlines())), None) if failed else None
    if outcome.code != 2:
        return None
    lines = [line for line in outcome.stderr.splitlines() if line.strip() and not OTHER_LINES.match(line)]
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"exit code 2 with {len(lines)} lines: {_words(lines[0] if lines else '')}"
    return _unclear(lines[0])


def _unclear(line: str) -> str | None:
    """Return why a line of an error says nothing to the user."""
    if blamed := OWN_PLUGIN.search(line):
        return f"a plugin of our own fails: {blamed[1]}, {_words(line)}"
    if unforeseen := UNFORESEEN.match(line):
        return f"a run fails with {unforeseen[1]}, {_words(line)}"
    return f"a line of {len(line):,} characters: {_words(line)}" if len(line) > LONGEST else None


def _harmless(outcome: Outcome, _bounds: Bounds) -> str | None:
    """Neither output holds a command to the terminal."""
    bad = {c for c in outcome.stdout + outcome.stderr if c in BIDIRECTIONAL or _is_control(c)}
    return f"prints {sorted(map(ascii, bad))}" if bad else None


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in "\n\t\r"


def _end(outcome: Outcome) -> str:
    return _error(outcome.stderr) if "Traceback" in outcome.stderr else f"exit code {outcome.code}"


def _error(stderr: str) -> str:
    """Return the type of the last error of a traceback."""
    named = re.findall(r"^([A-Za-z_][\w.]*)(?::|$)", stderr, re.MULTILINE)
    return named[-1].rpartition(".")[2] if named else "an error"


def _place(stderr: str) -> str:
    """Return our innermost function of a traceback, or the innermost of all; either order of frames."""
    frames = FRAME.findall(stderr)
    if "most recent call first" in stderr:
        frames.reverse()
    ours = [f"{module[2]}:{function}" for path, function in frames if (module := OURS.search(path))]
    named = ["no place known", *(f"{path.rpartition('/')[2]}:{function}" for path, function in frames)]
    return (ours or named)[-1]


def _words(line: str) -> str:
    """Return the beginning of a message without what differs from case to case: quoted values and numbers."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\S*/\S*|\d+", "…", line)[:80]
