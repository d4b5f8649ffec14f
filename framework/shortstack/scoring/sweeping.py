"""A sweep with regular checkpoints, so that a kill loses half a minute at most."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

import attrs
import torch
from transformers import PreTrainedModel

from shortstack.importance.calibration import Batch, checked_batches
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.probe_cache import SECONDS_BETWEEN_SAVES
from shortstack.importance.scorers import Scorers
from shortstack.importance.sweep import sweep
from shortstack.models.decoder import Decoder
from shortstack.progress import Progress, ProgressCallback
from shortstack.scoring.parts import Job, Part
from shortstack.scoring.texts import ReadExample
from shortstack.tasks.examples import collate


@attrs.frozen(kw_only=True, eq=False)
class Sweeping:
    """A sweep over the examples of one part.

    Attributes:
        model: The model to score.
        examples: All examples of the part, including those that are done.
        batch_size: Examples in a batch.
        path: File of the part.
    """

    model: PreTrainedModel
    examples: Sequence[ReadExample]
    batch_size: int
    path: Path

    def begin(self, job: Job, shard: tuple[int, int]) -> Part:
        """Return the part before the sweep."""
        return Part(job=job, shard=shard, layers=len(Decoder.of(self.model).layers), total=len(self.examples))

    def finish(self, part: Part, scorers: Scorers, calls: GuardedCalls, progress: Progress) -> Part:
        """Sweep the remaining examples, saving every half minute and at the end; return the finished part."""
        with progress.job("examples", total=part.total) as step:
            while part.swept is None or part.done < part.total:
                rest = in_batches(self.examples[part.done :], self.batch_size, self.model.device)
                stretch = _Stretch(rest, step, part.done)
                swept = sweep(self.model, stretch, scorers.folds, calls=calls, before=part.swept)
                done = stretch.done if stretch.done > part.done else part.total  # for weights alone nothing is read
                part = attrs.evolve(part, swept=swept, done=done, seconds=part.seconds + stretch.seconds)
                part.save(self.path, scorers)
        return part


def in_batches(examples: Sequence[ReadExample], size: int, device: torch.device) -> Iterator[Batch]:
    """Yield the examples in batches, in their order, on a device."""
    groups = [examples[start : start + size] for start in range(0, len(examples), size)]
    batches = checked_batches((collate(read.example for read in group) for group in groups), device)
    for group, batch in zip(groups, batches, strict=True):
        yield attrs.evolve(batch, places=tuple(read.place for read in group))


class _Stretch(Iterable[Batch]):
    """The batches up to the next checkpoint."""

    def __init__(self, batches: Iterator[Batch], step: ProgressCallback, done: int) -> None:
        self._batches, self._step, self._start = batches, step, perf_counter()
        self.done = done

    @property
    def seconds(self) -> float:
        return perf_counter() - self._start

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            yield batch
            self.done += len(batch.input_ids)
            self._step(self.done)
            if self.seconds > SECONDS_BETWEEN_SAVES:
                return
