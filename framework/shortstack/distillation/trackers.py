"""Experiment trackers of a training: the reporting callbacks of transformers, whose failures do not end the training."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, Final

from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, TensorBoardCallback

from shortstack.distillation.checkpoints import random_state, restore_random_state
from shortstack.errors import ConfigurationError, UnknownNameError

EXTRAS: Final = ("mlflow", "tensorboard", "trackio", "wandb")
"""Trackers whose packages are extras of this one, of the same name."""

Tell = Callable[[str], None]
"""Receives a sentence for the user."""


def require_trackers(names: Iterable[str], where: str = "report_to") -> None:
    """Raise unless transformers knows every tracker and its package is installed.

    Args:
        names: Trackers, by transformers' names.
        where: The setting that names them.

    Raises:
        UnknownNameError: Transformers knows no such tracker.
        ConfigurationError: Its package is not installed, or refuses to be imported.
    """
    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            raise UnknownNameError(f"tracker in {where}:", name, sorted(INTEGRATION_TO_CALLBACK))
        try:
            _make(INTEGRATION_TO_CALLBACK[name])
        except Exception as error:
            remedy = f"pip install 'shortstack[{name}]'" if name in EXTRAS else "install its package"
            raise ConfigurationError(
                f"{where} names {name!r}, which cannot start ({_in_a_line(error)}); {remedy}, or leave it out"
            ) from error


def _make(kind: type) -> None:
    """Make a callback that is not used; without its ``__del__``, which may fail on one that was only half made."""
    type(kind.__name__, (kind,), {"__del__": lambda _self: None})()


class Tracker(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """A reporting callback that may fail: the first failure is reported, and it gets nothing more of this training.

    It changes no random state. A resumed training begins with what was logged before, so that its curve is whole.
    """

    def __init__(self, callback: TrainerCallback, model: PreTrainedModel, tell: Tell) -> None:
        """Wrap a callback.

        Args:
            callback: The reporting callback.
            model: The model that it reports on.
            tell: Receives a sentence on its failure.
        """
        self.callback, self._model, self._tell = callback, model, tell
        self._listens = {name for name in EVENTS if getattr(type(callback), name) is not getattr(TrainerCallback, name)}
        self._is_open = False

    def report(
        self, event: str, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Pass an event on to the callback, unless it failed before."""
        if event not in self._listens:
            return
        drawn = random_state()
        more["model"] = self._model  # the trainer's is the student together with what the losses learn
        try:
            getattr(self.callback, event)(args, state, control, **more)
            if event == "on_train_begin":
                self._replay(args, state, control, more)
        except Exception as error:  # noqa: BLE001 -- whatever a tracker raises, training goes on
            self._listens = set()
            self._tell(
                f"the tracker {tracker_name(self.callback)!r} failed and gets nothing more of this training "
                f"({_in_a_line(error)}); training goes on"
            )
        finally:
            restore_random_state(drawn)
        self._is_open = event != "on_train_end" and (self._is_open or event == "on_train_begin")

    def close(self, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> None:
        """End the tracker's run if a failed training left it open, so that the next training does not write into it."""
        if self._is_open:
            self.report("on_train_end", args, state, control)

    def _replay(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, more: dict[str, Any]
    ) -> None:
        for entry in state.log_history:
            then = copy(state)
            then.global_step = entry["step"]
            logs = {name: value for name, value in entry.items() if name != "step"}
            self.callback.on_log(args, then, control, logs=logs, **more)


def _passed_on(event: str) -> Callable[..., None]:
    def pass_on(
        self: Tracker, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        self.report(event, args, state, control, **more)

    return pass_on


EVENTS: Final = tuple(sorted(name for name in vars(TrainerCallback) if name.startswith("on_")))
"""Names of all events of a training."""

for _event in EVENTS:
    setattr(Tracker, _event, _passed_on(_event))


def tracker_name(callback: TrainerCallback) -> str:
    """Return transformers' name of a reporting callback; the name of its class for another one."""
    names = (name for name, kind in INTEGRATION_TO_CALLBACK.items() if type(callback) is kind)
    return next(names, type(callback).__name__)


def with_trackers_guarded(
    callbacks: Iterable[TrainerCallback], own: Sequence[TrainerCallback], model: PreTrainedModel, tell: Tell
) -> list[TrainerCallback]:
    """Wrap the reporting callbacks that transformers made of ``report_to``, and leave the user's own as they are.

    Args:
        callbacks: All callbacks of a trainer.
        own: Those that were given as objects, whose errors end the training.
        model: The model that is trained.
        tell: Receives a sentence on a tracker's failure.
    """
    kinds = tuple(INTEGRATION_TO_CALLBACK.values())
    given = {id(callback) for callback in own}
    return [
        Tracker(callback, model, tell) if isinstance(callback, kinds) and id(callback) not in given else callback
        for callback in callbacks
    ]


def place_tensorboard(callbacks: Iterable[TrainerCallback], folder: str) -> None:
    """Set the folder that the TensorBoard callback among a trainer's writes to.

    Args:
        callbacks: All callbacks of a trainer.
        folder: The folder; it need not exist.
    """
    for callback in callbacks:
        if isinstance(callback, Tracker) and isinstance(callback.callback, TensorBoardCallback):
            callback.callback.logging_dir = folder


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
