"""Learned maps from the student's width to the teacher's."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig


def projection(student: "PreTrainedConfig", teacher: "PreTrainedConfig") -> "nn.Module":
    """Return a linear map between the two hidden sizes, or the identity where they are equal."""
    from torch import nn

    narrow, wide = student.get_text_config().hidden_size, teacher.get_text_config().hidden_size
    return nn.Identity() if narrow == wide else nn.Linear(narrow, wide, bias=False)
