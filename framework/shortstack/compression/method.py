"""Values that describe a compression method: what it does to one linear module, and what it needs for that."""

from collections.abc import Callable, Mapping

import attrs
from torch import Tensor, nn


def fits_all(_linear: nn.Linear) -> str:
    """Return no problem: the method suits every linear module."""
    return ""


def as_it_is(weight: Tensor) -> Mapping[str, Tensor]:
    """Return a weight as the one tensor that it is stored as."""
    return {"weight": weight}


@attrs.frozen(kw_only=True, eq=False)
class Method:
    """A compression method, applied to each linear module of a model's layers.

    Attributes:
        name: Its name in settings and results.
        compress: Linear module, and the sum of ``statistic`` over the calibration tokens (None without one) → its
            replacement.
        statistic: Inputs of the module, float64 ``(tokens, inputs)`` → a tensor that is summed over batches; None if the
            method needs no calibration.
        problem: Why a linear module cannot be compressed, as the end of "the weights NAME …"; empty if it can.
        stored: A compressed weight → the tensors that a file holds of it.
        sparse: True if what it saves is zeros, which a file or kernel must be made for.
    """

    name: str
    compress: Callable[[nn.Linear, Tensor | None], nn.Module]
    statistic: Callable[[Tensor], Tensor] | None = None
    problem: Callable[[nn.Linear], str] = fits_all
    stored: Callable[[Tensor], Mapping[str, Tensor]] = as_it_is
    sparse: bool = False
