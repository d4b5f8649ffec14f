"""Check that scorers of shards need no model afterwards: shards are merged without one."""

from collections.abc import Sequence
from typing import Final

import attrs
import torch
from torch import Tensor

from shortstack.contracts import DerivedScorer, Importance, Probe
from shortstack.errors import ConfigurationError
from shortstack.importance.scorers import Scorers
from shortstack.registry.isolation import plugin_errors

_NEEDS_MODEL: Final = "scorer {!r} runs the model many times on all examples; score it in one process, without shards"


def require_no_model(scorers: Scorers) -> None:
    """Raise if a scorer needs more than the results of the sweep; derived ones are tried on made-up scores.

    Raises:
        ConfigurationError: A scorer runs the model repeatedly on all examples.
    """
    for name in scorers.probes:
        raise ConfigurationError(_NEEDS_MODEL.format(name))
    probe, tried = NoModel(layers=4, examples=1), dict[str, Importance]()
    for name, scorer in scorers.in_order():
        tried[name] = Importance(scores=torch.arange(4, dtype=torch.float64), examples=1)
        if isinstance(scorer, DerivedScorer):
            try:
                with plugin_errors(scorers.components[name]):
                    scorer.combine({needed: tried[needed] for needed in scorer.needs_scores}, probe)
            except _NeedsModelError as error:
                raise ConfigurationError(_NEEDS_MODEL.format(name)) from error


class _NeedsModelError(ConfigurationError):
    """A scorer ran the model where there is none."""


@attrs.frozen(kw_only=True)
class NoModel:
    """A ``Probe`` without a model."""

    layers: int
    examples: int

    def log_probability(self, *, skip: Sequence[int] = ()) -> Tensor:
        """Raise, for there is no model."""
        raise _NeedsModelError(f"a scorer runs the model without layers {list(skip)}; score it without shards")

    def few(self, examples: int) -> Probe:
        """Raise, for there is no model."""
        raise _NeedsModelError(f"a scorer runs the model on {examples} examples; score it without shards")
