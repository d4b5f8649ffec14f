"""``docs/decisions/README.md``: all decisions by topic, newest first, from the files beside it."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import attrs

FOLDER: Final = Path(__file__).parents[1] / "decisions"
TOPICS: Final[Mapping[str, str]] = {
    "data": "Data",
    "teachers": "Teachers, language models and training",
    "importance": "Importance and audits",
    "students": "Selection, budgets and students",
    "distillation": "Losses and distillation",
    "evaluation": "Tasks and evaluation",
    "resuming": "Runs, settings and resuming",
    "processes": "Many processes",
    "studies": "Studies",
    "serving": "Serving, batches and export",
    "plugins": "Plugins and the conformance kit",
    "project": "Structure, command line, documentation, tests and releases",
}
"""Folder → heading, in the order of the page."""
HEAD = """# Decisions

<!-- Written by docs/generate.py from the files beside it. -->

What was decided, why, and what else was tried or considered: one file each, newest first in each topic. A decision stays as it was
written; where a later one changes it, it names that one.

{topics}
"""
_FORM: Final = re.compile(r"# (?P<title>\S.*)\n\n(?P<day>\d{4}-\d\d-\d\d)\n\n(?P<text>\S.*)", re.DOTALL)
_FEWEST_WORDS: Final = 3


@attrs.frozen(kw_only=True)
class Decision:
    """One decision.

    Attributes:
        path: Its file, from the folder of all decisions.
        title: What was decided.
        day: When.
        text: Why, and what else was tried or considered.
    """

    path: Path
    title: str
    day: date
    text: str


def decisions_page(folder: Path = FOLDER) -> str:
    """Return the page."""
    decisions = all_decisions(folder)
    topics = "\n".join(f"* [{title}](#{_anchor(title)})" for title in TOPICS.values())
    parts = [HEAD.format(topics=topics)]
    for topic, title in TOPICS.items():
        parts += [f"## {title}\n", *_lines([one for one in decisions if one.path.parts[0] == topic]), ""]
    return "\n".join(parts).rstrip() + "\n"


def all_decisions(folder: Path = FOLDER) -> list[Decision]:
    """Return all decisions, by path.

    Raises:
        ValueError: A file lies outside the topics or has another form, or two have the same name.
    """
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    decisions = [_read(folder, path) for path in paths if path != Path("README.md")]
    by_name: dict[str, Path] = {}
    for one in decisions:
        other = by_name.setdefault(one.path.name, one.path)
        if other != one.path:
            raise ValueError(f"{one.path} has the name of {other}; links by name need names that differ")
    return decisions


def _read(folder: Path, path: Path) -> Decision:
    """Read one file.

    Raises:
        ValueError: It lies outside the topics, or has another form than a heading, a date and a text of three words or more.
    """
    if path.suffix != ".md" or len(path.parts) != 2 or path.parts[0] not in TOPICS:
        raise ValueError(f"{path} is no TOPIC/NAME.md; topics are {', '.join(TOPICS)}")
    matched = _FORM.fullmatch((folder / path).read_text(encoding="utf-8"))
    if not matched or len(matched["text"].split()) < _FEWEST_WORDS:
        raise ValueError(
            f"{path} is not '# what', a day as 2026-01-31, and why in three words or more, with a blank line between"
        )
    try:
        day = date.fromisoformat(matched["day"])
    except ValueError as error:
        raise ValueError(f"{path} has no day {matched['day']}: {error}") from None
    return Decision(path=path, title=matched["title"], day=day, text=matched["text"].strip())


def _lines(decisions: list[Decision]) -> list[str]:
    """Return a line for each decision, newest first; those of one day by title."""
    by_title = sorted(decisions, key=lambda one: one.title.lstrip("`").casefold())
    ordered = sorted(by_title, key=lambda one: one.day, reverse=True)
    return [f"* {one.day}: [{one.title}]({one.path.as_posix()})" for one in ordered]


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
