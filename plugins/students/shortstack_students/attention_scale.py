"""GPT-2's ``scale_attn_by_inverse_layer_idx``: layer i divides its attention scores by i + 1.

A layer that moves would divide by another number, so the factor goes into the query weights and the flag off.
"""

from typing import TYPE_CHECKING

from shortstack.contracts import Selection
from shortstack.errors import UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FLAG = "scale_attn_by_inverse_layer_idx"


def refuse_unknown_scale(model_type: str) -> None:
    """Only GPT-2's query weights are known to us.

    Raises:
        UnsupportedModelError: It is another family.
    """
    if model_type != "gpt2":
        raise UnsupportedModelError(
            f"{model_type} scales attention by depth ({FLAG}), which can be folded for gpt2 only"
        )


def is_folded(teacher: "PreTrainedModel", student: "PreTrainedModel") -> bool:
    """Whether the teacher scales by depth and the student no longer does."""
    theirs, ours = teacher.config.to_dict().get(FLAG), student.config.to_dict().get(FLAG)
    return bool(theirs) and not ours


def fold(student: "PreTrainedModel", selection: Selection) -> list[str]:
    """Divide each kept layer's queries by its old place, counted from 1.

    Returns:
        The names of the tensors that changed.
    """
    changed = []
    tensors = student.state_dict()
    width = student.config.hidden_size
    for new, old in enumerate(selection.kept):
        for kind in ("weight", "bias") if old else ():
            name = f"transformer.h.{new}.attn.c_attn.{kind}"
            tensors[name][..., :width] /= old + 1  # Conv1D: columns are outputs, queries first
            changed.append(name)
    return changed
