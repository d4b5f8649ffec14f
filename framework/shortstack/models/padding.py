"""Padding: the row of the embeddings that never learns must not be an item's."""

import logging
from collections.abc import Collection

from transformers import PreTrainedModel

_LOG = logging.getLogger(__name__)


def padding_row(model: PreTrainedModel) -> int | None:
    """The row of the input embeddings that has no gradient; None if all have."""
    found: int | None = vars(model.get_input_embeddings()).get("padding_idx")
    return found


def settle_padding(model: PreTrainedModel, items: Collection[int] = ()) -> None:
    """Take padding away from tokens that it must not stand for, in place, and log it.

    A negative ``pad_token_id`` counts from the end of the vocabulary: once that has grown, it is the last item, whose row would
    never learn. So it is no padding at all, as in a model whose config names none; rows of a batch are masked either way.

    Args:
        model: Whose config, generation config and embeddings are looked at.
        items: Tokens of items.
    """
    config = model.config.get_text_config()
    padding = vars(config).get("pad_token_id")
    if padding is None or (padding >= 0 and padding not in items):
        return
    config.pad_token_id = None
    if model.generation_config is not None and model.generation_config.pad_token_id == padding:
        model.generation_config.pad_token_id = None
    embeddings = model.get_input_embeddings()
    if padding_row(model) is not None:
        embeddings.padding_idx = None
    meaning = "counts from the end of the vocabulary" if padding < 0 else "is an item's token"
    _LOG.warning("pad_token_id of %s was %d, which %s; it is None now", type(model).__name__, padding, meaning)
