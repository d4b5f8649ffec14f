"""What happens at fixed moments of a training: the clock starts, the last step is never left out."""

from collections.abc import Sequence

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from shortstack.distillation.optimiser_step import LossLog


class Clock(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Starts the clock of the log, which goes on where a resumed training left off."""

    def __init__(self, log: LossLog) -> None:
        """Wind it.

        Args:
            log: Whose clock it is.
        """
        self._log = log

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 -- transformers' signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: object,
    ) -> None:
        """Start it."""
        self._log.start(state.log_history)


class RowsLearnFaster(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Some rows of matrices have a learning rate of their own: what a step changes in them is multiplied.

    AdamW's step is linear in the learning rate, decay included, so this is exact; its moments are shared.
    """

    def __init__(self, matrices: Sequence[torch.Tensor], rows: torch.Tensor, factor: float) -> None:
        """Remember them.

        Args:
            matrices: Parameters, each ``(rows, width)``.
            rows: int64: which rows.
            factor: How many times the learning rate they have.
        """
        self._matrices, self._rows, self._factor = matrices, rows, factor
        self._before: list[torch.Tensor] = []

    @torch.no_grad()
    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        """Keep the rows as they are."""
        self._before = [matrix[self._rows.to(matrix.device)].clone() for matrix in self._matrices]

    @torch.no_grad()
    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """Go on in the direction of the step."""
        for matrix, before in zip(self._matrices, self._before, strict=True):
            rows = self._rows.to(matrix.device)
            matrix[rows] = before + self._factor * (matrix[rows] - before)


class RowsStay(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Some rows of matrices never change, for weight decay would move even those that have no gradient."""

    def __init__(self, matrices: Sequence[torch.Tensor], rows: torch.Tensor) -> None:
        """Remember what they are.

        Args:
            matrices: Parameters, each ``(rows, width)``.
            rows: int64: which rows.
        """
        self._matrices, self._rows = matrices, rows
        self._kept = [matrix.detach()[rows.to(matrix.device)].clone() for matrix in matrices]

    @torch.no_grad()
    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """Put them back."""
        for matrix, kept in zip(self._matrices, self._kept, strict=True):
            matrix[self._rows.to(matrix.device)] = kept


class LastStep(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """The last step is logged and, where there is validation, validated, whatever the interval."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Ask for both once the last step is done."""
        if state.global_step >= state.max_steps:
            control.should_log = True
            control.should_evaluate = args.eval_strategy != "no"
