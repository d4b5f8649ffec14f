"""Disk cache of a probe's results, so that an interrupted measurement does not repeat passes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from shortstack.contracts import Probe
from shortstack.errors import DataError
from shortstack.files import written_whole
from shortstack.processes import ALONE, World
from shortstack.progress import ProgressCallback

SECONDS_BETWEEN_SAVES: Final = 30.0


class ProbeCache(AbstractContextManager["ProbeCache"]):
    """Results by query, in a file; written when the context ends, also by an exception."""

    @classmethod
    def of(cls, part: Path, step: ProgressCallback, world: World = ALONE) -> "ProbeCache":
        """Return the cache that belongs to a part."""
        return cls(part.with_name(f"{part.name}.answers"), step, world)

    def __init__(self, path: Path, step: ProgressCallback, world: World = ALONE) -> None:
        """Read the results of an earlier attempt.

        Args:
            path: The file.
            step: Receives the number of results.
            world: The processes that measure together, and so must know the same results; the first one writes them.

        Raises:
            DataError: The file is damaged.
        """
        self._path, self._step, self._saved = path, step, perf_counter()
        self._writes = world.is_first
        self._known = world.first(partial(_read, path))

    def get(self, question: str) -> Tensor | None:
        """Return a stored result; None if there is none."""
        return self._known.get(question)

    def put(self, question: str, answer: Tensor) -> None:
        """Store a result; it is on disk within half a minute."""
        self._known[question] = answer
        self._step(len(self._known))
        if perf_counter() - self._saved > SECONDS_BETWEEN_SAVES:  # not each time, for a save writes all results
            self.save()

    def __exit__(self, *_error: object) -> None:
        if self._known:
            self.save()

    def remove(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)

    def save(self) -> None:
        """Write all results atomically.

        Raises:
            UnwritableError: The file cannot be written; the previous one is intact.
        """
        if self._writes:
            with written_whole(self._path) as unfinished:
                save_file(self._known, unfinished)
        self._saved = perf_counter()


def _read(path: Path) -> dict[str, Tensor]:
    try:
        known: dict[str, Tensor] = load_file(path) if path.is_file() else {}
    except SafetensorError as error:
        raise DataError(f"{path} is damaged ({error}); remove it, and the same command begins again") from error
    return known


class CachedProbe:
    """A probe that runs the model only for queries without a stored result; see ``contracts.Probe``."""

    def __init__(self, probe: Probe, answers: ProbeCache) -> None:
        """Wrap a probe."""
        self._probe, self._answers = probe, answers

    @property
    def layers(self) -> int:
        """See ``Probe``."""
        return self._probe.layers

    @property
    def examples(self) -> int:
        """See ``Probe``."""
        return self._probe.examples

    def few(self, examples: int) -> "CachedProbe":
        """See ``Probe``."""
        return CachedProbe(self._probe.few(examples), self._answers)

    def log_probability(self, *, skip: Sequence[int] = ()) -> Tensor:
        """See ``Probe``."""
        question = f"{self.examples} examples without {sorted(skip)}"
        answer = self._answers.get(question)
        if answer is None:
            answer = self._probe.log_probability(skip=skip)
            self._answers.put(question, answer)
        return answer
