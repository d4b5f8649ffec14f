"""The quickstart over several seeds: results of the committed config, as JSON and Markdown for ``docs/results``.

python -m benchmarks.quickstart --seeds 0 1 2
"""

import argparse
import json
from pathlib import Path
from statistics import median

from rich.console import Console

from shortstack import Run
from shortstack.progress import ToConsole
from shortstack.result import RunResult

ROOT = Path(__file__).parents[1]
METHODS = ("popularity", "item-knn", "markov", "scratch", "pruned", "student", "teacher")


def main() -> None:
    """Run each seed that is not done yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="where the runs' folders are")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "quickstart-cpu")
    arguments = parser.parse_args()
    console = Console()
    results = {}
    for seed in arguments.seeds:
        console.print(f"seed {seed}")
        run = Run.from_toml(ROOT / "examples" / "quickstart.toml", [f"seed={seed}"])
        results[seed] = run.execute(arguments.runs / f"quickstart-seed-{seed}", progress=ToConsole(console))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.with_suffix(".json").write_text(json.dumps(_figures(results), indent=2) + "\n", encoding="utf-8")
    arguments.out.with_suffix(".md").write_text(_page(results), encoding="utf-8")
    console.print(_page(results), markup=False)


def _figures(results: dict[int, RunResult]) -> dict[str, object]:
    return {
        str(seed): {
            "environment": result.environment,
            "kept": result.selection["kept"],
            "ndcg@10": {name: result.metrics[name]["ndcg@10"] for name in METHODS},
            "hr@10": {name: result.metrics[name]["hr@10"] for name in METHODS},
            "comparisons": {name: comparison["ndcg@10"] for name, comparison in result.comparisons.items()},
            "seconds": result.cost["seconds"],
            "work": result.cost["work"],
        }
        for seed, result in results.items()
    }


def _page(results: dict[int, RunResult]) -> str:
    """Return the page, with one row per seed."""
    kept = [result.comparisons["student/teacher"]["ndcg@10"][0] for result in results.values()]
    rows = [
        f"| {seed} | {' | '.join(format(r.metrics[name]['ndcg@10'], '.4f') for name in METHODS)} "
        f"| {_estimate(r, 'student/teacher')} | {_estimate(r, 'student-scratch')} | {_estimate(r, 'teacher-markov')} "
        f"| {r.metrics['teacher']['ndcg@10'] / r.metrics['popularity']['ndcg@10']:.2f} "
        f"| {', '.join(map(str, r.selection['kept']))} | {sum(r.cost['seconds'].values()):.0f} |"
        for seed, r in results.items()
    ]
    environment = next(iter(results.values())).environment
    return "\n".join(
        [
            "# The quickstart over seeds",
            "",
            "`python -m benchmarks.quickstart --seeds " + " ".join(map(str, results)) + "`, "
            f"{environment['device']}, {environment['threads']} threads, torch {environment['packages']['torch']}. "
            "Test NDCG@10, whole catalogue, mid-rank ties; intervals are 95 % over users, paired.",
            "",
            (
                f"| seed | {' | '.join(METHODS)} | student/teacher | student − scratch | teacher − markov | teacher/popularity "
                "| kept layers | seconds |"
            ),
            "|" + "---|" * (len(METHODS) + 7),
            *rows,
            "",
            f"Median share of the teacher's NDCG@10 that the student keeps: {median(kept):.1%}.",
            "",
        ]
    )


def _estimate(result: RunResult, comparison: str) -> str:
    value, low, high = result.comparisons[comparison]["ndcg@10"]
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if "/" in comparison else f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
