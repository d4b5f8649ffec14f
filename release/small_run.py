"""Every stage of the quickstart on a few users: whether the installed versions work together, and which they are.

python -m release.small_run
"""

import platform
import tempfile
from importlib.metadata import version

from release.dependencies import ROOT, dependencies
from shortstack import Run
from shortstack.models.malloc import keep_freed_memory

_FIT = ("steps=4", "warmup_steps=1", "evaluate_every=4", "batch_size=16")
SMALL = (
    "data.sample_users=80",
    "teacher.config.num_hidden_layers=4",
    "importance.examples=16",
    "evaluation.resamples=100",
    *(f"{training}.fit.{setting}" for training in ("teacher", "distillation") for setting in _FIT),
)
"""Settings that turn hours into seconds and leave every stage in."""


def main() -> None:
    """Run, ask the student, and print the versions."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        result = Run.from_toml(ROOT / "examples" / "quickstart.toml", SMALL).execute(folder)
        titles = [item.title for item in result.student().recommend(["Toy Story (1995)"], k=3)]
        size = result.report.stat().st_size
    versions = (f"{one.name} {version(one.name)}" for one in dependencies() if one.extra in {"", "demo"})
    print(f"Python {platform.python_version()}, {', '.join(versions)}")
    print(f"works: a report of {size:,} bytes, and recommendations: {', '.join(titles)}")


if __name__ == "__main__":
    main()
