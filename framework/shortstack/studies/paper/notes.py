"""The paper's data, protocol, failures, limitations and reproducibility, from the results alone."""

from collections.abc import Iterator

from shortstack.config.writer import name_in_record
from shortstack.contracts.headlines import formatted_metric
from shortstack.result import RunResult
from shortstack.studies.analysis.findings import how_far
from shortstack.studies.analysis.problem import Problem
from shortstack.studies.analysis.summary import Summary
from shortstack.studies.paper.formulas import METRICS
from shortstack.studies.paper.latex import breakable, escaped, items, table
from shortstack.studies.paper.settings import distinct, distinct_names, listed, results_of
from shortstack.version import __version__

_COUNTS = ("users", "items", "interactions")


def abstract(summary: Summary, statements: list[str]) -> str:
    """Sum up what was run, and what came out."""
    depths = sorted({result.selection["of"] for result in results_of(summary)})
    teachers = f" of {listed(depths)} layers" if depths else ""
    return (
        f"Layers of transformer recommenders{teachers} are removed under a budget, and what remains is distilled: "
        f"{_counted(len(summary.settings), 'setting')}, {_counted(len(summary.problems), 'data set')}, "
        f"up to {_counted(summary.seeds, 'seed')} each. " + escaped(" ".join(statements))
    )


def varied(summary: Summary) -> str:
    """Say what the study varies."""
    names = [rf"\texttt{{{breakable(column)}}}" for column in summary.columns]
    return f"It varies {', '.join(names)}. " if names else ""


def data(summary: Summary) -> str:
    """Return the table of the data sets."""
    rows = [_data_row(problem) for problem in summary.problems]
    head = ("data", "task", *_COUNTS, "split", "test cases")
    return table("llrrrlr", head, rows, caption="Data, after filtering.", label="tab:data")


def _data_row(problem: Problem) -> list[str]:
    result = problem.example
    split, task = result.config["data"].get("split"), result.config["task"]["name"]
    cases = result.cases.get("evaluated")
    return [
        escaped(problem.label),
        escaped(name_in_record(task)),
        *(_counted_in(result.data.get(name)) for name in _COUNTS),
        escaped(name_in_record(split)) if split else "--",
        _counted_in(cases),
    ]


def _counted_in(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "--"


def protocol(summary: Summary) -> str:
    """Say how models are evaluated, compared and selected."""
    results = results_of(summary)
    if not results:
        return "No run is finished.\n"
    names = list(dict.fromkeys(metric for result in results for metric in result.headlines["metrics"]))
    known = dict.fromkeys(name.partition("@")[0] for name in names)
    formulas = "".join(f"\\[ {METRICS[name]} \\]\n" for name in known if name in METRICS)
    ranking = "full" in distinct_names(results, "evaluation.protocol")
    how = (
        r"The target of a test case is ranked among the whole catalogue; $r_n$ is its rank, and equal scores share their mid-rank. "
        if ranking
        else r"$r_n$ is the rank of the target among the candidates; equal scores share their mid-rank. "
    )
    resamples = listed(distinct(results, "evaluation.resamples"))
    over = f"Intervals of one run are bootstrapped over users ({resamples} resamples). " if resamples else ""
    metrics = listed(dict.fromkeys(formatted_metric(problem.metric) for problem in summary.problems))
    return (
        f"{how}Reported are {escaped(', '.join(map(formatted_metric, names)))}.\n{formulas}{over}"
        f"Checkpoints are selected by {metrics} on validation cases; nothing is selected on test cases.\n"
    )


def failures(summary: Summary) -> str:
    """Name every run that failed, with its error; say so where none did."""
    failures = items(rf"\texttt{{{breakable(name)}}}: {breakable(error)}" for name, error in summary.failed.items())
    return escaped(how_far(summary)) + "\n" + (failures or "No run failed.\n")


def limitations(summary: Summary) -> str:
    """State what these results cannot show, as far as it follows from them."""
    return items(_limits(summary))


def _limits(summary: Summary) -> Iterator[str]:
    results = results_of(summary)
    yield (
        f"{_counted(len(summary.problems), 'data set')} and at most {_counted(summary.seeds, 'seed')} a setting: differences between data "
        "sets and trainings are larger than what so few can show."
    )
    sizes = [result.parameters["teacher"] for result in results]
    if sizes:
        yield f"The largest teacher has {max(sizes):,} parameters; larger ones may lose more or less by the same cut."
    if len(summary.settings) > 1:
        yield "The best of several settings is good by chance too, and was seen on the test users: it has to be confirmed on others."
    if any(result.cost.get("speed") for result in results):
        yield f"Times were measured on one machine ({listed(_devices(results))}); on another their ratios differ."
    if not any("scratch" in result.metrics for result in results):
        yield "No model of the students' size was trained without a teacher, so nothing shows that distillation paid."
    if summary.failed:
        yield f"Runs that failed ({len(summary.failed)}) are missing from all figures and means."


def _devices(results: list[RunResult]) -> list[str]:
    return list(dict.fromkeys(str(result.environment.get("device", "an unknown machine")) for result in results))


def reproducibility(summary: Summary) -> str:
    """Say what is needed to do it again."""
    results = results_of(summary)
    seeds = listed(distinct(results, "seed"))
    versions = dict.fromkeys(result.shortstack for result in results) or {__version__: None}
    environments = list(dict.fromkeys(_environment(result) for result in results))
    seconds = sum(sum(result.cost.get("seconds", {}).values()) for result in results)
    return (
        f"shortstack {listed(versions)}; seeds {seeds or '--'}. {' '.join(environments)} "
        f"The stages of all runs, those that runs share counted for each, took {seconds / 3600:,.2f} hours. "
        r"\texttt{supplementary.zip} holds the settings and results of every run, the versions of all packages, the commands and checksums; "
        r"\texttt{shortstack study-report DIR -{}-paper} writes this article anew from the results."
        "\n"
    )


def _environment(result: RunResult) -> str:
    packages = result.environment.get("packages", {})
    named = ", ".join(f"{name} {version}" for name, version in packages.items())
    return escaped(f"Device: {result.environment.get('device', 'unknown')}; {named}.")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
