"""GPT-2's ``scale_attn_by_inverse_layer_idx``: layer i divides its attention scores by i + 1.

A layer that changes its index would divide by another number, so the factor is folded into the query weights and the flag
is switched off.
"""

from typing import TYPE_CHECKING

from shortstack.contracts import Selection
from shortstack.errors import UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FLAG = "scale_attn_by_inverse_layer_idx"


def refuse_unknown_scale(model_type: str) -> None:
    """Raise unless the family is GPT-2, the only one whose query weights are known here.

    Raises:
        UnsupportedModelError: It is another family.
    """
    if model_type != "gpt2":
        raise UnsupportedModelError(
            f"{model_type} scales attention by depth ({FLAG}), which can be folded for gpt2 only"
        )


def is_folded(teacher: "PreTrainedModel", student: "PreTrainedModel") -> bool:
    """Return True if the teacher scales by depth and the student does not."""
    theirs, ours = teacher.config.to_dict().get(FLAG), student.config.to_dict().get(FLAG)
    return bool(theirs) and not ours


def fold(student: "PreTrainedModel", selection: Selection) -> list[str]:
    """Divide each kept layer's queries by its index in the teacher, counted from 1.

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
