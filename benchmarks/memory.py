"""Peak memory of a sweep beside that of an ordinary forward and backward pass of the same batch.

python -m benchmarks.memory sweep-all     # one job in a process of its own: prints its peak in bytes
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import attrs
import torch

from benchmarks.passes import fold_scorers, forward_backward, sweep
from benchmarks.timing import Row
from benchmarks.workloads import Workload, histories, wider
from shortstack import Registry

STATUS = Path("/proc/self/status")
EXAMPLES = 64


def main() -> None:
    """Do one job, and print how far memory rose above what the model and a warm-up need."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=list(_jobs(Registry())))
    asked = parser.parse_args()
    registry, work = Registry.from_environment(), wider()
    job = _jobs(registry)[asked.job]
    job(attrs.evolve(work, batches=[histories(0, 1, "cpu")]))
    before = _status("VmRSS")
    job(attrs.evolve(work, batches=[histories(0, EXAMPLES, "cpu")]))
    print(_status("VmHWM") - before)


def measure_memory(device: str = "cpu") -> list[Row]:
    """The wider recommender, one batch of 64 users."""
    if device == "cuda":
        peaks = _on_cuda()
    elif STATUS.is_file():
        peaks = {name: _alone(name) for name in _jobs(Registry())}
    else:
        print(f"skipped: peak memory is read from {STATUS}, which is not here")
        return []
    return rows_of(peaks, f"peak memory, wider recommender, one batch of {EXAMPLES}")


def rows_of(peaks: Mapping[str, int], what: str) -> list[Row]:
    """One scorer beside an ordinary pass, and all scorers beside that and beside one.

    Args:
        peaks: Bytes of ``forward+backward``, ``sweep-fisher`` and ``sweep-all``.
        what: What was measured.
    """
    pairs = [
        ("sweep-fisher", "forward+backward", "below 1"),
        ("sweep-all", "forward+backward", "below 1"),
        ("sweep-all", "sweep-fisher", "at most 1.1"),
    ]
    return [
        {
            "what": what,
            "measured": f"{one} {peaks[one] / 2**20:.0f} MiB",
            "beside": f"{other} {peaks[other] / 2**20:.0f} MiB",
            "ratio": peaks[one] / peaks[other],
            "target": target,
        }
        for one, other, target in pairs
    ]


def _jobs(registry: Registry) -> dict[str, Callable[[Workload], object]]:
    return {
        "forward+backward": forward_backward,
        "sweep-fisher": partial(sweep, scorers=["fisher"], registry=registry),
        "sweep-all": partial(sweep, scorers=fold_scorers(registry), registry=registry),
    }


def _alone(job: str) -> int:
    """Bytes, in a fresh process: what another job left in the allocator would hide a peak."""
    command = [sys.executable, "-m", "benchmarks.memory", job]
    at_once = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc gives freed tensors back to the system
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=at_once).stdout)


def _status(entry: str) -> int:
    """Bytes. ``getrusage`` would not do: its peak begins with that of the process that started this one."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{entry}:"))
    return int(line.split()[1]) * 1024


def _on_cuda() -> dict[str, int]:
    registry, work = Registry.from_environment(), wider("cuda")
    work = attrs.evolve(work, batches=[histories(0, EXAMPLES, "cuda")])
    return {name: cuda_peak(partial(job, work)) for name, job in _jobs(registry).items()}


def cuda_peak(job: Callable[[], object]) -> int:
    """Bytes above what was held before."""
    job()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    job()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


if __name__ == "__main__":
    main()
