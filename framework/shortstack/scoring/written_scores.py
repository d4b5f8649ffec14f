"""The scores as a JSON file: from one process, or merged from shards."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
from torch import Tensor

from shortstack import __version__
from shortstack.contracts import Probe
from shortstack.errors import ConfigurationError, RunFolderError
from shortstack.files import write_json
from shortstack.importance.calls import Calls
from shortstack.importance.scorers import Scorers, require_sound
from shortstack.registry import Registry
from shortstack.scoring.parts import Part, job_of, merged, require_same

SCHEMA: Final = 1


def merge_parts(paths: Sequence[Path], out: Path, registry: Registry) -> None:
    """Write the scores of all shards of a job.

    Raises:
        DataError: A file is no part, or damaged.
        ConfigurationError: The parts are not all shards of one job, or were made by scorers that have changed since.
        RunFolderError: ``out`` is there and holds something else than scores.
    """
    require_scores(out)
    job = job_of(paths[0])
    scorers = Scorers.of(job["scorers"], registry)
    now = {**job, "code of scorers": code_of_scorers(scorers, registry)}
    require_same(now, job, f"{paths[0]} was made")
    part = merged([Part.load(path) for path in paths], scorers.folds)
    write_scores(out, part, scorers, _NoModel(layers=part.layers, examples=part.total), Calls(scorers.culprits))


def write_scores(out: Path, part: Part, scorers: Scorers, probe: Probe, calls: Calls) -> None:
    """Ask the scorers what they found, and write it."""
    if part.swept is None:
        raise ConfigurationError("nothing has been swept")
    found = scorers.answers(part.swept, probe, part.layers, calls, require_sound)
    write_json(
        out,
        {
            "schema": SCHEMA,
            "shortstack": __version__,
            "plugins": {name: version for name, version, _code in part.job["code of scorers"]},
            "job": part.job,
            "layers": part.layers,
            "examples": part.swept.examples,
            "supervised": part.swept.supervised,
            "seconds": part.seconds,
            "scores": {name: importance.scores.tolist() for name, importance in found.items()},
            "details": {name: dict(importance.details) for name, importance in found.items() if importance.details},
        },
    )


def require_scores(out: Path) -> None:
    """Nothing else than scores is written over.

    Raises:
        RunFolderError: The file is there, and holds something else.
    """
    try:
        found = json.loads(out.read_bytes()) if out.exists() else {"scores": {}}
    except (OSError, ValueError):
        found = None
    if not (isinstance(found, dict) and "scores" in found):
        raise RunFolderError(f"{out} is there, and holds no scores; name another file, so that it is not lost")


def code_of_scorers(scorers: Scorers, registry: Registry) -> list[Any]:
    """Which code each scorer is, those that others are made from too."""
    return [list(registry.find("scorer", name).identity) for name in scorers.built]


@attrs.frozen(kw_only=True)
class _NoModel:
    """A ``Probe`` where there is no model any more."""

    layers: int
    examples: int

    def log_probability(self, *, skip: Sequence[int] = ()) -> Tensor:
        """Impossible."""
        raise ConfigurationError(f"a scorer runs the model without layers {list(skip)}; score it without shards")

    def few(self, examples: int) -> Probe:
        """Impossible too."""
        raise ConfigurationError(f"a scorer runs the model on {examples} examples; score it without shards")
