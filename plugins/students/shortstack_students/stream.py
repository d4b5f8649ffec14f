"""The residual stream of a model on calibration examples, around the gaps of removed layers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import attrs

from shortstack.contracts import Selection
from shortstack.errors import EmptyDataError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    Point = tuple[nn.Module, Literal["in", "out"]]


@attrs.frozen(kw_only=True)
class Gap:
    """Consecutive removed layers of the teacher.

    Attributes:
        first: Index of the first of them.
        last: Index of the last of them.
        place: Number of kept layers before them: the student's layer ``place − 1`` is the one before the gap.
    """

    first: int
    last: int
    place: int


def gaps_of(selection: Selection) -> list[Gap]:
    """Return the gaps, from the embeddings up.

    >>> gaps_of(Selection(kept=(0, 3, 4), of=6))
    [Gap(first=1, last=2, place=1), Gap(first=5, last=5, place=3)]
    """
    edges = [-1, *selection.kept, selection.of]
    return [Gap(first=a + 1, last=b - 1, place=place) for place, (a, b) in enumerate(pairwise(edges)) if b - a > 1]


def required(calibration: "Iterable[Mapping[str, Tensor]]", who: str) -> "list[Mapping[str, Tensor]]":
    """Return the calibration examples as a list, for they are iterated over more than once.

    Raises:
        EmptyDataError: There are none, or all of them are padding.
    """
    batches = list(calibration)
    if not any(bool(batch["attention_mask"].any()) for batch in batches):
        raise EmptyDataError(f"{who} looks at what the teacher does to calibration examples: give some")
    return batches


def recorded(
    model: "PreTrainedModel", batches: "Sequence[Mapping[str, Tensor]]", points: "Mapping[str, Point]"
) -> "Iterator[dict[str, Tensor]]":
    """Record inputs or outputs of some modules at the unmasked tokens, batch by batch.

    Args:
        model: The model that contains the modules.
        batches: ``input_ids`` and ``attention_mask``, ``(batch, tokens)`` each.
        points: Name → module and side; the states of a layer are its hidden states.

    Yields:
        Name → ``(unmasked tokens, width)``, float64.
    """
    from shortstack.models import model_inputs

    for batch in batches:
        ids, mask = batch["input_ids"].to(model.device), batch["attention_mask"].to(model.device)
        recordings: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for name, point in points.items():
                stack.enter_context(_noting(point, partial(recordings.__setitem__, name)))
            model(**model_inputs(model, ids, mask))
        yield {name: states.view(*ids.shape, -1)[mask.bool()].double() for name, states in recordings.items()}


@contextmanager
def _noting(point: "Point", note: "Callable[[Tensor], None]") -> Iterator[None]:
    from shortstack.models import entering, leaving

    def before(_module: "nn.Module", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        note(entering(args, kwargs))

    def after(_module: "nn.Module", _args: object, output: Any) -> None:
        note(leaving(output))

    module, side = point
    if side == "in":
        handle = module.register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = module.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()
