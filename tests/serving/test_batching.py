"""The queue: every question gets its own answer, whatever is computed together and whatever fails."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortstack.errors import ConfigurationError
from shortstack.serving.batching import Batcher
from shortstack.serving.limits import Limits


async def asked(compute, requests, *, workers=1, **limits):
    """Outcomes of requests that arrive at once, and the sizes of the batches."""
    sizes = []
    with ThreadPoolExecutor(workers) as threads:
        batcher = Batcher(compute, limits=Limits(**limits), threads=threads, observe=sizes.append)
        batcher.start(workers)
        outcomes = await asyncio.gather(*map(batcher.ask, requests), return_exceptions=True)
        await batcher.stop()
    return outcomes, sizes


def squares(numbers):
    """Fails if one of them is negative."""
    if min(numbers) < 0:
        raise ValueError("negative")
    return [number**2 for number in numbers]


@given(
    requests=st.lists(st.lists(st.integers(-1, 5), min_size=1, max_size=4), min_size=1, max_size=6),
    batch=st.integers(1, 8),
    workers=st.integers(1, 3),
)
@settings(max_examples=40)
def test_each_gets_its_own(requests, batch, workers):
    """One that fails spoils no other's."""
    outcomes, sizes = asyncio.run(asked(squares, requests, batch=batch, workers=workers, window_ms=5.0))

    for request, outcome in zip(requests, outcomes, strict=True):
        if min(request) < 0:
            assert isinstance(outcome, ValueError)
        else:
            assert [number**2 for number in request] == outcome
    assert max(sizes) <= batch
    assert sum(map(len, requests)) >= sum(sizes)  # of a failed request the rest may be left out


def test_what_arrives_together_is_computed_together():
    """Within the window; four fill a batch."""
    outcomes, sizes = asyncio.run(asked(squares, [[1], [2], [3], [4], [5]], batch=4, window_ms=500.0))

    assert [[1], [4], [9], [16], [25]] == outcomes
    assert [4, 1] == sizes


def test_a_request_that_does_not_fit_is_refused_whole():
    """And those that do are answered."""
    outcomes, _ = asyncio.run(asked(squares, [[1, 2], [3, 4], [5]], waiting=3))

    assert [1, 4] == outcomes[0]
    assert 429 == outcomes[1].status
    assert [25] == outcomes[2]


def test_a_compute_of_a_wrong_kind_ends_no_worker():
    """The next question is answered."""
    given_answers = iter([None, None])

    outcomes, _ = asyncio.run(asked(lambda numbers: next(given_answers, numbers), [[1], [2], [3]], batch=1))

    assert [TypeError, TypeError] == [type(outcome) for outcome in outcomes[:2]]
    assert [3] == outcomes[2]


def test_limits_are_above_zero():
    """Each names itself."""
    with pytest.raises(ConfigurationError, match="window_ms must be above 0 and finite, got -1"):
        Limits(window_ms=-1)
