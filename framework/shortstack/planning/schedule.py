"""The steps of iterative pruning: the teacher is pruned once or several times, each step starting from the last student."""

from typing import TYPE_CHECKING, Any

import attrs

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError

if TYPE_CHECKING:
    from shortstack.config.run_tables import SelectionSettings


@attrs.frozen(kw_only=True)
class Round:
    """One step of a run: a model is scored, pruned, and distilled into what is left of it.

    The teacher's scores and the last step's results have plain names; those in between have a number.

    Attributes:
        number: Number of the step, from 1.
        steps: Number of steps in the run.

    >>> first, last = Round(number=1, steps=2), Round(number=2, steps=2)
    >>> first.named("student"), last.named("student"), last.source
    ('student-1', 'student', 'student-1')
    """

    number: int
    steps: int

    @property
    def is_last(self) -> bool:
        """True if this step's student is the run's."""
        return self.number == self.steps

    @property
    def before(self) -> "Round | None":
        """The step whose student is this one's teacher; None where that is the run's teacher."""
        return None if self.number == 1 else Round(number=self.number - 1, steps=self.steps)

    @property
    def source(self) -> str:
        """The folder of the model that is pruned."""
        return "teacher" if self.before is None else self.before.named("student")

    @property
    def made_by(self) -> str:
        """The stage that made that model."""
        return "teacher" if self.before is None else self.before.named("distillation")

    def named(self, name: str) -> str:
        """Return the name of a stage or folder of this step."""
        return name if self.is_last else f"{name}-{self.number}"

    @property
    def importance(self) -> str:
        """Name of the stage and folder of its scores."""
        return "importance" if self.number == 1 else f"importance-{self.number}"

    def settings(self, run: "SelectionSettings") -> "SelectionSettings":
        """Return the settings with this step's budget: its entry in the schedule, or the run's own in the last step."""
        if self.is_last:
            return attrs.evolve(run, schedule=())
        from shortstack.config.budget import Budget

        size = run.schedule[self.number - 1]
        # None for every measure, so that the run's own budget does not limit this step as well
        budget: dict[str, Any] = dict.fromkeys(field.name for field in attrs.fields(Budget))
        budget["keep_layers" if isinstance(size, int) else "keep_ratio"] = size
        return attrs.evolve(run, schedule=(), **budget)


def rounds_of(selection: "SelectionSettings") -> tuple[Round, ...]:
    """Return the steps of a run, in order; a single one where there is no schedule."""
    count = len(selection.schedule) + 1
    return tuple(Round(number=number, steps=count) for number in range(1, count + 1))


def composed(earlier: Selection, later: Selection) -> Selection:
    """Compose two selections: the first of a teacher's layers, the second of those that the first kept.

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
    """Return the later selection that ``composed`` made ``whole`` from.

    >>> within(Selection(kept=(0, 2, 3, 5), of=6, reason="a"), Selection(kept=(2, 5), of=6, reason="b")).kept
    (1, 3)
    """
    return attrs.evolve(whole, kept=[earlier.kept.index(layer) for layer in whole.kept], of=len(earlier.kept))


def require_smaller(kept: int, of: int, round_: Round) -> None:
    """Raise if a step of a schedule removes no layer.

    Raises:
        ConfigurationError: It keeps as many layers as there are.
    """
    if round_.steps > 1 and kept >= of:
        raise ConfigurationError(
            f"step {round_.number} of {round_.steps} keeps {kept} of {of} layers: each size in selection.schedule must be "
            "below the one before it, and the budget below the last"
        )
