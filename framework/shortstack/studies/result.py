"""Results of a study: one table with a row for each run and evaluated model."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from shortstack.contracts.headlines import KEEPS
from shortstack.errors import DataError, SourceNotFoundError, UnknownNameError
from shortstack.files import write_json, written_whole
from shortstack.result import RunResult
from shortstack.studies.folder import RUNS, failures, key_of, read_study
from shortstack.studies.outcome import Outcome, Status

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from shortstack.registry import Registry
    from shortstack.studies.analysis.summary import Summary
    from shortstack.studies.comparison import Comparisons

TABLE: Final = "results"
"""Name of the tables' files, before the ending."""
_SPEED: Final = ("ms_per_user_1", "ms_per_user_32", "users_per_second")
_SIZES: Final = ("disk_bytes", "memory_bytes", "sparse_bytes")


@attrs.frozen(kw_only=True)
class StudyResult:
    """Results of a study, as far as its runs are finished.

    Attributes:
        folder: The study's folder.
        axes: Dotted paths of the settings that vary.
        outcomes: What became of each run, in order.
    """

    folder: Path
    axes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read the results in a study's folder, also while the study is executed.

        Raises:
            SourceNotFoundError: The folder is no study's.
            DataError: Its ``study.json`` is damaged.
        """
        folder = Path(folder)
        study, failed = read_study(folder), failures(folder)
        outcomes = [_outcome(folder, name, run, failed.get(name, "")) for name, run in study["runs"].items()]
        return cls(folder=folder, axes=tuple(study["axes"]), outcomes=tuple(outcomes))

    @property
    def failed(self) -> Mapping[str, str]:
        """The runs that failed when they were last tried, with their errors."""
        return {outcome.name: outcome.error for outcome in self.outcomes if outcome.status == "failed"}

    def run(self, name: str) -> RunResult:
        """Return the result of a run.

        Raises:
            UnknownNameError: The study has no run of that name.
            SourceNotFoundError: The run is not finished.
        """
        named = {outcome.name: outcome for outcome in self.outcomes}
        if name not in named:
            raise UnknownNameError("run of the study", name, named)
        outcome = named[name]
        if outcome.result is None:
            why = f" ({outcome.error})" if outcome.error else ""
            raise SourceNotFoundError(
                f"the run {name!r} of {self.folder} is {outcome.status}{why}; start the study again"
            )
        return outcome.result

    def report(self) -> Path:
        """Write ``report.html``, a page with the tables and figures, into the study's folder; return its path.

        Raises:
            UnwritableError: It cannot be written; an earlier one is kept.
        """
        from shortstack.studies.report import write_report

        return write_report(self._summary)

    def paper(self, *, registry: "Registry | None" = None) -> Path:
        """Write ``paper/``, an article in LaTeX with its figures, and compile it where ``pdflatex`` is installed.

        Args:
            registry: The plugins, whose descriptors have the references; by default those of the environment.

        Returns:
            Path of ``article.pdf``; of ``article.tex`` where it was not compiled.

        Raises:
            UnwritableError: A file cannot be written.
        """
        from shortstack.registry import Registry
        from shortstack.studies.paper import compiled, write_paper

        article = write_paper(self._summary, registry or Registry.from_environment())
        return compiled(article) or article

    def supplementary(self) -> Path:
        """Write ``supplementary.zip``: settings, results, environment, commands and checksums; return its path.

        Equal results give equal bytes.

        Raises:
            UnwritableError: It cannot be written; an earlier one is kept.
        """
        from shortstack.studies.archive import write_archive

        return write_archive(self._summary)

    def figure(self, name: str) -> "Figure":
        """Return a figure of the report as matplotlib has it.

        Args:
            name: ``"pareto"`` (quality against bytes, parameters and latency), ``"ablations"`` (the change by each value of each axis),
                ``"scorers"`` (scorers × data sets), ``"layers"`` (the kept layers of each setting) or ``"convergence"``
                (validation metric by step).

        Raises:
            UnknownNameError: There is no figure of that name.
            EmptyDataError: The study has no data for it.
        """
        from shortstack.studies.figures import figure_named

        return figure_named(name, self._summary)

    @cached_property
    def _summary(self) -> "Summary":
        from shortstack.studies.analysis.summary import summarised

        return summarised(self.folder, self.axes, self.outcomes, self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each run and model, or baseline, and one for each run that is not finished.

        A row holds ``run``, ``variant``, the axes by their paths, ``status``, ``error``, ``model``, ``selected_by``,
        ``parameters``, ``kept`` (the teacher's layers that the model has), ``layers`` (their number in the teacher),
        ``ms_per_user_1``, ``ms_per_user_32``, ``users_per_second``, ``disk_bytes``, ``memory_bytes``, ``sparse_bytes``; and for each metric its value, and under
        ``METRIC/low`` and ``METRIC/high`` the 95 % interval over users.
        """
        return [row for outcome in self.outcomes for row in _rows(outcome)]

    def to_polars(self) -> "pl.DataFrame":
        """Return ``rows`` as a table. Axes with values of several types are texts."""
        import polars as pl

        rows = self.rows()
        names = dict.fromkeys(name for row in rows for name in row)
        schema = {**_schema(names), **{axis: _type_of([row[axis] for row in rows]) for axis in self.axes}}
        fitted = [{**row, **{axis: _fitted(row[axis], schema[axis]) for axis in self.axes}} for row in rows]
        return pl.DataFrame(fitted, schema=schema)

    def case_values(self, models: Sequence[str] | None = None) -> "pl.DataFrame":
        """Return the headline metrics of all finished runs, case by case.

        Columns: ``run``, ``variant``, the axes by their paths, then those of ``RunResult.case_values``.

        Args:
            models: Names of models; None for all.

        Raises:
            SourceNotFoundError: No run is finished, or an earlier version evaluated one.
        """
        import polars as pl

        from shortstack.studies.comparing import require_finished

        require_finished(self.folder, self.outcomes)
        finished = [(outcome, outcome.result) for outcome in self.outcomes if outcome.result is not None]
        kinds = {axis: _type_of([outcome.values[axis] for outcome, _ in finished]) for axis in self.axes}
        tables = []
        for outcome, result in finished:
            axes = [pl.lit(_fitted(outcome.values[axis], kind), dtype=kind).alias(axis) for axis, kind in kinds.items()]
            named = [pl.lit(outcome.name).alias("run"), pl.lit(outcome.variant or None, pl.String).alias("variant")]
            tables.append(result.case_values(models).select(*named, *axes, pl.all()))
        return pl.concat(tables, how="diagonal")

    def compare(
        self,
        of: str = "student",
        reference: str | Mapping[str, Any] = "teacher",
        metric: str | None = None,
        *,
        keeps: float = KEEPS,
        family: Sequence[str] = (),
    ) -> "Comparisons":
        """Compare a model with a reference in every setting, over users and seeds together, case by case.

        A setting is a variant with values of all axes but ``seed``. Runs are paired by seed, and in a pair the test users that
        both have. With one seed intervals are over its users alone, and ``over`` says so.

        ``compare().to_polars()`` has a row for each setting, with the columns: ``variant`` (if there are any), the axes by their
        paths; ``metric``, ``of``, ``reference``, ``runs``, ``users``, ``test_users``, ``over``; ``value``, ``reference_value``, ``difference``,
        ``ratio``, each also with ``/low`` and ``/high``; ``p``, ``p_holm``, ``effect_size``, ``keeps``, ``p_keeps_holm``,
        ``p_equivalent_holm``, ``verdict``. The attributes of ``shortstack.studies.comparison.Comparison`` explain them.

        Args:
            of: The model: ``"student"``, ``"pruned"``, ….
            reference: Another model of the same run, or a baseline; or a variant, of whose runs the same model is the reference;
                or settings in place of each one's own, ``{"variant": "tail"}`` or ``{"selection.keep_ratio": 0.5}``.
            metric: A headline metric; None for the one that models were selected by.
            keeps: Share of the reference's metric that is tested to be kept.
            family: Axes, or ``variant``, by whose values comparisons are divided into families, each corrected by itself; by
                default all are one family.

        Raises:
            UnknownNameError: There is no such model, variant, axis, value or metric.
            ConfigurationError: A model is compared with itself, or with one that is evaluated differently.
            DataError: Two runs share no test user.
            SourceNotFoundError: No finished runs can be compared, or an earlier version evaluated one.
        """
        from shortstack.studies.comparing import compare_settings

        return compare_settings(
            self.folder, self.axes, self.outcomes, of=of, reference=reference, metric=metric, keeps=keeps, family=family
        )

    def save(self) -> None:
        """Write the table as ``results.parquet``, ``results.csv`` (``kept`` with spaces between) and ``results.json``.

        Raises:
            UnwritableError: One cannot be written; an earlier one is kept.
        """
        import polars as pl

        table = self.to_polars()
        with written_whole(self.folder / f"{TABLE}.parquet") as partial:
            table.write_parquet(partial)
        with written_whole(self.folder / f"{TABLE}.csv") as partial:
            table.with_columns(pl.col("kept").cast(pl.List(pl.String)).list.join(" ")).write_csv(partial)
        write_json(self.folder / f"{TABLE}.json", {"axes": list(self.axes), "rows": self.rows()})


def _outcome(folder: Path, name: str, run: Mapping[str, Any], error: str) -> Outcome:
    result = None if error else _result_of(folder / RUNS / name, run["key"])
    status: Status = "failed" if error else "unfinished" if result is None else "finished"
    return Outcome(name=name, variant=run["variant"], values=run["values"], status=status, error=error, result=result)


def _result_of(folder: Path, key: str) -> RunResult | None:
    """Return a run's result; None if it is not there, damaged, or one of other settings."""
    try:
        result = RunResult.load(folder)
    except DataError:
        return None
    return result if key_of(result.config) == key else None


def _rows(outcome: Outcome) -> Iterator[dict[str, Any]]:
    state = {"status": outcome.status, "error": outcome.error or None}
    start = {"run": outcome.name, "variant": outcome.variant or None, **outcome.values, **state}
    if outcome.result is None:
        yield {**start, **dict.fromkeys(["model", "selected_by", "parameters", "kept", "layers", *_SPEED, *_SIZES])}
        return
    for model in outcome.result.metrics:
        yield {**start, "model": model, **_facts(outcome.result, model), **_figures(outcome.result, model)}


def _facts(result: RunResult, model: str) -> dict[str, Any]:
    speed, sizes = result.cost.get("speed", {}).get(model, {}), result.cost.get("sizes", {}).get(model, {})
    return {
        "selected_by": result.selected_by,
        "parameters": result.parameters_by_model().get(model),
        "kept": _kept(result, model),
        "layers": result.selection["of"],
        **{name: speed.get(name) for name in _SPEED},
        **{name: sizes.get(name) for name in _SIZES},
    }


def _kept(result: RunResult, model: str) -> list[int] | None:
    """Return the teacher's layers in a model that was made of it, compressed or not; None for others."""
    steps = {f"step-{number}": step["kept"] for number, step in enumerate(result.selection.get("steps", ()), 1)}
    last = dict.fromkeys(("student", "pruned"), result.selection["kept"])
    kept = {**steps, **last, "teacher": range(result.selection["of"])}.get(model.partition(" ")[0])
    return None if kept is None else list(kept)


def _figures(result: RunResult, model: str) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for metric, value in result.metrics[model].items():
        low, high = result.intervals.get(model, {}).get(metric) or (None, None)
        figures |= {metric: value, f"{metric}/low": low, f"{metric}/high": high}
    return figures


def _schema(names: Mapping[str, None]) -> dict[str, Any]:
    import polars as pl

    texts = dict.fromkeys(("run", "variant", "status", "error", "model", "selected_by"), pl.String)
    known = {**texts, "parameters": pl.Int64, "kept": pl.List(pl.Int64), "layers": pl.Int64}
    known |= dict.fromkeys(_SIZES, pl.Int64)
    return {name: known.get(name, pl.Float64) for name in names}


def _type_of(values: list[Any]) -> Any:
    """Return the type of an axis's column: that of its values, a number where they are whole and not, else a text."""
    import polars as pl

    types = {type(value) for value in values if value is not None}
    numbers = {frozenset({bool}): pl.Boolean, frozenset({int}): pl.Int64, frozenset({float}): pl.Float64}
    return pl.Float64 if types == {int, float} else numbers.get(frozenset(types), pl.String)


def _fitted(value: Any, kind: Any) -> Any:
    import polars as pl

    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if kind == pl.String else float(value) if kind == pl.Float64 else value
