"""A run makes its teacher smaller in one step, or in several: each student is the next step's teacher."""

from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError

if TYPE_CHECKING:
    from shortstack.config.run_tables import SelectionSettings


@attrs.frozen(kw_only=True)
class Round:
    """One of the times that a run scores a model, prunes it, and distils what it was into what is left.

    The teacher's scores, and what the last step makes, go by the plain names; what lies between has a number.

    Attributes:
        number: From 1.
        steps: How many there are.
    """

    number: int
    steps: int

    @property
    def is_last(self) -> bool:
        """Whether its student is the run's."""
        return self.number == self.steps

    @property
    def before(self) -> "Round | None":
        """The step whose student is this one's teacher; None where that is the run's teacher."""
        return None if self.number == 1 else Round(number=self.number - 1, steps=self.steps)

    @property
    def source(self) -> str:
        """The folder of the model that is made smaller."""
        return "teacher" if self.before is None else self.before.named("student")

    @property
    def made_by(self) -> str:
        """The stage that made that model."""
        return "teacher" if self.before is None else self.before.named("distillation")

    def named(self, name: str) -> str:
        """What a stage or folder of this step is called."""
        return name if self.is_last else f"{name}-{self.number}"

    @property
    def importance(self) -> str:
        """What the stage and folder of its scores are called."""
        return "importance" if self.number == 1 else f"importance-{self.number}"

    def settings(self, run: "SelectionSettings") -> "SelectionSettings":
        """How much this step leaves: its entry in the schedule, or at last the run's own budget."""
        if self.is_last:
            return attrs.evolve(run, schedule=())
        from shortstack.config.budget import Budget

        size = run.schedule[self.number - 1]
        budget: dict[str, Any] = dict.fromkeys(field.name for field in attrs.fields(Budget))
        budget["keep_layers" if isinstance(size, int) else "keep_ratio"] = size
        return attrs.evolve(run, schedule=(), **budget)


def rounds_of(selection: "SelectionSettings") -> tuple[Round, ...]:
    """The steps of a run, in order; one where there is no schedule."""
    count = len(selection.schedule) + 1
    return tuple(Round(number=number, steps=count) for number in range(1, count + 1))


def composed(earlier: Selection, later: Selection) -> Selection:
    """Two selections as one: the first of a teacher's layers, the second of what the first left.

    >>> first = Selection(kept=(0, 2, 3, 5), of=6, reason="the best")
    >>> composed(first, Selection(kept=(1, 3), of=4, reason="the best of these")).kept
    (2, 5)
    """
    return attrs.evolve(
        later,
        kept=[earlier.kept[layer] for layer in later.kept],
        of=earlier.of,
        reason=f"{later.reason}, of the {len(earlier.kept)} that were left before",
        forwards=earlier.forwards + later.forwards,
    )


def within(earlier: Selection, whole: Selection) -> Selection:
    """The later selection that ``composed`` made ``whole`` from."""
    return attrs.evolve(whole, kept=[earlier.kept.index(layer) for layer in whole.kept], of=len(earlier.kept))


def require_smaller(kept: int, of: int, step: Round) -> None:
    """A step of a schedule must take something away.

    Raises:
        ConfigurationError: It keeps as many layers as there are.
    """
    if step.steps > 1 and kept >= of:
        raise ConfigurationError(
            f"step {step.number} of {step.steps} keeps {kept} of {of} layers: each size in selection.schedule must be "
            "below the one before it, and the budget below the last"
        )
