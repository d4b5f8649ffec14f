"""Global random generators: seeding and reading them, for laws about components that draw from them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch within the context; restore their states after it."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 -- the legacy state is the global one
    try:
        with torch.random.fork_rng(devices=[]):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002 -- as above
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 -- as above


def random_states() -> dict[str, object]:
    """Return the states of the three generators as plain values."""
    return {
        "Python": random.getstate(),
        "NumPy": repr(np.random.get_state()),  # noqa: NPY002 -- as above
        "torch": torch.get_rng_state().numpy().tobytes(),
    }
