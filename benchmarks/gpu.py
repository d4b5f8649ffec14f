"""``make gpu``: benchmarks on a CUDA device, with the machine's own Python; figures go to ``docs/results/``.

The machine may have no package index, no polars and no datasets, and shortstack need not be installed: an entry-point
record made from ``pyproject.toml`` lets the registry find the plugins as anywhere else. The data stage is taken from
``runs/quickstart``, which ``make quickstart`` leaves on a machine that has the data.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PREPARED = ROOT / "runs" / "quickstart"


def main() -> None:
    """Run the parts, or print in one line why not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--part", choices=["all", "quickstart", "speed", "sweep", "processes", "llm", "liger"], default="all"
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu only tries the script itself")
    arguments = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("make gpu: skipped, this Python has no torch")
        return
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("make gpu: skipped, torch finds no CUDA device here")
        return
    with tempfile.TemporaryDirectory() as folder:
        _announce(Path(folder))
        if arguments.part in {"all", "quickstart"}:
            _quickstart(arguments.device)
        if arguments.part in {"all", "speed"}:
            _speed(arguments.device)
        if arguments.part in {"all", "sweep"}:
            _sweep(arguments.device)
        if arguments.part in {"all", "processes"}:
            _processes(arguments.device)
        if arguments.part in {"all", "llm"}:
            _llm(arguments.device)
        if arguments.part in {"all", "liger"}:
            _liger(arguments.device)


def _announce(folder: Path) -> None:
    """Register the entry points of ``pyproject.toml`` where shortstack is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution("shortstack")
    except PackageNotFoundError:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        record = folder / f"shortstack-{project['version']}.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: shortstack\nVersion: {project['version']}\n")
        points = "\n".join(f"{name} = {target}" for name, target in project["entry-points"]["shortstack"].items())
        (record / "entry_points.txt").write_text(f"[shortstack]\n{points}\n")
        sys.path.append(str(folder))


def _quickstart(device: str) -> None:
    """Run the quickstart on this device, in bfloat16 on CUDA; an interrupted run is resumed."""
    from rich.console import Console

    from shortstack import Run
    from shortstack.progress import ToConsole

    folder = ROOT / "runs" / f"quickstart-{device}"
    if not (PREPARED / "data").is_dir():
        sys.exit(f"make gpu: {PREPARED.relative_to(ROOT)}/data is not here; run make quickstart where the data are")
    if not (folder / "data").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PREPARED / "run.json", folder)
        shutil.copytree(PREPARED / "data", folder / "data")
    run = Run.from_toml(ROOT / "examples" / "quickstart.toml", [f"device={device}"])
    result = run.execute(folder, progress=ToConsole(Console()))
    _write("quickstart", result.environment["device"], {**_summary(result), "beside, on a CPU": _on_a_cpu()})


def _on_a_cpu() -> Any:
    """Read the committed figures of seed 0 on two CPU cores, the quickstart's."""
    return json.loads((RESULTS / "quickstart-cpu.json").read_text(encoding="utf-8"))["0"]


def _summary(result: Any) -> dict[str, Any]:
    methods = {name: {m: values[m] for m in ("hr@10", "ndcg@10")} for name, values in result.metrics.items()}
    return {
        "environment": dict(result.environment),
        "metrics": methods,
        "comparisons": {name: pairs["ndcg@10"] for name, pairs in result.comparisons.items()},
        "selection": list(result.selection["kept"]),
        "seconds": dict(result.cost["seconds"]),
        "verdict": result.verdict,
    }


def _speed(device: str) -> None:
    """Measure the rows of ``make bench`` on this device."""
    from benchmarks.models import measure_models
    from benchmarks.sweep import measure_sweep

    rows = [*measure_models(device), *measure_sweep(device)]
    _write("speed", _name(device), {"rows": rows})


def _sweep(device: str) -> None:
    """Measure a sweep of a large Llama beside ordinary passes."""
    from benchmarks.gpu_sweep import measure_large

    _write("sweep", _name(device), measure_large(device))


def _processes(device: str) -> None:
    """Measure work that a process on each GPU of this machine shares, beside one GPU."""
    import torch

    from benchmarks.processes import measure_processes

    if device == "cuda" and torch.cuda.device_count() == 1:
        print("make gpu: processes were left out, this machine has one GPU")
        return
    _write("processes", _name(device), {"rows": [*measure_processes(device)]})


def _llm(device: str) -> None:
    """Run one step of each stage on a Llama of the 8 B model's shape; and SmolLM2 on MovieLens 1M, if its files are here."""
    from rich.console import Console

    from benchmarks.gpu_llm import measure_stages, share_of_peak
    from shortstack import Run
    from shortstack.progress import ToConsole

    figures: dict[str, Any] = {"8 B": measure_stages(device)}
    example, folder = ROOT / "examples" / "smollm2-ml-1m.toml", ROOT / "runs" / "smollm2-ml-1m"
    needed = (folder / "data", ROOT / "data/movielens/ml-1m-sequences", ROOT / "runs/smollm2/model/config.json")
    here = all(path.exists() for path in needed)
    if here and device == "cuda":
        result = Run.from_toml(example, [f"device={device}"]).execute(folder, progress=ToConsole(Console()))
        work = result.cost["work"]
        figures["SmolLM2 on ml-1m"] = {
            **_summary(result),
            "work": {
                name: {**entry, "share of peak": share_of_peak(entry, _name(device))} for name, entry in work.items()
            },
        }
    else:
        print(f"SmolLM2 on MovieLens 1M was left out: {example.relative_to(ROOT)} says what must be here first")
    _write("llm", _name(device), figures)


def _liger(device: str) -> None:
    """Measure a distillation on Liger's kernels beside the same without, where Liger is installed."""
    import torch

    from benchmarks.gpu_liger import measure_liger
    from shortstack.distillation.liger_kernels import require_liger
    from shortstack.errors import ConfigurationError

    try:
        require_liger(torch.device(device))
    except ConfigurationError as error:
        print(f"make gpu: liger was left out: {error}")
        return
    _write("liger", _name(device), measure_liger(device))


def _name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def _write(part: str, device: str, figures: dict[str, Any]) -> None:
    """Write figures as JSON and Markdown, with the device's name."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    stem = RESULTS / f"{part}-{re.sub(r'[^a-z0-9]+', '-', device.lower()).strip('-')}"
    stem.with_suffix(".json").write_text(json.dumps({"device": device, **figures}, indent=2) + "\n", encoding="utf-8")
    lines = [
        f"# {part} on {device}",
        "",
        f"`make gpu PART={part}`",
        "",
        "```json",
        json.dumps(figures, indent=2),
        "```",
    ]
    stem.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {stem.with_suffix('.md').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
