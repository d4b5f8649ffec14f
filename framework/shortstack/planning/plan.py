"""``shortstack plan``: the student that each budget leaves of a model, from its config alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from shortstack.config.budget import Budget, Cost
from shortstack.contracts import Selection, StudentArchitecture
from shortstack.errors import ConfigurationError
from shortstack.planning.costs import costs_of
from shortstack.selection.selector import AdaptiveLayerSelector
from shortstack.selection.strategies import Uniform

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

USUAL: Final = (Budget(keep_ratio=0.5), Budget(keep_ratio=0.25), Budget(keep_ratio=0.125))
"""Budgets that are planned where none is named; a quarter is the headline case."""


@attrs.frozen(kw_only=True)
class Planned:
    """The planned figures of a model.

    Attributes:
        budget: The budget in words; empty for the teacher.
        kept: The layers that the figures are for; which will be kept is not known before they are scored.
        of: Number of the teacher's layers.
        costs: Measure → amount.
        shares: Measure → share of the teacher's.
        alike: Whether every layer costs the same, so that any others would give the same figures.
    """

    budget: str
    kept: tuple[int, ...]
    of: int
    costs: Mapping[str, float]
    shares: Mapping[str, float]

    alike: bool

    def to_json(self) -> dict[str, Any]:
        """Return the attributes as JSON values."""
        return attrs.asdict(self)


@attrs.frozen(kw_only=True)
class Forecast:
    """The estimated time and memory of a stage.

    Attributes:
        stage: Name of the stage.
        seconds: Time of its models' passes, without reading, writing and bootstrapping.
        memory_bytes: Peak of weights, gradients, optimiser moments and activations.
        disk_bytes: Size of the teacher's final states, where they are kept on the disk (``distillation.cache``).
        sent_bytes: Gradients, and weights of divided models, that each process of several sends in the whole stage; the time that
            takes is not counted.
    """

    stage: str
    seconds: float
    memory_bytes: float
    disk_bytes: int = 0
    sent_bytes: float = 0.0


def plan(
    config: "PreTrainedConfig",
    budgets: Sequence[Budget],
    architecture: StudentArchitecture,
    *,
    dtype: "torch.dtype | None" = None,
) -> list[Planned]:
    """Plan the teacher and the student of each budget: exact counts, for evenly spaced layers.

    Args:
        config: The teacher's config.
        budgets: The budgets, one for each student.
        architecture: The architecture of the students.
        dtype: The type of weights and cache; by default the config's.

    Raises:
        UnsupportedModelError: The family cannot be handled.
        ConfigurationError: A budget cannot be met, or only be measured.
    """
    layers = config.get_text_config().num_hidden_layers
    teacher = costs_of(config, dtype=dtype)
    every = Selection(kept=range(layers), of=layers)
    narrow = architecture.shrink(config, every)
    same = narrow.to_dict() == config.to_dict()
    costs = teacher if same else costs_of(narrow, dtype=dtype, teacher=teacher)
    rows = [_row("", every, costs=teacher, teacher=teacher)]
    for budget in budgets:
        selection = _selection(budget, layers, costs)
        student = architecture.shrink(config, selection)
        # where a student is not the sum of its layers, its costs are counted on its own config
        adds_up = architecture.count_parameters(student) == costs["parameters"].of(selection.kept)
        rows.append(
            _row(
                selection.budget, selection, costs=costs if adds_up else costs_of(student, dtype=dtype), teacher=teacher
            )
        )
    return rows


def _selection(budget: Budget, layers: int, costs: Mapping[str, Cost]) -> Selection:
    if budget.measure is not None and budget.measure not in costs:
        how = "latency is measured on a model, in a run" if budget.measure == "latency_ms" else "not for this family"
        raise ConfigurationError(f"{budget.measure} cannot be planned from a config: {how}; plan another budget")
    selector = AdaptiveLayerSelector(strategy=Uniform(), budget=budget)
    # evenly spaced layers do not depend on scores
    return selector.select([0.0] * layers, costs=costs)


def _row(budget: str, selection: Selection, *, costs: Mapping[str, Cost], teacher: Mapping[str, Cost]) -> Planned:
    """Make a row from the costs of a model with all layers, or of one with the kept layers alone."""
    amounts = {
        name: cost.of(selection.kept if len(cost.layers) == selection.of else range(len(cost.layers)))
        for name, cost in costs.items()
    }
    return Planned(
        budget=budget,
        kept=selection.kept,
        of=selection.of,
        costs=amounts,
        shares={name: amount / teacher[name].teacher for name, amount in amounts.items() if _counts(teacher, name)},
        alike=all(len(set(cost.layers)) == 1 for cost in teacher.values()),
    )


def _counts(teacher: Mapping[str, Cost], name: str) -> bool:
    """Return True if a share of the teacher's cost is defined: some families keep no cache."""
    return name in teacher and teacher[name].teacher > 0
