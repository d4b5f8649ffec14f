"""Callbacks of a training: clock, learning rate of some rows, and logging of the last step."""

from collections.abc import Sequence

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from shortstack.distillation.optimiser_step import LossLog


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

    AdamW's step is linear in the learning rate, decay included, so this is exact; its moments are shared.
    """

    def __init__(self, matrices: Sequence[torch.Tensor], rows: torch.Tensor, factor: float) -> None:
        """Store the rows and the factor.

        Args:
            matrices: Parameters, each ``(rows, width)``.
            rows: Indices of the rows, int64.
            factor: Multiple of the learning rate for these rows.
        """
        self._matrices, self._rows, self._factor = matrices, rows, factor
        self._before: list[torch.Tensor] = []

    @torch.no_grad()
    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        """Copy the rows before the step."""
        self._before = [matrix[self._rows.to(matrix.device)].clone() for matrix in self._matrices]

    @torch.no_grad()
    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """Multiply the change of the rows by the factor."""
        for matrix, before in zip(self._matrices, self._before, strict=True):
            rows = self._rows.to(matrix.device)
            matrix[rows] = before + self._factor * (matrix[rows] - before)


class RowsStay(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Frozen rows of matrices: restored after each step, since weight decay moves even rows without a gradient."""

    def __init__(self, matrices: Sequence[torch.Tensor], rows: torch.Tensor) -> None:
        """Copy the rows.

        Args:
            matrices: Parameters, each ``(rows, width)``.
            rows: Indices of the rows, int64.
        """
        self._matrices, self._rows = matrices, rows
        self._kept = [matrix.detach()[rows.to(matrix.device)].clone() for matrix in matrices]

    @torch.no_grad()
    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """Restore the rows."""
        for matrix, kept in zip(self._matrices, self._kept, strict=True):
            matrix[self._rows.to(matrix.device)] = kept


class LastStep(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Logs and, if there is validation, validates the last step, whatever the interval."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Request both after the last step."""
        if state.global_step >= state.max_steps:
            control.should_log = True
            control.should_evaluate = args.eval_strategy != "no"
