"""The proof of an export: what it measures, and what it refuses."""

import math

import pytest
import torch

from shortstack.errors import ProofError
from shortstack.exporting.formats import Limits
from shortstack.exporting.graph import BestItems
from shortstack.exporting.histories import Calibration, drawn_histories, validation_users
from shortstack.exporting.proof import prove

LIMITS = Limits(difference=1e-4, same_items=0.999)
ASKED = drawn_histories(items=16, window=4)


def changed(recommender, change):
    """A graph whose scores are changed."""
    graph = BestItems(recommender, 3)

    def answer(histories, left_out):
        with torch.no_grad():
            return change(*graph(histories, left_out))

    return answer


def test_the_graph_itself(recommender):
    """Everything is the same."""
    proof = prove(recommender, changed(recommender, lambda *best: best), 3, [ASKED], LIMITS)

    assert (64, 1.0, 1.0, None) == (proof.histories, proof.same_items, proof.same_lists, proof.ndcg_before)
    assert proof.largest_difference < 1e-5


def test_figures(recommender):
    """Two of three places changed: the same items, no list the same; scores off by a tenth of themselves."""
    swapped = changed(recommender, lambda items, scores: (items[:, [0, 2, 1]], scores[:, [0, 2, 1]] * 1.1))
    proof = prove(recommender, swapped, 3, [ASKED], Limits(difference=1.0, same_items=0.5))

    assert (1.0, 0.0) == (proof.same_items, proof.same_lists)
    assert pytest.approx(0.1, rel=1e-3) == proof.largest_difference


def test_ndcg(recommender):
    """The target is the recommender's second item, and the export's third."""
    names = [f"m{place}" for place in ASKED.histories[0]]
    second = int(recommender.recommend(names, 3)[1].id[1:])
    known = Calibration(histories=ASKED.histories[:1], targets=[second])
    swapped = changed(recommender, lambda items, scores: (items[:, [0, 2, 1]], scores[:, [0, 2, 1]]))
    proof = prove(recommender, swapped, 3, [known], LIMITS)

    assert (1 / math.log2(3), 1 / math.log2(4)) == pytest.approx((proof.ndcg_before, proof.ndcg_after))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda items, scores: (items, scores + 0.01),
            r"scores differ by up to 0\.0\d+ \(at most 0\.0001 is allowed\)",
        ),
        (lambda items, scores: (items, scores * torch.nan), "0.00% of its 3 best items are the same"),
        (lambda items, scores: ((items + 1) % 16, scores), r"at least 99\.9% must be\); nothing was written"),
    ],
)
def test_refused(recommender, change, said):
    """Other scores, no scores, other items."""
    with pytest.raises(ProofError, match=said):
        prove(recommender, changed(recommender, change), 3, [ASKED], LIMITS)


def test_drawn_histories():
    """Of one item, of all lengths up to twice the window, and the same each time."""
    lengths = [len(history) for history in ASKED.histories]

    assert set(range(1, 9)) == set(lengths)
    assert drawn_histories(items=16, window=4) == ASKED
    assert 16 > max(max(history) for history in ASKED.histories)


def test_no_validation_users(folder, recommender):
    """There are no data beside the student."""
    assert validation_users(folder, recommender.catalogue) is None
