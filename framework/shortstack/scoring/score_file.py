"""The JSON file of scores, from one process or merged from shards."""

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from shortstack.contracts import Probe
from shortstack.errors import RunFolderError
from shortstack.files import write_json
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.scorers import Scorers, require_sound
from shortstack.registry import Registry
from shortstack.scoring.model_loading import NoModel
from shortstack.scoring.parts import Job, Part, differences, job_of, merged, require_same
from shortstack.version import __version__

SCHEMA: Final = 1


def merge_parts(paths: Sequence[Path], out: Path, registry: Registry) -> None:
    """Merge all shards of a job and write their scores.

    Raises:
        SourceNotFoundError: A file does not exist.
        DataError: A file is no part, or damaged.
        ConfigurationError: The parts are not all shards of one job, or were made by scorers that have changed since.
        RunFolderError: ``out`` exists and holds something else than the scores of this job.
    """
    job = job_of(paths[0])
    require_room(out, job)
    scorers = Scorers.of(job["scorers"], registry)
    now = {**job, "code of scorers": code_of_scorers(scorers, registry)}
    require_same(now, job, f"{paths[0]} was made")
    part = merged([Part.load(path) for path in paths], scorers)
    write_scores(out, part, scorers, NoModel(layers=part.layers, examples=part.total), GuardedCalls(scorers.components))


def write_scores(out: Path, part: Part, scorers: Scorers, probe: Probe, calls: GuardedCalls) -> None:
    """Finish the scorers and write their scores.

    Raises:
        RunFolderError: Another job has written its scores there in the meantime.
    """
    if part.swept is None:
        raise AssertionError("scores are written once the sweep has ended")
    start = perf_counter()
    scores = scorers.answers(part.swept, probe, part.layers, calls, require_sound)
    require_room(out, part.job)
    write_json(
        out,
        {
            "schema": SCHEMA,
            "shortstack": __version__,
            "plugins": {name: version for name, version, _code in part.job["code of scorers"]},
            "job": part.job,
            "layers": part.layers,
            "examples": part.total,
            "seconds": part.seconds + perf_counter() - start,
            "scores": {name: importance.scores.tolist() for name, importance in scores.items()},
            "counted": {name: importance.examples for name, importance in scores.items()},
            "details": {name: dict(importance.details) for name, importance in scores.items() if importance.details},
        },
    )


def require_room(out: Path, job: Job) -> None:
    """Raise if a file holds anything but scores of the same job, which alone may be overwritten.

    Raises:
        RunFolderError: The file exists, and holds something else.
    """
    if not out.exists():
        return
    try:
        content = json.loads(out.read_bytes())
    except (OSError, ValueError, RecursionError):
        content = None
    if not (
        isinstance(content, dict) and content.keys() >= {"schema", "scores"} and isinstance(content.get("job"), dict)
    ):
        raise RunFolderError(f"{out} is there, and holds no scores; name another file, so that it is not lost")
    differing = differences(job, content["job"])
    if differing:
        raise RunFolderError(f"{out} holds scores with other {differing}; remove it, or name another file")


def code_of_scorers(scorers: Scorers, registry: Registry) -> list[Any]:
    """Return the identity of the code of each scorer, including those that derived scorers need."""
    return [list(registry.find("scorer", name).identity) for name in scorers.built]
