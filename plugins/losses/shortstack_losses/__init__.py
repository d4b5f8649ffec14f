"""The built-in distillation losses, one method a file."""

from collections.abc import Iterator

from shortstack.contracts import LossDescriptor
from shortstack.hooks import hookimpl
from shortstack_losses import (
    attention_relations,
    contrastive,
    hidden_states,
    jensen_shannon,
    labels,
    logits_mse,
    ranking,
    reverse_kl,
    skew_kl,
    soft_targets,
)


@hookimpl
def shortstack_losses() -> Iterator[LossDescriptor]:
    """Yield the built-in distillation losses."""
    yield labels.DESCRIPTOR
    yield soft_targets.DESCRIPTOR
    yield reverse_kl.DESCRIPTOR
    yield skew_kl.DESCRIPTOR
    yield jensen_shannon.DESCRIPTOR
    yield logits_mse.DESCRIPTOR
    yield ranking.DESCRIPTOR
    yield hidden_states.DESCRIPTOR
    yield attention_relations.DESCRIPTOR
    yield contrastive.DESCRIPTOR
