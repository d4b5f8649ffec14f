"""A campaign: attacks in lanes, each lane a process; and what comes out of them."""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import attrs
from campaign.hunting import Attack, Finding, Hunt
from campaign.preparation import environment, prepare
from campaign.trials import Trials

LANES = 2


@attrs.frozen(kw_only=True)
class Tally:
    """What an attack came to.

    Attributes:
        attack: Its name.
        trials: Cases tried.
        refused: Those that ended with one clear line.
        seconds: Time it took.
        peak_bytes: The most memory of a command, beyond what every command begins with.
        snippets: Files of its findings.
        kinds: Their kinds.
        missing: Why it could not be tried; empty if it could.
    """

    attack: str
    trials: int
    refused: int
    seconds: float
    peak_bytes: int
    snippets: Sequence[str]
    kinds: Sequence[str]
    missing: str = ""


@attrs.frozen(kw_only=True)
class Campaign:
    """A campaign.

    Attributes:
        minutes: How long the attacks take.
        seed: Draws their cases.
        only: Names of the attacks; none for all.
        out: The folder for snippets.
    """

    minutes: float
    seed: int
    only: tuple[str, ...]
    out: Path

    def run(self) -> bool:
        """Run all attacks and print what they came to; return whether something was found."""
        _say(f"seed {self.seed}: the same cases again with --seed {self.seed}")
        with environment(), tempfile.TemporaryDirectory(prefix="campaign-") as name:
            place = Path(name)
            bases = prepare(place)
            lanes = _lanes(self._attacks())
            processes = [self._start(lane, bases, place / f"lane-{number}") for number, lane in enumerate(lanes)]
            for process in processes:
                os.waitpid(process, 0)
            tallies = [
                Tally(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(place.glob("lane-*/*.json"))
            ]
        _say(table(tallies))
        return any(tally.kinds for tally in tallies) or len(tallies) < len(self._attacks())

    def _attacks(self) -> list[Attack]:
        from campaign.attacks import ATTACKS

        return [attack for attack in ATTACKS if not self.only or attack.name in self.only]

    def _start(self, lane: Sequence[Attack], bases: Path, place: Path) -> int:
        """Fork a process that does the attacks of a lane; return its number."""
        place.mkdir()
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            os._exit(self._done(lane, bases, place))
        return process

    def _done(self, lane: Sequence[Attack], bases: Path, place: Path) -> int:
        try:
            for number, attack in enumerate(lane):
                seconds = 60 * self.minutes * attack.share / sum(each.share for each in lane)
                tally = self._tally(attack, Trials(bases=bases, place=place / "trial", bounds=attack.bounds), seconds)
                (place / f"{number}.json").write_text(json.dumps(attrs.asdict(tally)), encoding="utf-8")
                _say(line(tally))
        except BaseException:  # noqa: BLE001 -- the lane ends here, whatever it was; its missing tallies tell
            traceback.print_exc()
            return 1
        return 0

    def _tally(self, attack: Attack, trials: Trials, seconds: float) -> Tally:
        start = monotonic()
        hunt, missing = Hunt(trials=trials, ends=start + seconds), ""
        try:
            hunt.run(attack, str(self.seed))
        except PermissionError as error:
            missing = " ".join(str(error).split())
        findings = list(hunt.found.values())
        return Tally(
            attack=attack.name,
            trials=trials.count,
            refused=trials.refused,
            seconds=monotonic() - start,
            peak_bytes=trials.peak_bytes,
            snippets=[str(self._written(attack, number, finding)) for number, finding in enumerate(findings)],
            kinds=[finding.problem.kind for finding in findings],
            missing=missing,
        )

    def _written(self, attack: Attack, number: int, finding: Finding) -> Path:
        """Write a finding as a snippet, which tries it again."""
        path = self.out / str(self.seed) / f"{attack.name.replace(' ', '_')}_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snippet(finding), encoding="utf-8")
        return path


def snippet(finding: Finding) -> str:
    """Return Python that tries a finding's case again: ``PYTHONPATH=tests python FILE``."""
    heading = "".join(f"# {line}\n" for line in (finding.problem.kind, *finding.problem.detail.splitlines()))
    heading = heading.encode("ascii", "backslashreplace").decode()
    return f"{heading}from campaign.case import Case, Limit\nfrom campaign.replay import replay\n\nreplay({finding.case!a})\n"


def _lanes(attacks: Sequence[Attack]) -> list[list[Attack]]:
    """Sort attacks into lanes of about the same length, the longest first."""
    lanes: list[list[Attack]] = [[] for _ in range(LANES)]
    for attack in sorted(attacks, key=lambda each: -each.share):
        min(lanes, key=lambda lane: sum(each.share for each in lane)).append(attack)
    return [lane for lane in lanes if lane]


def line(tally: Tally) -> str:
    """Return an attack's tally in a line, with its findings below."""
    first = tally.missing or f"{tally.trials:,} trials in {tally.seconds:.0f} s, {len(tally.kinds)} findings"
    below = [f"  {kind}: {path}" for kind, path in zip(tally.kinds, tally.snippets, strict=True)]
    return "\n".join([f"{tally.attack}: {first}", *below])


def table(tallies: Sequence[Tally]) -> str:
    """Return what all attacks came to, as Markdown."""
    head = "| attack | trials | refused in a line | seconds | peak memory | findings |\n|---|---|---|---|---|---|"
    rows = [
        f"| {t.attack} | {t.missing or f'{t.trials:,}'} | {t.refused:,} | {t.seconds:.0f} | {t.peak_bytes >> 20} MB | {len(t.kinds)} |"
        for t in sorted(tallies, key=lambda each: each.attack)
    ]
    return "\n".join([head, *rows])


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 -- a program for people
