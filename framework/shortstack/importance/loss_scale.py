"""Loss scaling for float16, which rounds small gradients to 0: the objective is multiplied, and signals are divided.

Scales are powers of two, so that scaling itself is exact. Source: Micikevicius et al. 2018, arXiv 1710.03740, section
3.2.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from shortstack.errors import NonFiniteError
from shortstack.models.decoder import Decoder

FIRST_SCALE = 2.0**12  # gradients below 6e-8 are 0 in float16, and confident examples have them
_STEP = 2.0**4


class GradientOverflowError(NonFiniteError):
    """A gradient is too large for float16; a smaller loss scale may help."""


class LossScale:
    """Dynamic factor of the objective: 1 unless a layer's parameters are float16."""

    def __init__(self, decoder: Decoder) -> None:
        """Choose the initial scale by the parameters' dtype."""
        self._half = any(parameter.dtype is torch.float16 for parameter in decoder.layers.parameters())
        self.value = FIRST_SCALE if self._half else 1.0

    def require_finite(self, signal: Tensor, layer: int) -> None:
        """Raise if a gradient signal is not finite; only checked in float16, since it makes a GPU wait.

        Raises:
            GradientOverflowError: The signal is not finite; names the layer.
        """
        if self._half and not bool(signal.isfinite().all()):
            raise GradientOverflowError(
                f"the gradients of layer {layer} overflow float16, without a loss scale too; "
                "load the model in bfloat16 or float32"
            )

    def lowering(self, run: Callable[[], None], undo: Callable[[], None]) -> None:
        """Run a pass; if its gradients overflow, undo it and run it again at a smaller scale, which is kept.

        Raises:
            GradientOverflowError: The gradients overflow at scale 1.
        """
        while True:
            try:
                return run()
            except GradientOverflowError:
                if self.value <= 1:
                    raise
                self.value = max(1.0, self.value / _STEP)
                undo()
