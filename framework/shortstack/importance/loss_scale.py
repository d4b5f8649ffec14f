"""float16 rounds small gradients to 0: the objective is multiplied before the backward pass, signals divided after.

Scales are powers of two, so that nothing else is rounded. Source: Micikevicius et al. 2018, arXiv 1710.03740, section 3.2.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from shortstack.errors import NonFiniteError
from shortstack.models.decoder import Decoder

FIRST_SCALE = 2.0**12
_STEP = 2.0**4


class GradientOverflowError(NonFiniteError):
    """A gradient is too large for float16; a smaller loss scale may help."""


class LossScale:
    """What the objective is multiplied by: 1 unless a layer's parameters are float16."""

    def __init__(self, decoder: Decoder) -> None:
        """Choose it by the parameters' type."""
        self._half = any(parameter.dtype is torch.float16 for parameter in decoder.layers.parameters())
        self.value = FIRST_SCALE if self._half else 1.0

    def require_finite(self, signal: Tensor, layer: int) -> None:
        """Look at what arrived from a backward pass; only float16 costs a look.

        Raises:
            GradientOverflowError: It is not finite; names the layer.
        """
        if self._half and not bool(signal.isfinite().all()):
            raise GradientOverflowError(
                f"the gradients of layer {layer} overflow float16, without a loss scale too; "
                "load the model in bfloat16 or float32"
            )

    def lowering(self, run: Callable[[], None], undo: Callable[[], None]) -> None:
        """Run a pass; where its gradients overflow, undo it and run it again at a smaller scale, kept from then on.

        Raises:
            GradientOverflowError: They overflow without any scale.
        """
        while True:
            try:
                return run()
            except GradientOverflowError:
                if self.value <= 1:
                    raise
                self.value = max(1.0, self.value / _STEP)
                undo()
