"""A model in evaluation mode, without a change to the original."""

from transformers import PreTrainedModel

from shortstack.models.shared_weights import shared_copy


def frozen_copy(model: PreTrainedModel, *, frozen: bool = True) -> PreTrainedModel:
    """Return a shared-weight copy in evaluation mode, for reading and hooks; the model's own modes stay as they are.

    Evaluation mode also turns off dropout and gradient checkpointing, which would fire inner hooks twice.

    Args:
        model: Left as it is.
        frozen: Set ``requires_grad`` of every parameter of the copy to False.
    """
    double = shared_copy(model, frozen=frozen)
    for module in double.modules():
        module.training = False
    return double


def evaluation_copy(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model itself if all of it is in evaluation mode; else a shared-weight copy that is."""
    return frozen_copy(model, frozen=False) if any(module.training for module in model.modules()) else model
