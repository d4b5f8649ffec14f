"""Products with the output matrix that write into memory which is there already: their results, and the matrix's gradient.

Autograd would make a gradient of the whole matrix for each chunk of positions, to be added and thrown away; with a
million rows that, and the memory for it, took longer than the product.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

CONVERTED_ROWS = 1024
"""Rows of a gradient that are converted to another type at once: a large new block is slower than the sum itself."""


class InPlaceProducts(TorchFunctionMode):
    """Within it, ``torch.nn.functional.linear`` with one of some weights adds the weight's gradient in place.

    Autograd then finds no gradient of this weight. Everything else is computed as without it. It can be entered again, for
    the next chunk of positions: the products overwrite those of the time before.
    """

    def __init__(self, weights: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
        """Take the weights, and what their gradients are added to: of the same shapes, of any types."""
        super().__init__()
        self._kept = {id(weight): total for weight, total in zip(weights, kept, strict=True)}
        self._products: list[Tensor] = []
        self._next = 0

    def __enter__(self) -> Self:
        """Begin with the first product again."""
        self._next = 0
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Compute one function of torch."""
        if func is not F.linear or kwargs or id(args[1]) not in self._kept or not _is_multiplied_as_it_is(args[1]):
            return func(*args, **(kwargs or {}))
        hidden, weight, *bias = args
        rows = hidden.to(weight.dtype).flatten(0, -2)
        space = self._space(len(rows), weight)
        product = _Product.apply(rows, weight.detach(), self._kept[id(weight)], space)  # type: ignore[no-untyped-call]
        logits = product.unflatten(0, hidden.shape[:-1])
        return logits if not bias or bias[0] is None else logits + bias[0]

    def _space(self, rows: int, weight: Tensor) -> Tensor:
        """Return memory for the next product, that of the time before if it is large enough."""
        if self._next == len(self._products):
            self._products.append(weight.new_empty(0))
        last = self._products[self._next]
        if last.dtype != weight.dtype or last.ndim != 2 or len(last) < rows or last.shape[1] != len(weight):
            last = self._products[self._next] = weight.new_empty(rows, len(weight))
        self._next += 1
        return last[:rows]


class _Product(torch.autograd.Function):
    """``rows · weightᵀ``; going back, the gradient of the weight is added in place."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, kept: Tensor, space: Tensor) -> Tensor:
        """Return the product of rows ``(positions, hidden)`` and a weight ``(candidates, hidden)``, in some space."""
        ctx.save_for_backward(rows, weight)
        ctx.kept = kept
        # no view of the space for autograd, so that a model may scale its logits in place
        return torch.mm(rows, weight.T, out=space).data

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient of the rows."""
        rows, weight = ctx.saved_tensors
        if ctx.kept.dtype == gradient.dtype:
            ctx.kept.addmm_(gradient.T, rows)
        else:
            for total, part in zip(ctx.kept.split(CONVERTED_ROWS), gradient.split(CONVERTED_ROWS, 1), strict=True):
                total.add_(part.T @ rows)
        return gradient @ weight, None, None, None


def _is_multiplied_as_it_is(weight: Tensor) -> bool:
    """Return True if a weight is a plain matrix that autocast does not convert."""
    device = weight.device.type
    plain = type(weight) in {Tensor, nn.Parameter} and weight.ndim == 2
    return plain and (not torch.is_autocast_enabled(device) or weight.dtype == torch.get_autocast_dtype(device))
