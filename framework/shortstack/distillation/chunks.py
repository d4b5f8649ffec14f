"""Sums of losses over chunks of positions, so that logits of all positions are never held at once.

The gradient of a chunk is computed right after its sums, and its logits are freed. What is kept for the backward pass is
one gradient for each input. Liger's fused losses do the same for one loss: arXiv 2410.10989, section 3.2.

The logits of a chunk are one product with the output matrix. The losses, which make many copies of logits, see them a
part at a time; the gradients of all parts go back through the product together. In a small catalogue the part is the chunk.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import attrs
import torch
from torch import Tensor

from shortstack.distillation.in_place_products import CONVERTED_ROWS, InPlaceProducts

PART = 2_000_000
"""Logits that losses see at once, of which some ten copies exist: 8 MB each in float32. glibc returns blocks from 32 MiB on,
and more than 64 MiB of freed ones together, to the system: a page fault for every 4 KiB of each copy (``models.malloc``)."""

FEWEST_ROWS = 32
"""Positions in a chunk at least: for each chunk the output matrix is read twice, and its whole gradient once, to be added to."""


@attrs.frozen(kw_only=True, eq=False)
class ChunkedSums:
    """The sums of additive losses of final states.

    Attributes:
        head: Maps final states ``(positions, hidden)`` to the student's logits ``(positions, candidates)``.
        teacher: Gives the teacher's logits of some positions; None if no loss needs them.
        sums: Maps the student's and the teacher's logits of some positions, and the slice of those positions, to each
            loss's sum ``(losses,)``.
        scales: float64 ``(losses,)``: factors of the sums in the total.
        weights: Other tensors that the student's logits depend on and that need a gradient.
        sources: What each of the weights was converted from, of the same shape; it gets the gradient, which is added up
            in its type: the rounding of many chunks in bfloat16 would exceed that of one product.
        parameters: The losses' own parameters that need a gradient.
        candidates: Number of logits of a position.
    """

    head: Callable[[Tensor], Tensor]
    teacher: Callable[[slice], Tensor | None]
    sums: Callable[[Tensor, Tensor | None, slice], Tensor]
    scales: Tensor
    weights: Sequence[Tensor]
    sources: Sequence[Tensor]
    parameters: Sequence[Tensor]
    candidates: int

    def of(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the total ``Σ_k scale_k · sum_k``, with its gradient, and the sums, without.

        Args:
            states: ``(positions, hidden)``.
        """
        if torch.is_grad_enabled():
            inputs = (states, *self.sources, *self.parameters)
            return _Total.apply(self, *inputs)  # type: ignore[no-untyped-call, no-any-return]
        sums = self.added(
            self.sums(*part)
            for chunk in self.chunks(len(states))
            for part in self.parts(chunk, self.head(states[chunk]))
        )
        return (sums * self.scales).sum(), sums

    def chunks(self, positions: int) -> Iterator[slice]:
        """Return the chunks of so many positions."""
        size = max(PART // self.candidates, FEWEST_ROWS)
        return (slice(start, min(start + size, positions)) for start in range(0, positions, size))

    def parts(self, chunk: slice, logits: Tensor) -> Iterator[tuple[Tensor, Tensor | None, slice]]:
        """Yield the arguments of ``sums`` for each part of a chunk.

        Args:
            chunk: The positions of the chunk.
            logits: ``(positions, candidates)``: the student's.
        """
        size, teacher = max(PART // self.candidates, 1), self.teacher(chunk)
        starts = range(chunk.start, chunk.stop, size)
        theirs = repeat(None) if teacher is None else teacher.split(size)
        for start, some, others in zip(starts, logits.split(size), theirs, strict=False):
            yield some, others, slice(start, start + len(some))

    def added(self, sums: Iterable[Tensor]) -> Tensor:
        """Return the sums over all parts, float64."""
        return sum((some.double() for some in sums), torch.zeros_like(self.scales))


class _Total(torch.autograd.Function):
    """The total of the losses; its gradient is computed forwards, chunk by chunk."""

    @staticmethod
    def forward(ctx: Any, work: ChunkedSums, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the total and the sums, and keep the gradients of the total."""
        kept = [torch.zeros_like(tensor) for tensor in inputs]
        states, gradient, others = inputs[0], kept[0], kept[1:]
        memory = _Memory(InPlaceProducts(work.weights, others[: len(work.weights)]))
        sums = work.added(
            _chunk(work, states[chunk], chunk, [gradient[chunk], *others], memory) for chunk in work.chunks(len(states))
        )
        ctx.save_for_backward(*kept)
        ctx.mark_non_differentiable(sums)
        return (sums * work.scales).sum(), sums

    @staticmethod
    def backward(ctx: Any, total: Tensor, _sums: Tensor) -> tuple[Tensor | None, ...]:
        """Return the kept gradients times that of the total; in place, since they are held nowhere else."""
        return None, *(gradient.mul_(total.to(gradient.dtype)) for gradient in ctx.saved_tensors)


class _Memory:
    """Memory for the logits of a chunk and for their gradient, that of the chunk before."""

    def __init__(self, products: InPlaceProducts) -> None:
        self.products = products
        self._last: Tensor | None = None

    def gradient_like(self, logits: Tensor) -> Tensor:
        """Return memory for as many numbers of the same type; no chunk is larger than the first."""
        if self._last is None:
            self._last = torch.empty_like(logits)
        return self._last[: len(logits)]


def _chunk(work: ChunkedSums, states: Tensor, chunk: slice, kept: Sequence[Tensor], memory: _Memory) -> Tensor:
    """Return the sums of one chunk, and add the gradients of its total to those of states, sources and parameters."""
    through_head = 1 + len(work.weights)
    with torch.enable_grad(), memory.products:
        rows = states.detach().requires_grad_()
        logits = work.head(rows)
    sums, gradient = _losses(work, logits.detach(), chunk, kept[through_head:], memory)
    _add(kept[:through_head], torch.autograd.grad(logits, [rows, *work.weights], gradient, allow_unused=True))
    return sums


def _losses(
    work: ChunkedSums, logits: Tensor, chunk: slice, kept: Sequence[Tensor], memory: _Memory
) -> tuple[Tensor, Tensor]:
    """Return the sums of one chunk and the gradient of its total with respect to the logits, and add those of parameters."""
    sums, whole = torch.zeros_like(work.scales), logits
    for some, theirs, part in work.parts(chunk, logits):
        with torch.enable_grad():
            ours = some.detach().requires_grad_()
            values = work.sums(ours, theirs, part)
            total = (values * work.scales).sum()
        gradient, *others = torch.autograd.grad(total, [ours, *work.parameters], materialize_grads=True)
        _add(kept, others)
        sums += values.detach()
        if len(some) == len(logits):  # one part is the chunk, as of most catalogues: a copy would take time
            return sums, gradient
        whole = memory.gradient_like(logits)
        whole[part.start - chunk.start : part.stop - chunk.start] = gradient
    return sums, whole


def _add(totals: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Add gradients in place; one of another type in pieces, since torch makes a converted copy of it."""
    for total, gradient in zip(totals, gradients, strict=True):
        if gradient is not None and total.dtype == gradient.dtype:
            total.add_(gradient)
        elif gradient is not None:
            for rows, more in zip(total.split(CONVERTED_ROWS), gradient.split(CONVERTED_ROWS), strict=True):
                rows.add_(more)
