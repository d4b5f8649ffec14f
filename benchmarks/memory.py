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
    """Do one job, and print its peak memory above that of the model and a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=list(_jobs(Registry())))
    arguments = parser.parse_args()
    registry, work = Registry.from_environment(), wider()
    job = _jobs(registry)[arguments.job]
    job(attrs.evolve(work, batches=[histories(0, 1, "cpu")]))
    before = process_memory("VmRSS")
    job(attrs.evolve(work, batches=[histories(0, EXAMPLES, "cpu")]))
    print(process_memory("VmHWM") - before)


def measure_memory(device: str = "cpu") -> list[Row]:
    """Measure the wider recommender with one batch of 64 users."""
    if device == "cuda":
        peaks = _on_cuda()
    elif STATUS.is_file():
        peaks = {name: _alone(name) for name in _jobs(Registry())}
    else:
        print(f"skipped: peak memory is read from {STATUS}, which is not here")
        return []
    return rows_of(peaks, f"peak memory, wider recommender, one batch of {EXAMPLES}")


def rows_of(peaks: Mapping[str, int], what: str) -> list[Row]:
    """Compare one scorer and all scorers with an ordinary pass, and all scorers with one.

    Args:
        peaks: Bytes of ``forward+backward``, ``sweep-fisher`` and ``sweep-all``.
        what: Description of the measurement.
    """
    pairs = [
        ("sweep-fisher", "forward+backward", "below 1"),
        ("sweep-all", "forward+backward", "below 1"),
        ("sweep-all", "sweep-fisher", "at most 1.1"),
    ]
    return [
        {
            "what": what,
            "measured": f"{measured} {peaks[measured] / 2**20:.0f} MiB",
            "beside": f"{other} {peaks[other] / 2**20:.0f} MiB",
            "ratio": peaks[measured] / peaks[other],
            "target": target,
        }
        for measured, other, target in pairs
    ]


def _jobs(registry: Registry) -> dict[str, Callable[[Workload], object]]:
    return {
        "forward+backward": forward_backward,
        "sweep-fisher": partial(sweep, scorers=["fisher"], registry=registry),
        "sweep-all": partial(sweep, scorers=fold_scorers(registry), registry=registry),
    }


def _alone(job: str) -> int:
    """Return a job's peak in bytes, in a fresh process: memory that another job freed would hide it."""
    command = [sys.executable, "-m", "benchmarks.memory", job]
    at_once = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc gives freed tensors back to the system
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=at_once).stdout)


def process_memory(entry: str) -> int:
    """Return an entry of this process's status in bytes. The peak of ``getrusage`` would include that of the parent process."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{entry}:"))
    return int(line.split()[1]) * 1024


def _on_cuda() -> dict[str, int]:
    registry, work = Registry.from_environment(), wider("cuda")
    work = attrs.evolve(work, batches=[histories(0, EXAMPLES, "cuda")])
    return {name: cuda_peak(partial(job, work)) for name, job in _jobs(registry).items()}


def cuda_peak(job: Callable[[], object]) -> int:
    """Return the peak memory above what was allocated before, in bytes."""
    job()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    job()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


if __name__ == "__main__":
    main()
