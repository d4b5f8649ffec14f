"""The strategies: examples worked by hand, and the laws that each declares."""

import itertools
import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortstack.selection.probe_strategies import Adaptive, Greedy
from shortstack.selection.selector import STRATEGIES, strategy_named
from shortstack.selection.strategies import Question

SCORES = (0.3, 0.9, 0.1, 0.8, 0.7, 0.2, 0.6, 0.95, 0.4)  # nine layers: thirds are 0-2, 3-5, 6-8
UNMEASURED = sorted(STRATEGIES.keys() - {"greedy", "adaptive"})


@pytest.mark.parametrize(
    ("name", "keep", "expected"),
    [
        ("top-k", 3, (1, 3, 7)),
        ("top-k", 1, (7,)),
        ("distributed", 3, (1, 3, 7)),
        ("distributed", 4, (0, 1, 3, 7)),  # the odd one goes to early
        ("distributed", 5, (0, 1, 3, 6, 7)),  # the next to late
        ("distributed", 1, (1,)),  # one layer: the best early one
        ("strategic", 1, (7,)),  # one layer: the best
        ("strategic", 2, (0, 8)),
        ("strategic", 4, (0, 1, 7, 8)),
        ("contiguous", 6, (3, 4, 5, 6, 7, 8)),  # three in a row: 1.3 1.8 1.6 1.7 1.5 1.75 1.95
        ("contiguous", 5, (0, 1, 6, 7, 8)),  # four in a row: 2.1 2.5 1.8 2.3 2.45 2.15
        ("contiguous", 9, tuple(range(9))),
        ("first", 3, (0, 1, 2)),
        ("last", 3, (6, 7, 8)),
        ("ends", 5, (0, 1, 2, 7, 8)),
        ("ends", 1, (0,)),
        ("uniform", 3, (1, 4, 7)),
        ("uniform", 2, (2, 6)),  # floor(0.5 · 4.5), floor(1.5 · 4.5)
        ("uniform", 9, tuple(range(9))),
    ],
)
def test_by_hand(name, keep, expected):
    """Small cases worked out on paper."""
    assert expected == strategy_named(name).choose(Question(scores=SCORES), keep).kept


def test_thirds_of_a_depth_that_does_not_divide():
    """Ten layers are 4 early, 3 middle, 3 late; two layers are one early, one late."""
    ten = Question(scores=(0, 0, 0, 9, 1, 8, 2, 3, 4, 5))

    assert (3, 5, 9) == strategy_named("distributed").choose(ten, 3).kept
    assert (0, 1) == strategy_named("distributed").choose(Question(scores=(1.0, 2.0)), 2).kept


@pytest.mark.parametrize(
    ("name", "keep", "expected"),
    [
        ("top-k", 2, (0, 1)),
        ("distributed", 2, (0, 4)),
        ("strategic", 3, (0, 1, 5)),
        ("strategic", 1, (0,)),
        ("contiguous", 2, (0, 1)),
    ],
)
def test_ties_go_to_the_lowest_index(name, keep, expected):
    """Among equal scores the layer nearest the embeddings stays; ``torch.topk`` does not guarantee that."""
    assert expected == strategy_named(name).choose(Question(scores=(1.0,) * 6), keep).kept


def test_contiguous_sums_are_exact():
    """0.1 + 0.2 and 0.3 + 0.0 differ only by rounding; the exact sums of the doubles decide."""
    kept = strategy_named("contiguous").choose(Question(scores=(0.3, 0.0, 9.0, 0.1, 0.2)), 3).kept

    assert (2, 3, 4) == kept  # 0.3 + 0.0 is below 0.1 + 0.2 in doubles, exactly


def test_random_is_seeded_and_a_question_of_the_seed_alone():
    """The same seed gives the same layers; others give others; the global generator is left alone."""
    state = random.getstate()
    drawn = {strategy_named("random", {"seed": seed}).choose(Question(scores=SCORES), 4).kept for seed in range(10)}

    assert strategy_named("random").choose(Question(scores=SCORES), 4) == strategy_named("random").choose(
        Question(scores=SCORES[::-1]), 4
    )
    assert len(drawn) > 5
    assert state == random.getstate()


scores_lists = st.lists(st.integers(-8, 8).map(lambda n: n / 4), min_size=1, max_size=16)  # few values: many ties


@pytest.mark.parametrize("name", UNMEASURED)
def test_exactly_the_budget(name):
    """Each strategy keeps exactly k distinct layers for every k, and all of them for k = L."""
    strategy = strategy_named(name)

    @given(scores_lists)
    def law(scores):
        for keep in range(1, len(scores) + 1):
            kept = strategy.choose(Question(scores=tuple(scores)), keep).kept
            assert keep == len(set(kept)) == len(kept)
            assert set(kept) <= set(range(len(scores)))
            assert list(kept) == sorted(kept)

    law()


@pytest.mark.parametrize("name", [n for n in UNMEASURED if STRATEGIES[n]().keeps.nested])
def test_nested(name):
    """keep(k) ⊂ keep(k + 1), for strategies that declare it."""
    strategy = strategy_named(name)

    @given(scores_lists)
    def law(scores):
        question = Question(scores=tuple(scores))
        choices = [set(strategy.choose(question, keep).kept) for keep in range(1, len(scores) + 1)]
        assert all(small < large for small, large in itertools.pairwise(choices))

    law()


@pytest.mark.parametrize("name", [n for n in UNMEASURED if STRATEGIES[n]().keeps.monotone])
def test_monotone(name):
    """Raising a kept layer's score, or lowering a dropped one's, changes nothing."""
    strategy = strategy_named(name)

    @given(scores_lists, st.data())
    def law(scores, data):
        keep = data.draw(st.integers(1, len(scores)))
        layer = data.draw(st.integers(0, len(scores) - 1))
        step = data.draw(st.integers(1, 16)) / 4
        kept = strategy.choose(Question(scores=tuple(scores)), keep).kept
        scores[layer] += step if layer in kept else -step
        assert kept == strategy.choose(Question(scores=tuple(scores)), keep).kept

    law()


@pytest.mark.parametrize("name", [n for n in UNMEASURED if STRATEGIES[n]().keeps.order_only])
def test_order_only(name):
    """A strictly increasing map of the scores leaves the choice."""
    strategy = strategy_named(name)

    @given(scores_lists, st.data())
    def law(scores, data):
        keep = data.draw(st.integers(1, len(scores)))
        cubed = tuple(score**3 * 8 + 1 for score in scores)
        expected = strategy.choose(Question(scores=tuple(scores)), keep).kept
        assert expected == strategy.choose(Question(scores=cubed), keep).kept

    law()


def test_laws_that_are_not_declared_do_not_hold():
    """The declarations are not merely modest: each missing law has a counterexample."""
    strategic, contiguous, uniform = (strategy_named(n) for n in ("strategic", "contiguous", "uniform"))
    middle_best = Question(scores=(1.0, 5.0, 2.0))

    assert set(strategic.choose(middle_best, 1).kept) - set(strategic.choose(middle_best, 2).kept)
    assert set(uniform.choose(middle_best, 1).kept) - set(uniform.choose(middle_best, 2).kept)
    assert (1, 2, 3) == contiguous.choose(Question(scores=(1.0, 9.0, 2.0, 2.0)), 3).kept
    assert (0, 1) == contiguous.choose(Question(scores=(1.0, 9.0, 2.0, 2.0)), 2).kept  # 0 was not there before
    assert (2, 3) == contiguous.choose(Question(scores=(1.0, 4.0, 3.5, 3.5)), 2).kept  # the same order, other sums
    assert (0, 1) == contiguous.choose(Question(scores=(1.0, 4.0, 2.0, 2.0)), 2).kept


def test_every_strategy_has_its_name_and_settings_of_its_own():
    """The table of names is the strategies' own names, and all are frozen values."""
    expected = {
        "adaptive", "contiguous", "distributed", "ends", "first", "greedy", "last", "random", "strategic", "top-k", "uniform",
    }  # fmt: skip

    assert expected == set(STRATEGIES)
    assert all(attrs.has(kind) and kind().name == name for name, kind in STRATEGIES.items())
    assert Greedy().keeps.nested
    assert Adaptive().keeps.order_only
