"""The importance scorers that come with shortstack: one method a file."""

from collections.abc import Iterable

from shortstack.contracts import ScorerDescriptor
from shortstack.hooks import hookimpl


@hookimpl
def shortstack_importance_scorers() -> Iterable[ScorerDescriptor]:
    """Yield every scorer; none of the imports loads torch."""
    from shortstack_importance import (
        angular,
        attention,
        block_influence,
        drop_loss,
        fisher,
        fitted_hybrid,
        gradient,
        hybrid,
        magnitude,
        norm_ratio,
        taylor,
    )

    yield fisher.DESCRIPTOR
    yield gradient.DESCRIPTOR
    yield taylor.DESCRIPTOR
    yield attention.DESCRIPTOR
    yield block_influence.DESCRIPTOR
    yield angular.DESCRIPTOR
    yield norm_ratio.DESCRIPTOR
    yield magnitude.DESCRIPTOR
    yield drop_loss.DESCRIPTOR
    yield hybrid.DESCRIPTOR
    yield fitted_hybrid.DESCRIPTOR
