"""Fixtures shared by all tests: one thread for tiny models, and the folder of real data."""

import gc
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
settings.load_profile("unhurried")

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


def pytest_collection_finish():
    """Keep what imports and collection made out of every garbage collection: each training makes one, of half a second."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny models are a hundred times slower on two busy threads than on one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real interaction files; tests that need it are skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("no folder ../shared/data with the real files beside the checkout")
    return SHARED.resolve()
