"""A model at rest: in evaluation mode, without a change to the model."""

from transformers import PreTrainedModel

from shortstack.models.shared_weights import shared_copy


def frozen_copy(model: PreTrainedModel, *, frozen: bool = True) -> PreTrainedModel:
    """The model's double in evaluation mode, to read from and to hang hooks on; the model keeps each module's own mode.

    Evaluation mode also turns off dropout and gradient checkpointing, which would fire inner hooks twice.

    Args:
        model: Left as it is.
        frozen: Whether no parameter asks for a gradient, however it is in the model.
    """
    double = shared_copy(model, frozen=frozen)
    for module in double.modules():
        module.training = False
    return double


def evaluation_copy(model: PreTrainedModel) -> PreTrainedModel:
    """The model itself where all of it is in evaluation mode; else its double that is."""
    return frozen_copy(model, frozen=False) if any(module.training for module in model.modules()) else model
