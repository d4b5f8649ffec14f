"""What one process has found so far: a safetensors file that the next one goes on from, or that is merged with others."""

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final

import attrs
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from shortstack.contracts import FoldScorer
from shortstack.errors import ConfigurationError, DataError
from shortstack.files import unfinished
from shortstack.importance.states import put_away, rebuilt
from shortstack.importance.sweep import Swept

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

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        tensors, plain = put_away(self.swept)
        header = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "swept") | {"plain": plain}
        partial = unfinished(path)
        save_file(tensors, partial, metadata={_HEADER: json.dumps(header)})
        partial.replace(path)

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
            return cls(**header | {"shard": tuple(header["shard"]), "swept": rebuilt(tensors, plain)})
        except (SafetensorError, TypeError, KeyError) as error:
            raise DataError(f"{path} is damaged ({error}); remove it, and score again") from error


def job_of(path: Path) -> Job:
    """What a saved part is part of.

    Raises:
        DataError: It is no part, or damaged.
    """
    job: Job = _header(path)["job"]
    return job


def merged(parts: Sequence[Part], scorers: Mapping[str, FoldScorer[Any]]) -> Part:
    """One part from all shards of a job, whatever their order.

    Raises:
        ConfigurationError: They are not of one job, a shard is not there or there twice, or one has not finished.
    """
    shards = sorted(parts, key=lambda part: part.shard)
    first, there, count = shards[0], [part.shard[0] for part in shards], shards[0].shard[1]
    for part in shards:
        require_same(first.job, part.job, f"shard {part.shard[0]} was made")
        if part.swept is None or part.done < part.total:
            raise ConfigurationError(
                f"shard {part.shard[0]} has swept {part.done} of its {part.total} examples; let it finish first"
            )
    if there != list(range(1, count + 1)):
        raise ConfigurationError(f"shards 1 to {count} are needed, each once; given are {', '.join(map(str, there))}")
    total, seconds = sum(part.total for part in shards), sum(part.seconds for part in shards)
    swept = reduce(lambda left, right: left.merged(right, scorers), [part.swept for part in shards if part.swept])
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
    differing = [key for key in {**job, **other} if job.get(key) != other.get(key)]
    if differing:
        raise ConfigurationError(f"{found} with other {' and '.join(differing)}; remove it, or write elsewhere")


def _header(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(_HEADER)
        header: dict[str, Any] = json.loads(text or "")
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{path} is no readable part of a scoring ({error}); remove it, and score again") from error
    return header
