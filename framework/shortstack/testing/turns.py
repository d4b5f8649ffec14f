"""Frequent thread switches, to expose races."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frequent_turns() -> Iterator[None]:
    """Within the context, Python switches threads every microsecond, so that races on shared state show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
