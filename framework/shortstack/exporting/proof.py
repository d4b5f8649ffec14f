"""The proof of an export: its answers beside those of the recommender."""

from collections.abc import Sequence
from math import inf, log2
from typing import get_args

import attrs
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from shortstack.data.questions import FoundQuestion
from shortstack.data.sequences import Seen
from shortstack.errors import ProofError
from shortstack.exporting.formats import Limits
from shortstack.exporting.graph import ABSENT, Graph
from shortstack.exporting.histories import Calibration
from shortstack.recommender import Recommender

Ranked = dict[str, float]
"""Ids of items, best first, and their scores."""
_BATCH = 32


@attrs.frozen(kw_only=True)
class Proof:
    """How near an export is to its recommender.

    Attributes:
        histories: Number of histories.
        largest_difference: Largest difference of the scores of an item that both recommend, divided by the score's size or 1,
            whichever is larger.
        same_items: Share of the recommended items that the other recommends, too, whatever their order.
        same_lists: Share of histories for which both recommend the same items in the same order.
        ndcg_before: NDCG of the recommender on validation users, cut off at k; None without their data.
        ndcg_after: The same of the export.
    """

    histories: int
    largest_difference: float
    same_items: float
    same_lists: float
    ndcg_before: float | None = None
    ndcg_after: float | None = None


def prove(recommender: Recommender, graph: Graph, k: int, calibrations: Sequence[Calibration], limits: Limits) -> Proof:
    """Compare a graph with its recommender, with seen items left out and with them.

    Args:
        recommender: The recommender, in float32.
        graph: The export.
        k: Number of items.
        calibrations: The histories; NDCG is that of the first, if its targets are known.
        limits: What the export must keep to.

    Raises:
        ProofError: It does not.
    """
    pairs: list[tuple[Ranked, Ranked]] = []
    figures: dict[str, float] = {}
    for calibration in calibrations:
        for seen in get_args(Seen):
            new = _answers(recommender, graph, k, calibration, seen)
            pairs += new
            if calibration.targets and seen == recommender.seen:
                figures = _ndcgs(new, [recommender.catalogue.items[place].id for place in calibration.targets])
    proof = Proof(
        histories=sum(len(calibration.histories) for calibration in calibrations),
        largest_difference=max(_difference(*pair) for pair in pairs),
        same_items=sum(len(ours.keys() & theirs.keys()) for ours, theirs in pairs)
        / sum(len(ours) for ours, _ in pairs),
        same_lists=sum([*ours] == [*theirs] for ours, theirs in pairs) / len(pairs),
        **figures,
    )
    _require(proof, limits, k)
    return proof


def _answers(
    recommender: Recommender, graph: Graph, k: int, calibration: Calibration, seen: Seen
) -> list[tuple[Ranked, Ranked]]:
    """Return the answers of both for each history, the recommender's first."""
    left_out = [history if seen == "exclude" else () for history in calibration.histories]
    questions = [
        FoundQuestion(history=history, k=k, left_out=without, ranked=None)
        for history, without in zip(calibration.histories, left_out, strict=True)
    ]
    ours = [{one.id: one.score for one in answer} for answer in recommender.answers(questions, batch_size=_BATCH)]
    theirs = [
        answer
        for start in range(0, len(questions), _BATCH)
        for answer in _of_graph(recommender, graph, questions[start : start + _BATCH])
    ]
    return list(zip(ours, theirs, strict=True))


def _of_graph(recommender: Recommender, graph: Graph, questions: Sequence[FoundQuestion]) -> list[Ranked]:
    items, scores = graph(
        _padded([question.history[-recommender.window :] for question in questions]),
        _padded([[*question.left_out, ABSENT] for question in questions]),
    )
    ids = recommender.catalogue.items
    return [
        {ids[place].id: score for place, score in zip(*row, strict=True) if score > -inf}
        for row in zip(items.tolist(), scores.tolist(), strict=True)
    ]


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=ABSENT)


def _difference(ours: Ranked, theirs: Ranked) -> float:
    common = ours.keys() & theirs.keys()
    return max((abs(ours[one] - theirs[one]) / max(1.0, abs(ours[one])) for one in common), default=0.0)


def _ndcgs(pairs: Sequence[tuple[Ranked, Ranked]], targets: Sequence[str]) -> dict[str, float]:
    before, after = zip(*pairs, strict=True)
    return {"ndcg_before": _ndcg(before, targets), "ndcg_after": _ndcg(after, targets)}


def _ndcg(answers: Sequence[Ranked], targets: Sequence[str]) -> float:
    """Return the mean of ``1 / log2(rank + 1)``, 0 for a target that is not recommended."""
    ranks = [
        [*answer].index(target) + 1 if target in answer else inf
        for answer, target in zip(answers, targets, strict=True)
    ]
    return sum(1 / log2(rank + 1) for rank in ranks) / len(ranks)


def _require(proof: Proof, limits: Limits, k: int) -> None:
    """Raise if a proof is not within the limits; written so that NaN is not."""
    if proof.largest_difference <= limits.difference and proof.same_items >= limits.same_items:
        return
    raise ProofError(
        f"the export does not answer as the recommender does: scores differ by up to {proof.largest_difference:.2g} (at most "
        f"{limits.difference:g} is allowed), and {proof.same_items:.2%} of its {k} best items are the same (at least "
        f"{limits.same_items:.1%} must be); nothing was written; try another --format"
    )
