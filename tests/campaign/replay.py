"""Tries a case again, as the snippets of findings do."""

import tempfile
from pathlib import Path

from campaign.case import Case
from campaign.preparation import environment, prepare
from campaign.trials import Trials


def replay(case: Case) -> None:
    """Try a case and print what is wrong."""
    with environment(), tempfile.TemporaryDirectory(prefix="campaign-") as name:
        bases = prepare(Path(name))
        problem = Trials(bases=bases, place=Path(name) / "trial").problem(case)
    print("nothing is wrong" if problem is None else f"{problem.kind}\n{problem.detail}")  # noqa: T201
