"""One small real run in each of five domains, through all stages: ``make domains DATA=FOLDER``.

The folder holds the data as ``examples/domains/*.toml`` name them below ``data/``: see ``shortstack data fetch``.
"""

import argparse
from pathlib import Path

from rich.console import Console

from shortstack import Run
from shortstack.contracts.headlines import formatted_metric
from shortstack.progress import ToConsole
from shortstack.report.methods import methods_of
from shortstack.result import RunResult

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "examples" / "domains"


def main() -> None:
    """Run each domain that is not done yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of the data")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "domains", help="where the runs' folders are")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    arguments = parser.parse_args()
    console, results = Console(), {}
    for config in sorted(CONFIGS.glob("*.toml")):
        console.print(config.stem)
        source = arguments.data / Path(Run.from_toml(config).data.source).relative_to("data")
        run = Run.from_toml(config, [f"data.source={source}"])
        results[config.stem] = run.execute(arguments.runs / config.stem, progress=ToConsole(console))
    page = _page(results)
    console.print(page, markup=False)
    if arguments.out:
        arguments.out.write_text(page, encoding="utf-8")


def _page(results: dict[str, RunResult]) -> str:
    environment = next(iter(results.values())).environment
    head = (
        "# Five domains\n\n"
        f"`make domains DATA=FOLDER`, {environment['device']}, {environment['threads']} thread{'s' * (environment['threads'] > 1)}, torch "
        f"{environment['packages']['torch']}. Test cases; intervals are 95 % over users. Eight layers, two kept.\n"
    )
    return "\n".join([head, *(_domain(name, result) for name, result in results.items())])


def _domain(name: str, result: RunResult) -> str:
    metrics = result.headlines["metrics"]
    config, data = result.config, result.data
    counts = ", ".join(
        f"{data[key]:,} {key}" for key in ("users", "items", "interactions", "impressions") if key in data
    )
    lines = [
        f"## {name}: `{config['task']['name']}` on {data['edition']}",
        "",
        f"`examples/domains/{name}.toml`: {counts}; {sum(result.cost['seconds'].values()):.0f} s.",
        "",
        f"| method | {' | '.join(map(formatted_metric, metrics))} |",
        "|" + "---|" * (len(metrics) + 1),
        *(
            f"| {method.label} | {' | '.join(_cell(result, method.key, m) for m in metrics)} |"
            for method in methods_of(result.metrics)
        ),
        "",
        *(f"- {line}" for line in result.verdict.splitlines()),
        "",
    ]
    return "\n".join(lines)


def _cell(result: RunResult, method: str, metric: str) -> str:
    value, ends = result.metrics[method][metric], result.intervals[method][metric]
    return "" if value is None or ends is None else f"{value:.4f} [{ends[0]:.4f}, {ends[1]:.4f}]"


if __name__ == "__main__":
    main()
