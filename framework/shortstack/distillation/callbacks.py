"""What happens at fixed moments of a training: the clock starts, the last step is never left out."""

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


class LastStep(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """The last step is logged and, where there is validation, validated, whatever the interval."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Ask for both once the last step is done."""
        if state.global_step >= state.max_steps:
            control.should_log = True
            control.should_evaluate = args.eval_strategy != "no"
