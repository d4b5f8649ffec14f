"""Padding: the row of the embeddings without a gradient must not be an item's."""

import logging
from collections.abc import Collection

from transformers import PreTrainedModel

_LOG = logging.getLogger(__name__)


def padding_row(model: PreTrainedModel) -> int | None:
    """Return the row of the input embeddings that has no gradient; None if all rows have one."""
    row: int | None = vars(model.get_input_embeddings()).get("padding_idx")
    return row


def settle_padding(model: PreTrainedModel, items: Collection[int] = ()) -> None:
    """Unset a padding token that is negative or an item's, in place, and log it.

    A negative ``pad_token_id`` counts from the end of the vocabulary: once that has grown, it is the last item, whose row would
    never learn. It is set to None, as in a model whose config names no padding; rows of a batch are masked either way.

    Args:
        model: Model whose config, generation config and embeddings are corrected.
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
