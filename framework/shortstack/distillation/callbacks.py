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

    def __init__(
        self, matrices: Sequence[torch.Tensor], rows: torch.Tensor, factor: float, *, alone: bool = False
    ) -> None:
        """Remember them.

        Args:
            matrices: Parameters, each ``(rows, width)``.
            rows: int64: which rows.
            factor: How many times the learning rate they have.
            alone: Whether all other rows stay as they are.
        """
        self._matrices, self._rows, self._factor, self._alone = matrices, rows, factor, alone
        self._before: list[torch.Tensor] = []

    @torch.no_grad()
    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        """Keep the rows, or all of them, as they are."""
        kept = (matrix if self._alone else matrix[self._rows.to(matrix.device)] for matrix in self._matrices)
        self._before = [rows.clone() for rows in kept]

    @torch.no_grad()
    def on_optimizer_step(self, *_: object, **__: object) -> None:
        """Go on in the direction of the step."""
        for matrix, before in zip(self._matrices, self._before, strict=True):
            rows = self._rows.to(matrix.device)
            start = before[rows] if self._alone else before
            moved = start + self._factor * (matrix[rows] - start)
            if self._alone:
                matrix.copy_(before)
            matrix[rows] = moved


class LastStep(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """The last step is logged and, where there is validation, validated, whatever the interval."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Ask for both once the last step is done."""
        if state.global_step >= state.max_steps:
            control.should_log = True
            control.should_evaluate = args.eval_strategy != "no"
