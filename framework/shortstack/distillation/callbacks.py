"""Callbacks of a training: clock, learning rate of some rows, and logging of the last step."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from shortstack.distillation.optimiser_step import LossLog
from shortstack.models.sharding import local_part, local_rows


class Clock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Starts the clock of the log; after a resume it continues from the last logged time."""

    def __init__(self, log: LossLog) -> None:
        """Store the log.

        Args:
            log: Log whose clock is started.
        """
        self._log = log

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 -- transformers' signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: object,
    ) -> None:
        """Start the clock."""
        self._log.start(state.log_history)


class RowsLearnFaster(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """A separate learning rate for some rows of matrices: their change in each step is multiplied by a factor.

    AdamW's step is linear in the learning rate, decay included, so this is exact; its moments are shared. Rows that follow
    one another, as the items' do, are changed in place, against one copy whose memory is used again in each step. Of a
    matrix that is divided among processes, each changes the rows that it holds.
    """

    def __init__(self, holders: Sequence[nn.Module], rows: torch.Tensor, factor: float) -> None:
        """Store the rows and the factor.

        Args:
            holders: Modules whose ``weight`` is a matrix, ``(rows, width)``: dividing it makes it another parameter.
            rows: Indices of the rows, int64.
            factor: Multiple of the learning rate for these rows.
        """
        self._holders, self._rows, self._factor = holders, rows, factor
        self._places: list[slice | torch.Tensor] = []
        self._before: list[torch.Tensor] = []

    @torch.no_grad()
    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        """Copy the rows before the step."""
        if not self._before:  # now the matrices are on the device of the training, and divided
            places = [local_rows(holder.get_parameter("weight"), self._rows)[0] for holder in self._holders]
            self._places = [_span(place) or place for place in places]
            self._before = [torch.empty_like(rows) for *_place, rows in self._now()]
        for before, (*_place, rows) in zip(self._before, self._now(), strict=True):
            before.copy_(rows)

    @torch.no_grad()
    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """Multiply the change of the rows by the factor."""
        for before, (matrix, place, rows) in zip(self._before, self._now(), strict=True):
            faster = rows.sub_(before).mul_(self._factor).add_(before)
            if isinstance(place, torch.Tensor):
                matrix.index_copy_(0, place, faster)

    def _now(self) -> Iterator[tuple[torch.Tensor, slice | torch.Tensor, torch.Tensor]]:
        """Yield each matrix, places in it, and the rows there: its own memory if they follow one another, else a copy."""
        for holder, place in zip(self._holders, self._places, strict=True):
            matrix = local_part(holder.get_parameter("weight").detach())
            yield matrix, place, matrix[place]


def _span(rows: torch.Tensor) -> slice | None:
    """Return rows that follow one another as a slice, other rows as None.

    >>> _span(torch.tensor([3, 4, 5])), _span(torch.tensor([3, 5]))
    (slice(3, 6, None), None)
    """
    if not len(rows) or not torch.equal(rows.diff(), torch.ones_like(rows[1:])):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1)


class RowsStay(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Frozen rows of matrices: restored after each step, since weight decay moves even rows without a gradient."""

    def __init__(self, holders: Sequence[nn.Module], rows: torch.Tensor) -> None:
        """Copy the rows.

        Args:
            holders: Modules whose ``weight`` is a matrix, ``(rows, width)``, still whole.
            rows: Indices of the rows, int64.
        """
        self._holders, self._rows = holders, rows
        matrices = [holder.get_parameter("weight").detach() for holder in holders]
        self._kept = [matrix[rows.to(matrix.device)].clone() for matrix in matrices]

    @torch.no_grad()
    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """Restore the rows."""
        for holder, kept in zip(self._holders, self._kept, strict=True):
            matrix = holder.get_parameter("weight")
            places, which = local_rows(matrix, self._rows)
            local_part(matrix)[places] = kept.to(places.device)[which]


class LastStep(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Logs and, if there is validation, validates the last step, whatever the interval."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Request both after the last step."""
        if state.global_step >= state.max_steps:
            control.should_log = True
            control.should_evaluate = args.eval_strategy != "no"
