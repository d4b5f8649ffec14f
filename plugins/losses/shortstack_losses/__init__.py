"""The built-in distillation losses, one method a file."""

from collections.abc import Iterator

from shortstack.contracts import LossDescriptor
from shortstack.hooks import hookimpl
from shortstack_losses import hidden_states, labels, soft_targets


@hookimpl
def shortstack_losses() -> Iterator[LossDescriptor]:
    """Yield the built-in distillation losses."""
    yield labels.DESCRIPTOR
    yield soft_targets.DESCRIPTOR
    yield hidden_states.DESCRIPTOR
