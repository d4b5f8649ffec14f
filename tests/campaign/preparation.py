"""What a campaign begins with: its environment, the bases, and all modules, imported once for every process to come."""

import contextlib
import gc
import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from campaign.process import GIGABYTE, Bounds, forked

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "agg",
    "COLUMNS": "200",
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    "no_proxy": "127.0.0.1",
}
"""One thread each, and nothing is asked of the network."""
MAKING = Bounds(cpu_seconds=600, seconds=900, resident_bytes=32 * GIGABYTE, address_bytes=64 * GIGABYTE)


def prepare(place: Path) -> Path:
    """Make the bases in a folder, import all that making them imported, and return their folder.

    This process stays without threads, so that it can be forked at any time: whatever starts some is done in forks.

    Raises:
        RuntimeError: The bases cannot be made.
    """
    bases, modules = place / "bases", place / "modules.json"
    place.mkdir(parents=True, exist_ok=True)
    outcome = forked(lambda: _make(bases, modules), place / "resident", MAKING)
    if outcome.code != 0:
        raise RuntimeError(f"the bases cannot be made: {outcome.stderr}")
    _import(json.loads(modules.read_text(encoding="utf-8")))
    gc.freeze()  # what is shared by all forks is not looked through by each
    return bases


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """Set the environment of a campaign for a while."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _make(bases: Path, modules: Path) -> None:
    import torch
    from campaign.bases import make

    torch.set_num_threads(1)
    make(bases)
    modules.write_text(json.dumps(sorted(sys.modules)), encoding="utf-8")


def _import(names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # some are aliases that a library has put there
            importlib.import_module(name)
