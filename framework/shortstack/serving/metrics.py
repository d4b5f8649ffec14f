"""Counts and times of the service, as Prometheus reads them.

Source: Prometheus text exposition format 0.0.4.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import exp
from typing import Final

from shortstack.version import __version__

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PROBABILITIES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class Histogram:
    """Values counted in buckets; each bucket holds all values up to its bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Make one without values, of ascending bounds."""
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str = "") -> Iterator[str]:
        """Yield its samples."""
        total, begin = 0, f"{labels}," if labels else ""
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{{begin}le="{bound}"}} {total}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self._sum:.6f}"
        yield f"{name}_count{braces} {total}"


class Metrics:
    """What the service counts; any number of threads may add."""

    def __init__(self) -> None:
        """Make them without counts."""
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._batches = Histogram(_SIZES)
        self._items: Counter[bool] = Counter({True: 0, False: 0})
        self._first = Histogram(_PROBABILITIES)

    def add_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            path: Path of the route, which has no part that a client chose.
            status: HTTP status.
            seconds: Time from its first byte to the last of its answer.
        """
        with self._lock:
            self._requests[path, status] += 1
            self._seconds.setdefault(path, Histogram(_SECONDS)).add(seconds)

    def add_batch(self, size: int) -> None:
        """Count a batch of histories that were computed together."""
        with self._lock:
            self._batches.add(size)

    def add_history(self, known: int, unknown: int) -> None:
        """Count the items of a history that the catalogue has, and those that it lacks."""
        with self._lock:
            self._items.update({True: known, False: unknown})

    def add_first(self, log_probability: float) -> None:
        """Count an answer by the probability of its first item."""
        with self._lock:
            self._first.add(exp(log_probability))

    def text(self, waiting: Callable[[], int]) -> str:
        """Return all of them; ``waiting`` tells how many histories wait now."""
        with self._lock:
            return "\n".join([*self._lines(waiting()), ""])

    def _lines(self, waiting: int) -> Iterator[str]:
        yield from _head("shortstack_build_info", "gauge", "Version of shortstack.")
        yield f'shortstack_build_info{{version="{__version__}"}} 1'
        yield from _head("shortstack_requests_total", "counter", "Answered requests.")
        for (path, status), count in sorted(self._requests.items()):
            yield f'shortstack_requests_total{{path="{path}",status="{status}"}} {count}'
        yield from _head("shortstack_request_seconds", "histogram", "Time to answer a request.")
        for path, histogram in sorted(self._seconds.items()):
            yield from histogram.lines("shortstack_request_seconds", f'path="{path}"')
        yield from _head("shortstack_batch_size", "histogram", "Histories that were computed together.")
        yield from self._batches.lines("shortstack_batch_size")
        yield from _head(
            "shortstack_history_items_total", "counter", "Items in histories, by whether the catalogue has them."
        )
        for known, count in self._items.items():
            yield f'shortstack_history_items_total{{known="{str(known).lower()}"}} {count}'
        yield from _head("shortstack_first_probability", "histogram", "Probability of the first recommended item.")
        yield from self._first.lines("shortstack_first_probability")
        yield from _head("shortstack_waiting", "gauge", "Histories that wait to be computed.")
        yield f"shortstack_waiting {waiting}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
