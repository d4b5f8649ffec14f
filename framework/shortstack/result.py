"""Results of a run: ``result.json``, the one file that a report or another program needs to read."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, Self, TypedDict

import attrs

from shortstack.contracts.headlines import HEADLINES, SELECTED_BY
from shortstack.errors import DataError, NonFiniteError, SourceNotFoundError
from shortstack.run_layout import REPORT, RESULT, STUDENT

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
None if not measured at this step.
None where something was not measured at this step."""


class CostRecord(TypedDict, total=False):
    """Cost of a run.

    ``seconds`` by stage; ``training``, one curve per trained model; ``work``, by trained model: seconds, steps,
    examples, tokens per second, floating-point operations; ``precision`` of the arithmetic, by trained model;
    ``peak_memory_bytes`` of the processes that ran the stages, 0 if their version did not record it; ``speed`` on test
    users, by model: ``ms_per_user_1``, milliseconds for one user alone (the median), ``ms_per_user_32``, milliseconds
    per user in batches of 32, and ``users_per_second`` in such batches.
    """

    seconds: Mapping[str, float]
    training: Mapping[str, Sequence[TrainingPoint]]
    work: Mapping[str, Mapping[str, float]]
    precision: Mapping[str, str]
    peak_memory_bytes: int
    speed: Mapping[str, Mapping[str, float]]


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


@attrs.frozen(kw_only=True, slots=False)
class RunResult:
    """Content of ``result.json``, in its order.

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
        """
        path, unfinished = folder / RESULT, folder / f".{RESULT}.unfinished"
        try:
            fields = attrs.asdict(self, recurse=False)
            text = json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            raise NonFiniteError(f"{path} would hold a NaN or infinite value; undefined values are None") from error
        unfinished.write_text(text + "\n", encoding="utf-8")
        os.replace(unfinished, path)  # noqa: PTH105 -- says "replace" on every system
        return path

    @classmethod
    def load(cls, folder: str | Path) -> "RunResult":
        """Read ``result.json`` from a run's folder.

        Raises:
            SourceNotFoundError: The folder has none.
            DataError: It is not JSON, of another schema, or lacks a key.
        """
        folder = Path(folder)
        path = folder / RESULT
        if not path.is_file():
            raise SourceNotFoundError(f"{path} is not there: the run has not finished, or this is not a run's folder")
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise DataError(f"{path}:{error.lineno}: not JSON ({error.msg}); run again to write it anew") from error
        schema = fields.get("schema") if isinstance(fields, dict) else None
        if schema != SCHEMA:
            raise DataError(f"{path} has schema {schema!r}, but this version of shortstack reads schema {SCHEMA} only")
        names = {field.name for field in attrs.fields(cls)}
        needed = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
        wrong = [f"lacks {name!r}" for name in sorted(needed - fields.keys())]
        wrong += [f"has an unknown key {name!r}" for name in sorted(fields.keys() - names)]
        if wrong:
            raise DataError(f"{path} {', '.join(wrong)}; run again to write it anew")
        return cls(**fields).located(folder)
