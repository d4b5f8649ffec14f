"""Forward passes of a model on its calibration examples with any layers skipped."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError
from shortstack.importance.calibration import Batch
from shortstack.importance.memory import suggesting_smaller
from shortstack.importance.objectives import next_token
from shortstack.models.attention import finite_masks
from shortstack.models.decoder import Decoder
from shortstack.models.frozen import frozen_copy
from shortstack.models.objectives import Objective
from shortstack.models.partial_passes import Bare, recording_input, skipping, starting_at
from shortstack.processes import ALONE, World

MOST_BYTES = 2**32
"""Limit of the hidden states that a probe caches, in bytes."""


class ModelProbe:
    """A ``Probe`` of a model; see ``contracts.Probe``.

    It caches the hidden states that entered the first skipped layer of the last call, one tensor per batch, within
    ``MOST_BYTES``, and starts there if the next call skips no earlier layer: skipping each layer in turn, first to
    last, runs about half as many layers as without the cache. It never starts after a layer that returns more than
    hidden states. An objective with several values gives ``(examples, values)``.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        batches: Iterable[Batch],
        objective: Objective = next_token,
        *,
        world: World = ALONE,
    ) -> None:
        """Store the batches.

        Args:
            model: The model.
            batches: The examples.
            objective: Objective of each example.
            world: The processes that share the batches, all of which make the same calls.
        """
        self._world = world
        self._model, self._decoder, self._objective = model, Decoder.of(model), objective
        self._batches = list(batches)
        self._supervised = [batch.supervised for batch in self._batches]
        self._bare: Bare = {}
        numbers = range(len(self._batches))
        self._shared, self._own = len(world.share(numbers)), [*world.share(numbers), *world.spare(numbers)]
        self._start, self._prefix = 0, dict[int, Tensor | None]()

    @property
    def layers(self) -> int:
        """See ``Probe``."""
        return len(self._decoder.layers)

    @property
    def examples(self) -> int:
        """See ``Probe``."""
        return sum(int(supervised.sum()) for supervised in self._supervised)

    def few(self, examples: int) -> "ModelProbe":
        """See ``Probe``."""
        batches, left = list[Batch](), examples
        for batch, supervised in zip(self._batches, self._supervised, strict=True):
            rows = supervised.nonzero()[:left, 0]
            if len(rows):
                batches.append(batch.rows(rows))
                left -= len(rows)
        return ModelProbe(self._model, batches, self._objective, world=self._world)

    def log_probability(self, *, skip: Sequence[int] = ()) -> Tensor:
        """See ``Probe``.

        Raises:
            EmptyDataError: No example has a label.
            ConfigurationError: A layer in ``skip`` does not exist, or processes that share the examples skip different ones.
            NonFiniteError: A log-probability is NaN or infinite.
            OutOfMemoryError: A batch is too large.
        """
        if not self.examples:
            raise EmptyDataError("no calibration example has a label, so nothing can be measured; label at least one")
        out = [layer for layer in skip if not 0 <= layer < self.layers]
        if out:
            raise ConfigurationError(f"cannot skip layer {out[0]}: the model has layers 0 to {self.layers - 1}")
        _require_same(self._world.gather(sorted(skip)))
        branch = min(skip, default=self.layers)
        if branch < self._start:  # the cached states have passed a layer that is skipped now
            self._start, self._prefix = 0, {}
        decoder = Decoder.of(frozen_copy(self._model))
        with torch.inference_mode(), finite_masks(decoder.model):
            results = [self._run(decoder, number, set(skip), branch) for number in self._own]
        if branch < self.layers and self._bare.keys() >= {*range(branch)}:
            kept = _within_bounds([states for _, states in results])
            # processes in step run the same layers, so each starts there, or none
            fits = not self._world.in_step or all(self._world.gather(all(states is not None for states in kept)))
            self._start, self._prefix = (branch, dict(zip(self._own, kept, strict=True))) if fits else (0, {})
        values = torch.cat(self._world.in_order([value for value, _ in results[: self._shared]]))
        self._require_finite(values, skip)
        return values

    def _run(self, decoder: Decoder, number: int, skip: set[int], branch: int) -> tuple[Tensor, Tensor]:
        """Return one batch's log-probabilities, and the states that entered the layer ``branch``."""
        batch = self._batches[number]
        prefix = self._prefix[number] if self._start else None
        if prefix is not None:
            decoder = starting_at(decoder, self._start, prefix, self._bare)
        # recorded after `starting_at`, so that its hook sees the states put in there
        decoder, entered = recording_input(decoder, min(branch, self.layers - 1))
        model = skipping(decoder, skip, self._bare).model
        with suggesting_smaller(batch):
            value = self._objective(model, batch.input_ids, batch.attention_mask, batch.labels)
        return value[self._supervised[number]].double().cpu(), entered[0]

    def _require_finite(self, values: Tensor, skip: Sequence[int]) -> None:
        bad = (~values.isfinite()).nonzero().tolist()
        if bad:
            number = bad[0][0]
            rows = [(batch, row) for batch in self._batches for row in batch.supervised.nonzero()[:, 0].tolist()]
            batch, row = rows[number]
            without = f" without layers {list(skip)}" if skip else ""
            raise NonFiniteError(
                f"the log-probability of {batch.called(row, number)} is {values[tuple(bad[0])]}{without}; "
                "check the model's weights and precision"
            )


def _require_same(skipped: Sequence[list[int]]) -> None:
    """Raise if processes skip different layers, for then their parts of the examples do not belong together."""
    other = next((skip for skip in skipped if skip != skipped[0]), None)
    if other is not None:
        raise ConfigurationError(
            f"one process of the run skips the layers {skipped[0]} and another one {other}; a strategy or scorer must decide by "
            "scores, costs and probe alone, as they are the same in each"
        )


def _within_bounds(states: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the first tensors that fit into ``MOST_BYTES``, and None for the others, which are computed again."""
    ends = accumulate(tensor.numel() * tensor.element_size() for tensor in states)
    return [tensor if end <= MOST_BYTES else None for tensor, end in zip(states, ends, strict=True)]
