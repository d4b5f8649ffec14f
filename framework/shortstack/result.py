"""Results of a run: ``result.json``, the one file that a report or another program needs to read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, Self, TypedDict

import attrs

from shortstack.boundaries import refuse_text
from shortstack.contracts.headlines import HEADLINES, SELECTED_BY, formatted_metric
from shortstack.digests import checked_object, read_record, require_whole, with_digest
from shortstack.errors import DataError, NonFiniteError, SourceNotFoundError, UnknownNameError
from shortstack.files import written_whole
from shortstack.html_table import escaped, table_of_values
from shortstack.run_layout import CASES, EVALUATION, RECORD, REPORT, RESULT, STUDENT

if TYPE_CHECKING:
    import polars as pl
    import torch

    from shortstack.recommender import Recommender

SCHEMA = 1

Metrics = Mapping[str, Mapping[str, float | None]]
Intervals = Mapping[str, Mapping[str, Sequence[float] | None]]


TrainingPoint = Mapping[str, float | None]
"""Point of a training curve: ``step``, ``seconds``, ``loss``, and the selecting metric on the validation users; None if
not measured at this step.

For each loss also ``loss/NAME``, ``weight/NAME`` (its multiplier) and, if measured, ``gradient_norm/NAME``: means since
the point before."""


class CostRecord(TypedDict, total=False):
    """Cost of a run.

    ``seconds`` by stage; ``training``, one curve per trained model; ``work``, by trained model: seconds, steps,
    examples, tokens per second, floating-point operations; ``precision`` of the arithmetic, by trained model;
    ``peak_memory_bytes`` of the processes that ran the stages, 0 if their version did not record it; ``speed`` on test
    users, by model: ``ms_per_user_1``, milliseconds for one user alone (the median), ``ms_per_user_32``, milliseconds
    per user in batches of 32, and ``users_per_second`` in such batches; ``sizes``, by model: ``disk_bytes`` of its file of
    weights, ``memory_bytes`` of the weights, and ``sparse_bytes`` of the file without the zeros of a sparse model.
    """

    seconds: Mapping[str, float]
    training: Mapping[str, Sequence[TrainingPoint]]
    work: Mapping[str, Mapping[str, float]]
    precision: Mapping[str, str]
    peak_memory_bytes: int
    speed: Mapping[str, Mapping[str, float]]
    sizes: Mapping[str, Mapping[str, int]]


class StepRecord(TypedDict):
    """Step of a schedule: the teacher's kept layers, the reason, the number of passes, its student's parameters."""

    kept: Sequence[int]
    reason: str
    forwards: int
    parameters: int


class SelectionRecord(TypedDict):
    """The kept layers, as ``shortstack.contracts.Selection``, and the earlier steps of a schedule."""

    strategy: str
    budget: str
    kept: Sequence[int]
    of: int
    reason: str
    forwards: NotRequired[int]
    steps: NotRequired[Sequence[StepRecord]]


class Parameters(TypedDict):
    """Numbers of parameters; the body is all but embeddings and output rows, shared storage counts once."""

    teacher: int
    student: int
    teacher_body: int
    student_body: int


class BaselineRecord(TypedDict):
    """Trained baseline: its chosen setting, its number of parameters, and all settings that were tried.

    Each of those has the selecting metric on the validation cases, the steps, and the seconds of its training.
    """

    setting: Mapping[str, float]
    parameters: int
    tried: Sequence[Mapping[str, float]]


@attrs.frozen(kw_only=True, slots=False)
class RunResult:
    """Content of ``result.json``, in its order; a ``digest`` of all ends the file.

    Attributes:
        schema: Version of the file format.
        shortstack: Version of shortstack that wrote it.
        plugins: Full name → version of every plugin component that was used.
        config: All settings of the run, defaults included.
        environment: Machine, device, versions.
        data: Facts about the data, before and after filtering.
        cost: Seconds per stage, training curves, throughput, memory.
        verdict: The outcome in plain words, one statement per line.
        importance: Scorer → one score per layer.
        audit: Agreement of the scorers, and their cost.
        selection: The kept layers, and the reason.
        parameters: Numbers of parameters of teacher and student.
        metrics: Method → metric → value; ``"ndcg@10/tail"`` is a metric on a slice of the cases. None: undefined.
        intervals: The same with ``[low, high]``, 95 %, bootstrapped over users.
        comparisons: ``"student/teacher"`` (ratio) or ``"student-scratch"`` (difference) → metric → [value, low, high].
        headlines: ``metrics``, the compared ones, and ``selected_by``, the one that the verdict is about.
        calibration: Method → ``bins`` (``confidence``, ``accuracy``, ``cases``) and ``error``, of models that give
            probabilities of ratings.
        cases: How many test cases were ``evaluated``, of how many ``users``; where the catalogue is ranked also whether items of the history were
            candidates (``seen``), how many of all had a target among them (``repeats``), were ``left_out`` for that, and
            had no history.
        baselines: Each baseline that was trained: its chosen setting, its size, and all settings that were tried.
        folder: Where it was written to or read from, which the file does not hold.
    """

    schema: int = SCHEMA
    shortstack: str
    plugins: Mapping[str, str]
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    data: Mapping[str, Any]
    cost: CostRecord
    verdict: str
    importance: Mapping[str, Sequence[float]]
    audit: Mapping[str, Any]
    selection: SelectionRecord
    parameters: Parameters
    metrics: Metrics
    intervals: Intervals
    comparisons: Intervals
    headlines: Mapping[str, Any] = attrs.field(factory=lambda: {"metrics": list(HEADLINES), "selected_by": SELECTED_BY})
    calibration: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    cases: Mapping[str, Any] = attrs.field(factory=dict)
    baselines: Mapping[str, BaselineRecord] = attrs.field(factory=dict)
    folder: ClassVar[Path | None] = None

    @property
    def selected_by(self) -> str:
        """Metric by which models were selected."""
        return str(self.headlines["selected_by"])

    def student(self, *, device: "str | torch.device | None" = None) -> "Recommender":
        """Load the student, which recommends items.

        Raises:
            SourceNotFoundError: The run's folder is not known, or the student is no longer in it.
        """
        from shortstack.recommender import Recommender

        return Recommender.from_pretrained(self._folder() / STUDENT, device=device)

    @property
    def report(self) -> Path:
        """Path of the page with tables and figures.

        Raises:
            SourceNotFoundError: The run's folder is not known.
        """
        return self._folder() / REPORT

    def parameters_by_model(self) -> dict[str, int]:
        """Return the number of parameters of each evaluated model; baselines that are not trained have none."""
        small = dict.fromkeys(("student", "pruned", "scratch"), self.parameters["student"])
        steps = {f"step-{number}": step["parameters"] for number, step in enumerate(self.selection.get("steps", ()), 1)}
        trained = {name: baseline["parameters"] for name, baseline in self.baselines.items()}
        sizes = {"teacher": self.parameters["teacher"], **small, **steps, **trained}
        return {name: size for name, size in sizes.items() if name in self.metrics}

    def __repr__(self) -> str:
        """Return the folder and the first statement of the verdict; all else is a long text."""
        return f"RunResult({str(self.folder)!r}): {''.join(self.verdict.splitlines()[:1])}"

    def _repr_html_(self) -> str:
        """Return the verdict and a small table of the headline metrics, for a notebook."""
        shown = self.headlines["metrics"]
        sizes = self.parameters_by_model()
        rows = (
            (method, f"{sizes[method]:,}" if method in sizes else "", *(_rounded(values.get(name)) for name in shown))
            for method, values in self.metrics.items()
        )
        verdict = "<br>".join(map(escaped, self.verdict.splitlines()))
        head = ("", "parameters", *map(formatted_metric, shown))
        return f"<p>{verdict}</p>{table_of_values(head, rows)}"

    def metrics_table(self) -> "pl.DataFrame":
        """Return rows of ``method``, ``metric``, ``value``, and the interval's ``low`` and ``high``."""
        import polars as pl

        rows = [
            (method, metric, value, *(self.intervals.get(method, {}).get(metric) or (None, None)))
            for method, values in self.metrics.items()
            for metric, value in values.items()
        ]
        schema = {"method": pl.String, "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def case_values(self, models: "Sequence[str] | None" = None) -> "pl.DataFrame":
        """Return the headline metrics of each model, or baseline, on each test case.

        Columns: ``model``, ``case`` (number in this run), ``user`` (a key that runs of other seeds have too, from the user's
        history alone), and one for each metric: the value of which the result has the mean; null where the case does not
        count. Of ``rmse`` it is the squared error, and the result has the root of the mean.

        Args:
            models: Names of models; None for all.

        Raises:
            SourceNotFoundError: The run's folder is not known, or an earlier version evaluated the run.
            DataError: The cases are damaged, or belong to other settings than the result.
            ConfigurationError: One text is given in place of a list.
            UnknownNameError: There is no such model.
        """
        from shortstack.evaluation.cases import read_cases

        refuse_text("models", models)
        folder = self._folder() / EVALUATION
        for model in models or ():
            if model not in self.metrics:
                raise UnknownNameError(f"model of the run in {self.folder}:", model, self.metrics)
        require_whole(folder)
        if (read_record(folder / RECORD) or {}).get("run", self.config) != self.config:
            raise DataError(
                f"{folder} is of other settings than {folder.parent / RESULT}; run it again with either to finish it"
            )
        return read_cases(folder / CASES, models)

    def located(self, folder: Path) -> Self:
        """Return the same, which knows its folder; no field, for the folder may move and the file does not hold it."""
        object.__setattr__(self, "folder", folder)
        return self

    def _folder(self) -> Path:
        if self.folder is None:
            raise SourceNotFoundError("this result belongs to no folder; read it with RunResult.load(folder)")
        return self.folder

    def save(self, folder: Path) -> Path:
        """Write ``result.json`` into a run's folder, atomically.

        Raises:
            NonFiniteError: A value is NaN or infinite.
            UnwritableError: It cannot be written; an earlier one is kept.
        """
        path = folder / RESULT
        try:
            plain = json.loads(json.dumps(attrs.asdict(self, recurse=False), allow_nan=False))
            text = json.dumps(with_digest(plain), indent=2, ensure_ascii=False)
        except ValueError as error:
            raise NonFiniteError(f"{path} would hold a NaN or infinite value; undefined values are None") from error
        with written_whole(path) as partial:
            # half of a surrogate pair becomes its escape, as JSON has it
            partial.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        return path

    @classmethod
    def load(cls, folder: str | Path) -> "RunResult":
        """Read ``result.json`` from a run's folder.

        Raises:
            SourceNotFoundError: The folder has none.
            DataError: It is not JSON, not as it was written, of another schema, or lacks a key.
        """
        folder = Path(folder)
        path = folder / RESULT
        if not path.is_file():
            raise SourceNotFoundError(f"{path} is not there: the run has not finished, or this is not a run's folder")
        fields = checked_object(path, advice="run again to write it anew")
        schema = fields.get("schema")
        if schema != SCHEMA:
            raise DataError(f"{path} has schema {schema!r}, but this version of shortstack reads schema {SCHEMA} only")
        names = {field.name for field in attrs.fields(cls)}
        needed = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
        wrong = [f"lacks {name!r}" for name in sorted(needed - fields.keys())]
        wrong += [f"has an unknown key {name!r}" for name in sorted(fields.keys() - names)]
        if wrong:
            raise DataError(f"{path} {', '.join(wrong)}; run again to write it anew")
        return cls(**fields).located(folder)


def _rounded(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
