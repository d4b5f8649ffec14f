"""The hunt for one attack's findings: Hypothesis draws cases from a seed, and makes what it finds small."""

import zlib
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import attrs
from campaign.case import Case
from campaign.oracle import Problem
from campaign.process import Bounds
from campaign.trials import Trials
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

CHUNK = 200
"""Cases drawn from one seed; the next ones come from the next seed."""


@attrs.frozen(kw_only=True)
class Attack:
    """A kind of attack.

    Attributes:
        name: Its name.
        cases: Folder of the bases → what draws its cases.
        share: Its share of the campaign, beside those of the others.
        shrinks: Whether a smaller case says more.
        bounds: What a command may use.
    """

    name: str
    cases: Callable[[Path], SearchStrategy[Case]]
    share: float = 1.0
    shrinks: bool = True
    bounds: Bounds = attrs.field(factory=Bounds)


@attrs.frozen(kw_only=True)
class Finding:
    """A case that breaks a promise, and how."""

    case: Case
    problem: Problem


@attrs.define(kw_only=True)
class Hunt:
    """Hunt of one attack.

    Attributes:
        trials: Tries the cases.
        ends: Moment, by ``monotonic``, after which no case is tried.
        patience: Seconds that may be spent on making a finding smaller.
        found: Kind of finding → the smallest case of it.
    """

    trials: Trials
    ends: float
    patience: float = 30.0
    found: dict[str, Finding] = attrs.field(factory=dict)

    def run(self, attack: Attack, drawn_from: str) -> None:
        """Try cases until the time is over; they are drawn from a text, such as ``"7"``."""
        cases, chunk = attack.cases(self.trials.bases), 0
        while monotonic() < self.ends:
            number = zlib.crc32(f"{drawn_from} {attack.name} {chunk}".encode())
            self._chunk(cases, number, shrinks=attack.shrinks)
            chunk += 1

    def _chunk(self, cases: SearchStrategy[Case], number: int, *, shrinks: bool) -> None:
        """Try the cases of one seed, up to the first finding, which is made smaller."""
        chunk = _Chunk(hunt=self, known=frozenset(self.found))
        phases = (Phase.generate, Phase.shrink) if shrinks else (Phase.generate,)
        drawn = settings(
            max_examples=CHUNK, phases=phases, database=None, deadline=None, suppress_health_check=list(HealthCheck)
        )
        try:
            seed(number)(drawn(given(cases)(lambda case: chunk.tried(case))))()  # noqa: PLW0108 -- given inspects it
        except (FoundError, Flaky):  # flaky is also what is found once and no more after the patience is over
            return


class FoundError(AssertionError):
    """A case breaks a promise."""


@attrs.define(kw_only=True)
class _Chunk:
    """The cases of one seed; only the first new kind of finding counts, so that shrinking keeps to it."""

    hunt: Hunt
    known: frozenset[str]
    kind: str | None = None
    patient_until: float = float("inf")

    def tried(self, case: Case) -> None:
        """Try a case.

        Raises:
            FoundError: It is a new finding, or a smaller one of the kind found before.
        """
        if monotonic() > min(self.patient_until, self.hunt.ends + self.hunt.patience * (self.kind is not None)):
            return
        problem = self.hunt.trials.problem(case)
        if problem is None or problem.kind in self.known or self.kind not in {None, problem.kind}:
            return
        self._keep(Finding(case=case, problem=problem))
        raise FoundError(problem.kind)

    def _keep(self, finding: Finding) -> None:
        if self.kind is None:
            self.kind, self.patient_until = finding.problem.kind, monotonic() + self.hunt.patience
        kept = self.hunt.found.get(self.kind)
        if kept is None or len(repr(finding.case)) < len(repr(kept.case)):
            self.hunt.found[self.kind] = finding
