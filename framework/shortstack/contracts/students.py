"""What a student architecture is: a smaller config, and how the teacher's weights get into it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from shortstack.contracts.selection import Selection

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel


@runtime_checkable
class StudentArchitecture(Protocol):
    """Plans a student from the config alone, then fills it from the teacher."""

    def shrink(self, config: "PreTrainedConfig", selection: Selection) -> "PreTrainedConfig":
        """The student's config; ``config`` is left as it was. Needs no weights, so planning is free."""

    def count_parameters(self, config: "PreTrainedConfig") -> int:
        """Parameters of a model with this config, shared storage counted once; allocates no weights."""

    def transfer(
        self,
        teacher: "PreTrainedModel",
        student: "PreTrainedModel",
        selection: Selection,
        calibration: "Iterable[dict[str, Tensor]]",
    ) -> dict[str, str]:
        """Copy the teacher's weights into the student; no storage is shared.

        Returns:
            For every tensor of the student's state dict that is a plain copy, the name of the teacher's tensor.
            The builder checks each of them, bit for bit.
        """
