"""Balancing ``fixed``: the weights as they are."""

from collections.abc import Mapping

import attrs

from shortstack.distillation.balancing.contract import Memory


@attrs.frozen(kw_only=True)
class Fixed:
    """Constant multipliers, the weights: ``Σ_k w_k L_k``."""

    def multipliers(self, weights: Mapping[str, float], memory: Memory) -> dict[str, float]:  # noqa: ARG002
        """Return the weights."""
        return dict(weights)

    def remember(self, memory: Memory, means: Mapping[str, float]) -> Memory:  # noqa: ARG002
        """Return the memory unchanged."""
        return memory
