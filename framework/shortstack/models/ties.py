"""Tied input embeddings and output rows: the weights decide, and a config that contradicts them is corrected.

transformers ties by the config's ``tie_word_embeddings`` whenever a model is made, grown or tied again. A trained output
head under a config that calls it tied is lost then, without an error.
"""

import logging

from transformers import PreTrainedConfig, PreTrainedModel

from shortstack.errors import UnsupportedModelError

FLAG = "tie_word_embeddings"
_LOG = logging.getLogger(__name__)


def is_tied(model: PreTrainedModel) -> bool:
    """Return True if the output rows are the input embeddings.

    Raises:
        UnsupportedModelError: They are two parameters over the same memory, which transformers takes for two matrices.
    """
    head, embeddings = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    if (  # empty tensors and those on the meta device all have the address 0
        head is not embeddings
        and head.data_ptr() == embeddings.data_ptr()
        and head.numel()
        and head.device.type != "meta"
    ):
        raise UnsupportedModelError(
            f"the output head of {type(model).__name__} is a parameter of its own over the memory of the embeddings; give it "
            "the same parameter (model.tie_weights()), or a copy"
        )
    return head is embeddings


def says_tied(model: PreTrainedModel) -> bool:
    """Return True if transformers, by the model's config, would tie the output rows to the input embeddings."""
    head, pairs = model.get_output_embeddings().weight, model.get_expanded_tied_weights_keys(all_submodels=True)
    named = dict(model.named_parameters(remove_duplicate=False))
    return any(named.get(name) is head for pair in pairs.items() for name in pair)


def settle_ties(model: PreTrainedModel) -> None:
    """Correct a model's config to whether its weights are tied, in place, and log it.

    Raises:
        UnsupportedModelError: The family's config cannot express it.
    """
    tied = is_tied(model)
    if says_tied(model) == tied:
        return
    set_tied(model.config, tied=tied)
    if says_tied(model) != tied:
        raise UnsupportedModelError(
            f"the output head of {type(model).__name__} is tied to its embeddings, which the family's config cannot say; give "
            "the head weights of its own"
        )
    model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)
    _LOG.warning("%s", correction(model, tied=tied))


def correction(model: PreTrainedModel, *, tied: bool) -> str:
    """Return the log message for a corrected flag."""
    state = "one matrix with the embeddings" if tied else "a matrix of its own"
    return f"the output head of {type(model).__name__} is {state}, so {FLAG} is now {tied}; its config said {not tied}"


def set_tied(config: PreTrainedConfig, *, tied: bool) -> None:
    """Set the flag in a config and in its text part."""
    for part in (config, config.get_text_config()):
        part.tie_word_embeddings = tied
