"""What one process has found so far: a safetensors file that the next one goes on from, or that is merged with others."""

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
"""All that the scores depend on, as JSON can hold it."""


@attrs.frozen(kw_only=True, eq=False)
class Part:
    """A sweep of some of the examples.

    Attributes:
        job: What it is part of.
        shard: ``(2, 4)`` is the second of four.
        layers: How many the model has.
        total: How many examples the shard has.
        done: How many of them have been swept.
        seconds: What that took, all tries together.
        swept: Where the sweep stands; None before it started.
    """

    job: Job
    shard: tuple[int, int]
    layers: int
    total: int
    done: int = 0
    seconds: float = 0.0
    swept: Swept | None = None

    def save(self, path: Path, scorers: Scorers) -> None:
        """Write it, whole or not at all.

        Raises:
            PluginError: A scorer's state holds something that no file can hold.
            UnwritableError: It cannot be written; what was saved before is kept.
        """
        tensors, plain = put_away(None if self.swept is None else attrs.evolve(self.swept, states={}))
        for name, state in ({} if self.swept is None else self.swept.states).items():
            with plugin_errors(scorers.components[name], "has a state that cannot be saved"):
                found = put_away(state, f"state of {name}")
            tensors, plain = tensors | found[0], plain | found[1]
        header = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "swept")
        header |= {"plain": plain, "scorers": list(self.swept.states if self.swept else ())}
        with written_whole(path) as partial:
            save_file(tensors, partial, metadata={_HEADER: json.dumps(header)})

    @classmethod
    def load(cls, path: Path) -> "Part":
        """Read what was saved; the scorers must be built, for their states are of classes of theirs.

        Raises:
            DataError: It is no part, or damaged.
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
    """What a saved part is part of.

    Raises:
        DataError: It is no part, or damaged.
    """
    job: Job = _header(path)["job"]
    return job


def merged(parts: Sequence[Part], scorers: Scorers) -> Part:
    """One part from all shards of a job, whatever their order.

    Raises:
        ConfigurationError: They are not of one job, a shard is not there or there twice, or one has not finished.
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


def require_same(job: Job, other: Job, found: str) -> None:
    """Two jobs are one.

    Args:
        job: One.
        other: The other, which is to blame.
        found: What the other is, in words.

    Raises:
        ConfigurationError: They are not; says in what they differ.
    """
    differing = differences(job, other)
    if differing:
        raise ConfigurationError(f"{found} with other {differing}; remove it, or write elsewhere")


def differences(job: Job, other: Job) -> str:
    """In what two jobs differ, in words; empty if they are one."""
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
