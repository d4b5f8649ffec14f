"""Intermediate results of a scoring: a safetensors file to resume from, or to merge with others."""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final

import attrs
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from shortstack.errors import ConfigurationError, DataError, SourceNotFoundError
from shortstack.files import written_whole
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.scorers import Scorers
from shortstack.importance.states import put_away, rebuilt
from shortstack.importance.sweep import Swept
from shortstack.registry.isolation import plugin_errors

_HEADER: Final = "shortstack"

Job = Mapping[str, Any]
"""All that the scores depend on, as JSON values."""


@attrs.frozen(kw_only=True, eq=False)
class Part:
    """A sweep over some of the examples.

    Attributes:
        job: The job that it is part of.
        shard: The shard; ``(2, 4)`` is the second of four.
        layers: Number of the model's layers.
        total: Number of the shard's examples.
        done: Number of examples swept so far.
        seconds: Time of the sweep so far, over all runs.
        swept: State of the sweep; None before it started.
    """

    job: Job
    shard: tuple[int, int]
    layers: int
    total: int
    done: int = 0
    seconds: float = 0.0
    swept: Swept | None = None

    def save(self, path: Path, scorers: Scorers) -> None:
        """Write the part atomically.

        Raises:
            PluginError: A scorer's state holds a value that cannot be saved.
            UnwritableError: The file cannot be written; an earlier one is kept.
        """
        # states are saved one by one, so that an error can name the scorer
        tensors, plain = put_away(None if self.swept is None else attrs.evolve(self.swept, states={}))
        for name, state in ({} if self.swept is None else self.swept.states).items():
            with plugin_errors(scorers.components[name], "has a state that cannot be saved"):
                saved = put_away(state, f"state of {name}")
            tensors, plain = tensors | saved[0], plain | saved[1]
        header = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "swept")
        header |= {"plain": plain, "scorers": list(self.swept.states if self.swept else ())}
        with written_whole(path) as partial:
            save_file(tensors, partial, metadata={_HEADER: json.dumps(header)})

    @classmethod
    def load(cls, path: Path) -> "Part":
        """Read a saved part; the scorers must have been built, so that the classes of their states are imported.

        Raises:
            DataError: The file is no part, or damaged.
        """
        header = _header(path)
        plain = header.pop("plain")
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no mapping
            swept: Swept = rebuilt(tensors, plain)
            names = header.pop("scorers")
            states = {name: rebuilt(tensors, plain, f"state of {name}") for name in names}
            swept = attrs.evolve(swept, states=states)
            return cls(**header | {"shard": tuple(header["shard"]), "swept": swept})
        except (SafetensorError, TypeError, KeyError) as error:
            raise DataError(f"{path} is damaged ({error}); remove it, and score again") from error


def job_of(path: Path) -> Job:
    """Return the job of a saved part.

    Raises:
        DataError: The file is no part, or damaged.
    """
    job: Job = _header(path)["job"]
    return job


def merged(parts: Sequence[Part], scorers: Scorers) -> Part:
    """Merge all shards of a job, in any order, into one part.

    Raises:
        ConfigurationError: They are not of one job, a shard is missing or occurs twice, or one has not finished.
        PluginError: A scorer failed.
    """
    shards, calls = sorted(parts, key=lambda part: part.shard), GuardedCalls(scorers.components)
    first, count = shards[0], shards[0].shard[1]
    there = [f"{part.shard[0]}/{part.shard[1]}" for part in shards]
    for part in shards:
        require_same(first.job, part.job, f"shard {part.shard[0]} was made")
        if part.swept is None or part.done < part.total:
            raise ConfigurationError(
                f"shard {part.shard[0]} has swept {part.done} of its {part.total} examples; let it finish first"
            )
    if there != [f"{number}/{count}" for number in range(1, count + 1)]:
        raise ConfigurationError(
            f"shards 1/{count} to {count}/{count} are needed, each once; given are {', '.join(there)}"
        )
    total, seconds = sum(part.total for part in shards), sum(part.seconds for part in shards)
    swept = reduce(
        lambda left, right: left.merged(right, scorers.folds, calls), [part.swept for part in shards if part.swept]
    )
    return attrs.evolve(first, shard=(1, 1), total=total, done=total, seconds=seconds, swept=swept)


def require_same(job: Job, other: Job, subject: str) -> None:
    """Raise if two jobs differ.

    Args:
        job: The expected job.
        other: The other job, which the error names.
        subject: Beginning of the error, which describes the other job.

    Raises:
        ConfigurationError: They differ; names the differences.
    """
    differing = differences(job, other)
    if differing:
        raise ConfigurationError(f"{subject} with other {differing}; remove it, or write elsewhere")


def differences(job: Job, other: Job) -> str:
    """Return the keys in which two jobs differ, in words; empty if they are equal.

    >>> differences({"model": "a", "length": 8}, {"model": "b", "length": 8})
    'model'
    """
    return " and ".join(key for key in {**job, **other} if job.get(key) != other.get(key))


def _header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SourceNotFoundError(f"{path} is no file; name those that shortstack score --shard wrote")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, ""))
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path} is no part of a scoring, or damaged ({error})") from error
    needed = {field.name for field in attrs.fields(Part)} - {"swept"} | {"plain", "scorers"}
    if not (isinstance(header, dict) and header.keys() == needed):
        raise DataError(f"{path} is no part of a scoring by this version")
    return header
