"""Selection strategies that use scores and positions alone."""

import random
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Protocol, runtime_checkable

import attrs

from shortstack.contracts import Probe


@attrs.frozen(kw_only=True)
class Keeps:
    """Properties that a strategy promises; the conformance kit (``shortstack.testing``) checks each of them.

    Attributes:
        nested: The layers kept for a size k are among those kept for k + 1.
        monotone: Raising a kept layer's score, or lowering a dropped one's, changes nothing.
        order_only: Only the order of the scores matters.
        exact: It keeps exactly the allowed number of layers, and so all of them where all may stay.
        continuous: Raising a score by less than any difference of scores or of their sums decides between ties alone:
            of equal scores the lowest index stays. A strategy that compares scores with a threshold does not promise
            it.
    """

    nested: bool = False
    monotone: bool = False
    order_only: bool = False
    exact: bool = False
    continuous: bool = False


@attrs.frozen(kw_only=True, eq=False)
class Question:
    """Input of a strategy.

    Attributes:
        scores: One finite score per layer; higher means keep.
        probe: Measures the model without some layers, on the calibration examples; None if there is no model.
    """

    scores: tuple[float, ...]
    probe: Probe | None = None

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.scores)

    def best(self, among: Iterable[int], count: int) -> list[int]:
        """Return the ``count`` layers with the highest scores, ties to the lowest index.

        >>> Question(scores=(0.2, 0.9, 0.2)).best(range(3), 2)
        [1, 0]
        """
        return sorted(among, key=lambda layer: (-self.scores[layer], layer))[:count]


def _ascending(kept: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(kept))


@attrs.frozen(kw_only=True)
class Choice:
    """Result of a strategy.

    Attributes:
        kept: The kept layers, ascending.
        reason: The reason for them, in one sentence.
    """

    kept: tuple[int, ...] = attrs.field(converter=_ascending)
    reason: str


@runtime_checkable
class Strategy(Protocol):
    """Protocol of selection strategies."""

    @property
    def name(self) -> str:
        """Name in configurations and records."""

    @property
    def keeps(self) -> Keeps:
        """Properties that the strategy promises."""

    def choose(self, question: Question, keep: int) -> Choice:
        """Choose 1 to ``keep`` layers (exactly ``keep`` if ``keeps.exact``), deterministically.

        Raises:
            ConfigurationError: The strategy refuses such a number of layers, or needs a probe and has none.
        """


@attrs.frozen
class TopK:
    """The k highest scores."""

    name = "top-k"
    keeps = Keeps(nested=True, monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        return Choice(kept=question.best(range(question.layers), keep), reason=f"the {keep} highest scores")


@attrs.frozen
class Distributed:
    """The best layers of each third of the depth; the remainder goes to the early third, then to the late one."""

    name = "distributed"
    keeps = Keeps(nested=True, monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        sizes, quotas = _thirds(question.layers), _thirds(keep)
        starts = (0, sizes[0], sizes[0] + sizes[1])
        kept: list[int] = []
        for start, size, quota in zip(starts, sizes, quotas, strict=True):
            kept += question.best(range(start, start + size), quota)
        return Choice(
            kept=kept,
            reason=f"the highest scores of each third of the depth: {quotas[0]} early, {quotas[1]} middle, {quotas[2]} late",
        )


@attrs.frozen
class Strategic:
    """The first and the last layer, then the highest scores; the best layer if only one is kept."""

    name = "strategic"
    keeps = Keeps(monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        if keep == 1:
            return Choice(kept=question.best(range(question.layers), 1), reason="the highest score: only one may stay")
        ends = {0, question.layers - 1}
        inner = question.best(range(1, question.layers - 1), keep - len(ends))
        between = "the highest score" if len(inner) == 1 else f"the {len(inner)} highest scores"
        return Choice(kept=[*ends, *inner], reason=f"the first layer, the last, and {between} between them")


@attrs.frozen
class Contiguous:
    """All but the block of consecutive layers with the lowest sum of scores; of equal blocks the last is dropped."""

    name = "contiguous"
    keeps = Keeps(monotone=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        size = question.layers - keep
        if size == 0:
            return Choice(kept=range(question.layers), reason="nothing has to go")
        scores = [Fraction(score) for score in question.scores]  # exact sums, so that equal blocks are equal
        start = min(range(keep + 1), key=lambda first: (sum(scores[first : first + size]), -first))
        kept = [layer for layer in range(question.layers) if not start <= layer < start + size]
        return Choice(
            kept=kept, reason=f"without layers {start} to {start + size - 1}, the {size} in a row with the lowest sum"
        )


@attrs.frozen
class First:
    """The k layers nearest the embeddings."""

    name = "first"
    keeps = Keeps(nested=True, monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        return Choice(kept=range(question.layers)[:keep], reason=f"the first {keep}, whatever the scores")


@attrs.frozen
class Last:
    """The k layers nearest the output."""

    name = "last"
    keeps = Keeps(nested=True, monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        return Choice(kept=range(question.layers)[-keep:], reason=f"the last {keep}, whatever the scores")


@attrs.frozen
class Ends:
    """The first ``⌈k/2⌉`` and the last ``⌊k/2⌋`` layers."""

    name = "ends"
    keeps = Keeps(nested=True, monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        last = keep // 2
        kept = [*range(keep - last), *range(question.layers - last, question.layers)]
        return Choice(kept=kept, reason=f"the first {keep - last} and the last {last}, whatever the scores")


@attrs.frozen
class Uniform:
    """Evenly spaced layers: ``⌊(i + ½) · L / k⌋`` for i = 0 … k − 1."""

    name = "uniform"
    keeps = Keeps(monotone=True, order_only=True, exact=True, continuous=True)

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        kept = [(2 * i + 1) * question.layers // (2 * keep) for i in range(keep)]
        return Choice(kept=kept, reason=f"{keep} evenly spaced, whatever the scores")


@attrs.frozen(kw_only=True)
class Random:
    """The first k of a seeded shuffle.

    Attributes:
        seed: The same seed gives the same layers, on every machine.
    """

    name = "random"
    keeps = Keeps(nested=True, monotone=True, order_only=True, exact=True, continuous=True)
    seed: int = 0

    def choose(self, question: Question, keep: int) -> Choice:
        """See ``Strategy``."""
        order = list(range(question.layers))
        random.Random(self.seed).shuffle(order)  # noqa: S311 -- a baseline, not a secret
        return Choice(kept=order[:keep], reason=f"{keep} at random, seed {self.seed}, whatever the scores")


def _thirds(count: int) -> Sequence[int]:
    """Divide a count into early, middle and late parts; the remainder goes to early, then late.

    >>> _thirds(8)
    (3, 2, 3)
    """
    part, rest = divmod(count, 3)
    return (part + (rest > 0), part, part + (rest > 1))
