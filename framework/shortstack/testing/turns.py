"""Threads that take turns as often as they can."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frequent_turns() -> Iterator[None]:
    """Inside, Python switches between threads after a microsecond, so that what they share shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
