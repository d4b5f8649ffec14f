"""The contract of student architectures: a smaller config, and the transfer of the teacher's weights into it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from shortstack.contracts.selection import Selection

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel


@runtime_checkable
class StudentArchitecture(Protocol):
    """Architecture that plans a student from the config alone, then fills it from the teacher."""

    def shrink(self, config: "PreTrainedConfig", selection: Selection) -> "PreTrainedConfig":
        """Return the student's config without changing ``config``. Needs no weights, so planning is free."""

    def count_parameters(self, config: "PreTrainedConfig") -> int:
        """Return a config's number of parameters, shared storage counted once; allocates no weights."""

    def transfer(
        self,
        teacher: "PreTrainedModel",
        student: "PreTrainedModel",
        selection: Selection,
        calibration: "Iterable[dict[str, Tensor]]",
    ) -> dict[str, str]:
        """Copy the teacher's weights into the student; no storage is shared.

        Returns:
            Name of the teacher's tensor for every tensor of the student's state dict that is a plain copy.
            The builder checks each of them, bit for bit.
        """
