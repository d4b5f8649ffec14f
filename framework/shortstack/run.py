"""One run: what to do, as a value; ``execute`` does it, stage by stage, and can be killed and resumed at any time."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.files import read_json
from shortstack.run_settings import (
    DataSettings,
    DistillationSettings,
    EvaluationSettings,
    ImportanceSettings,
    SelectionSettings,
    StudentSettings,
    TaskSettings,
    TeacherSettings,
)
from shortstack.selection.budgets import BUDGETS, with_full_names
from shortstack.settings import overridden, structure, unstructure

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.result import RunResult
    from shortstack.stages.extent import Histories as Histories  # noqa: PLC0414 -- for whoever plans
    from shortstack.stages.forecast import Forecast


def _data(given: DataSettings | Mapping[str, Any]) -> DataSettings:
    return structure(DataSettings, given, "data")


def _teacher(given: TeacherSettings | Mapping[str, Any]) -> TeacherSettings:
    return structure(TeacherSettings, given, "teacher")


def _task(given: TaskSettings | Mapping[str, Any]) -> TaskSettings:
    return structure(TaskSettings, given, "task")


def _importance(given: ImportanceSettings | Mapping[str, Any]) -> ImportanceSettings:
    return structure(ImportanceSettings, given, "importance")


def _selection(given: SelectionSettings | Mapping[str, Any]) -> SelectionSettings:
    return structure(SelectionSettings, with_full_names(given) if isinstance(given, Mapping) else given, "selection")


def _student(given: StudentSettings | Mapping[str, Any]) -> StudentSettings:
    return structure(StudentSettings, given, "student")


def _distillation(given: DistillationSettings | Mapping[str, Any]) -> DistillationSettings:
    return structure(DistillationSettings, given, "distillation")


def _evaluation(given: EvaluationSettings | Mapping[str, Any]) -> EvaluationSettings:
    return structure(EvaluationSettings, given, "evaluation")


def _changed(tables: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """The tables with some values set as on the command line; a budget that is set is the only one."""
    chosen = overridden({}, overrides).get("selection", {})
    budgets = with_full_names(chosen).keys() & BUDGETS if isinstance(chosen, Mapping) else set()
    selection = tables.get("selection")
    if budgets and isinstance(selection, Mapping):
        others = {name: value for name, value in with_full_names(selection).items() if name not in BUDGETS}
        tables = {**tables, "selection": others}
    return overridden(tables, overrides)


@attrs.frozen(kw_only=True)
class Run:
    """Everything a run depends on. Each table is a settings object or a mapping of its fields.

    >>> Run(data={"source": "ml-100k"}, teacher={"path": "teacher"}).data.core
    5
    """

    data: DataSettings = attrs.field(converter=_data)
    teacher: TeacherSettings = attrs.field(converter=_teacher)
    task: TaskSettings = attrs.field(factory=TaskSettings, converter=_task)
    importance: ImportanceSettings = attrs.field(factory=ImportanceSettings, converter=_importance)
    selection: SelectionSettings = attrs.field(factory=lambda: SelectionSettings(keep_ratio=0.25), converter=_selection)
    student: StudentSettings = attrs.field(factory=StudentSettings, converter=_student)
    distillation: DistillationSettings = attrs.field(factory=DistillationSettings, converter=_distillation)
    evaluation: EvaluationSettings = attrs.field(factory=EvaluationSettings, converter=_evaluation)
    seed: int = attrs.field(default=0, validator=[attrs.validators.ge(0), attrs.validators.lt(2**32)])
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def from_mapping(cls, tables: Mapping[str, Any]) -> "Run":
        """A run from nested tables, as in a TOML file.

        Raises:
            ConfigurationError: A setting is unknown, missing or has a wrong value; the message names it.
        """
        selection = tables.get("selection")
        named = {"selection": with_full_names(selection)} if isinstance(selection, Mapping) else {}
        return structure(cls, {**tables, **named}, "run")

    @classmethod
    def from_toml(cls, path: str | Path, overrides: Iterable[str] = ()) -> "Run":
        """A run from a TOML file.

        Args:
            path: The file.
            overrides: ``"table.setting=value"``, where the value is TOML, or ``none``, or else a text; a budget takes the
                place of the file's.

        Raises:
            SourceNotFoundError: The file is not there.
            ConfigurationError: It is not TOML, or a setting is wrong.
        """
        try:
            tables = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))  # some editors begin with a mark
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"{path} is not there; name a run's TOML file") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
            raise ConfigurationError(f"{path} is not a TOML file: {error}") from error
        return cls.from_mapping(_changed(tables, overrides))

    def to_json(self) -> str:
        """All settings, defaults included; ``from_mapping(json.loads(…))`` gives an equal run."""
        return json.dumps(unstructure(self), indent=2, default=str)

    def to_mapping(self) -> dict[str, Any]:
        """The same as plain lists, mappings and scalars."""
        settings: dict[str, Any] = json.loads(self.to_json())
        return settings

    def prepare(
        self, folder: str | Path, *, registry: "Registry | None" = None, progress: "Progress | None" = None
    ) -> None:
        """Run the data stage alone; ``execute`` in the same folder goes on from there, if the source is as it was.

        Raises:
            RunFolderError: The folder holds something else, or another process is writing to it.
            ShortstackError: A setting or the data is wrong.
        """
        from shortstack.stages import prepare

        prepare(self, Path(folder), registry=registry, progress=progress)

    def execute(
        self,
        folder: str | Path,
        *,
        registry: "Registry | None" = None,
        progress: "Progress | None" = None,
        keep: bool = False,
    ) -> "RunResult":
        """Run every stage that is not already done in ``folder``; what is done and unchanged is kept.

        Args:
            folder: Where results go; new, or one that an earlier run wrote.
            registry: The plugins; by default those of the environment.
            progress: Where to report to; by default nowhere.
            keep: Where the folder holds the result of other settings, keep that beside, as ``FOLDER@KEY``: its figures,
                report and student. By default the new one replaces it.

        Returns:
            What ``folder/result.json`` holds.

        Raises:
            RunFolderError: The folder holds something else, or another process is writing to it.
            ShortstackError: A setting or the data is wrong; finished stages stay.
        """
        from shortstack.stages import execute

        return execute(self, Path(folder), registry=registry, progress=progress, keep=keep)

    @property
    def learns_items(self) -> bool:
        """Whether each item becomes a token that the teacher is yet to learn; else it knows them, or reads words."""
        from shortstack.stages.pretrained import learns_items

        return learns_items(self)

    def histories(self, *, registry: "Registry | None" = None) -> "Histories | None":
        """The data, read and split, for ``forecast``; None where they are not here.

        Raises:
            ShortstackError: They cannot be read.
        """
        from shortstack.registry import Registry
        from shortstack.stages.extent import Histories, is_here

        return Histories.of(self, registry or Registry.from_environment()) if is_here(self) else None

    def count_items(self, *, registry: "Registry | None" = None) -> int | None:
        """How many items the data hold after all filters, and ratings where the model learns those as well; they are read.

        None where the data are not here.

        Raises:
            ShortstackError: They cannot be read.
        """
        found = self.histories(registry=registry)
        return None if found is None else found.rows(self)

    def teacher_config(self, *, items: int | None = None, model: Path | None = None) -> "PreTrainedConfig":
        """The config of the teacher, in float32, with a row for each item where items are tokens; no weights are needed.

        Args:
            items: How many there are; by default none are counted, or hardly any for a teacher that knows nothing else.
            model: A folder or a ``config.json`` of the teacher's shape, where ``teacher.path`` is not here.

        Raises:
            SourceNotFoundError: ``teacher.path`` is not there.
            DataError: It is no config of a model that transformers knows.
            ConfigurationError: No model can be made of ``teacher.config``.
        """
        from shortstack.stages.teacher_config import teacher_config

        return teacher_config(self, items=items, model=model)

    def forecast(
        self,
        config: "PreTrainedConfig",
        *,
        users: int | None = None,
        items: int | None = None,
        tflops: float | None = None,
        registry: "Registry | None" = None,
        data: "Histories | None" = None,
    ) -> "list[Forecast]":
        """What each stage will take, in seconds and in memory; no weights are needed.

        Args:
            config: The teacher's before it learns items, for example from ``teacher_config``.
            users: How many there are, where the data are not here.
            items: How many there are, where the data are not here.
            tflops: How many million million operations a second the machine reaches in training; by default this one's
                speed is measured, on a few layers with made-up weights.
            registry: The plugins; by default those of the environment.
            data: What ``histories`` gave, if it was read already.

        Raises:
            ConfigurationError: The model is too large to be timed here, or users are told though the data are here.
            SourceNotFoundError: The data are not here, and nothing says how large they are.
        """
        from shortstack.registry import Registry
        from shortstack.stages.forecast import forecast

        registry = registry or Registry.from_environment()
        return forecast(self, config, registry=registry, users=users, items=items, tflops=tflops, data=data)

    def audit(
        self, folder: str | Path, *, registry: "Registry | None" = None, progress: "Progress | None" = None
    ) -> "RunResult":
        """``execute``, and how far each scorer agrees with the oracle: what its choice costs before distillation.

        The audit goes into ``result.json`` and the report, and stays there while teacher, scores and selection do.

        Raises:
            RunFolderError: The folder holds something else, or another process is writing to it.
            ShortstackError: A setting or the data is wrong; finished stages stay.
        """
        from shortstack.stages import audit

        return audit(self, Path(folder), registry=registry, progress=progress)

    @classmethod
    def of_folder(cls, folder: str | Path, overrides: Iterable[str] = ()) -> "Run":
        """The run whose results a folder holds.

        Args:
            folder: What ``execute`` wrote to.
            overrides: As for ``from_toml``.

        Raises:
            SourceNotFoundError: It holds none.
            DataError: What it holds is damaged.
            ConfigurationError: It was written by another version, and its settings are none of this one's.
        """
        path = Path(folder) / "run.json"
        if not path.is_file():
            raise SourceNotFoundError(
                f"{folder} is no run's folder: it holds no run.json; name one that shortstack run wrote"
            )
        return cls.from_mapping(_changed(read_json(path), overrides))
