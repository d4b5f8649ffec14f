"""Start-up time of quick commands, beside importing torch."""

import subprocess
import sys

from benchmarks.timing import Job, Row, best_seconds


def measure_startup() -> list[Row]:
    """Measure ``--help`` and a listing, each in a process of its own."""
    jobs = {
        "shortstack --help": "import sys; sys.argv=['shortstack','--help']; from shortstack.cli import main; main()",
        "shortstack list scorer": (
            "import sys; sys.argv=['shortstack','list','scorer']; from shortstack.cli import main; main()"
        ),
        "import torch": "import torch",
    }
    seconds = best_seconds({name: _process(code) for name, code in jobs.items()}, rounds=3)
    return [
        {
            "what": name,
            "measured": f"{seconds[name]:.2f} s",
            "beside": f"import torch {seconds['import torch']:.2f} s",
            "ratio": seconds[name] / seconds["import torch"],
            "target": "under 0.5 s",
        }
        for name in jobs
        if name != "import torch"
    ]


def _process(code: str) -> Job:
    return lambda: subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
