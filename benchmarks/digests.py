"""Cost of digests and of writing through to the disk: seconds within the quickstart, and hashes beside each other."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import attrs
import xxhash

from benchmarks.timing import Row, best_seconds
from shortstack import Run, digests
from shortstack.progress import Silent

ROOT = Path(__file__).parents[1]
SIZE = 1 << 26


@attrs.define
class Clock:
    """Seconds within a function, and the number of its calls."""

    seconds: float = 0.0
    calls: int = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that also counts its time here."""

        def counted(*arguments: Any) -> Any:
            start = perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += perf_counter() - start
                self.calls += 1

        return counted


def measure_digests(overrides: Sequence[str] = ()) -> list[Row]:
    """Measure the quickstart, with some settings changed, and the hashes."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:  # on a disk, which the system's own may not be
        return [_within_a_run(Path(folder), overrides), *_hashes()]


def _within_a_run(folder: Path, overrides: Sequence[str]) -> Row:
    run, synced, hashed = Run.from_toml(ROOT / "examples" / "quickstart.toml", overrides), Clock(), Clock()
    start = perf_counter()
    with (
        patch.object(os, "fsync", synced.timed(os.fsync)),
        patch.object(digests, "_computed", hashed.timed(digests._computed)),  # noqa: SLF001 -- its time is the question
    ):
        run.execute(folder, progress=Silent())
    whole = perf_counter() - start
    return {
        "what": f"quickstart: {synced.calls} fsyncs and {hashed.calls} files hashed, beside the whole run",
        "measured": f"{synced.seconds:.2f} s + {hashed.seconds:.2f} s",
        "beside": f"{whole:.1f} s",
        "ratio": (synced.seconds + hashed.seconds) / whole,
        "target": "under 0.02",
    }


def _hashes() -> list[Row]:
    block = os.urandom(SIZE)
    jobs = {
        "blake2b": lambda: hashlib.blake2b(block),
        "sha256": lambda: hashlib.sha256(block),
        "xxh3_128": lambda: xxhash.xxh3_128(block),
    }
    seconds = best_seconds(jobs)
    speed = {name: f"{name} {SIZE / seconds[name] / 1e9:.1f} GB/s" for name in jobs}
    return [
        {
            "what": "digests: XXH3 of 64 MiB on one core",
            "measured": speed["xxh3_128"],
            "beside": speed[name],
            "ratio": seconds["xxh3_128"] / seconds[name],
            "target": "under 1",
        }
        for name in ("blake2b", "sha256")
    ]
