"""The time of each part of an optimiser step of ours."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any
from unittest.mock import patch

from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from transformers import PreTrainedModel

from shortstack.distillation.model_outputs import OutputReader
from shortstack.distillation.teacher_cache import CachedTeacher
from shortstack.distillation.training_module import TrainingModule

TEACHER, STUDENT, HEAD = "teacher", "student forward", "head and loss"
BACKWARD, OPTIMISER = "backward", "optimiser"
PARTS = (TEACHER, STUDENT, HEAD, BACKWARD, OPTIMISER)
"""The gradient of head and loss is computed with them; the teacher's head is theirs, too."""


class Parts:
    """Clocks of the parts; while a part within another runs, the outer one stands still."""

    def __init__(self) -> None:
        """Start with no time."""
        self.seconds: Counter[str] = Counter()
        self._open: list[str] = []
        self._since = 0.0

    def reset(self) -> None:
        """Forget the time so far."""
        self.seconds.clear()

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add what runs within to a part."""
        self._switch()
        self._open.append(part)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def _switch(self) -> None:
        now = perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def watched(self, student: PreTrainedModel) -> Iterator[None]:
        """Measure the parts of all steps within.

        Args:
            student: The model that is trained; whatever else is read is the teacher.
        """

        def reads(reader: OutputReader) -> str:
            return STUDENT if reader.model is student else TEACHER

        places: list[tuple[type, str, Callable[[Any], str]]] = [
            (OutputReader, "__call__", reads),
            (CachedTeacher, "__call__", lambda _: TEACHER),
            (TrainingModule, "forward", lambda _: HEAD),
            (Accelerator, "backward", lambda _: BACKWARD),
            (Accelerator, "clip_grad_norm_", lambda _: OPTIMISER),
            (AcceleratedOptimizer, "step", lambda _: OPTIMISER),
        ]
        with ExitStack() as stack:
            for owner, name, part in places:
                stack.enter_context(patch.object(owner, name, self._timed(vars(owner)[name], part)))
            yield

    def _timed(self, function: Callable[..., Any], part: Callable[[Any], str]) -> Callable[..., Any]:
        def timed(owner: Any, *given: Any, **named: Any) -> Any:
            with self.measure(part(owner)):
                return function(owner, *given, **named)

        return timed
