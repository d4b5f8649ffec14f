"""All settings of a run as one value: read from a TOML file, a mapping, or the folder of an earlier run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import attrs

from shortstack.boundaries import read_as
from shortstack.config.budget import BUDGETS, with_full_names
from shortstack.config.given import Given
from shortstack.config.overrides import Classes, overridden
from shortstack.config.reader import structure, validated
from shortstack.config.run_tables import (
    DataSettings,
    DistillationSettings,
    EvaluationSettings,
    ImportanceSettings,
    SelectionSettings,
    StudentSettings,
    TaskSettings,
    TeacherSettings,
)
from shortstack.config.toml import toml_tables
from shortstack.config.training import FitSettings
from shortstack.config.writer import unstructure
from shortstack.digests import checked_object
from shortstack.errors import ConfigurationError, SourceNotFoundError
from shortstack.run_layout import RUN


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


def changed(tables: Mapping[str, Any], overrides: Sequence[str], classes: Classes | None = None) -> dict[str, Any]:
    """Return the tables with values set as on the command line; a budget set there replaces the others, ``none`` its own.

    Args:
        tables: The tables of a run.
        overrides: As for ``overridden``.
        classes: The classes of the settings in all tables; by default those that every run has.
    """
    classes = classes or {(): lambda: RunConfig}
    chosen = overridden({}, overrides, classes).get("selection", {})
    named = with_full_names(chosen) if isinstance(chosen, Mapping) else {}
    is_chosen = any(named.get(name) is not None for name in BUDGETS)
    replaced = BUDGETS if is_chosen else named.keys() & BUDGETS
    selection = tables.get("selection")
    if isinstance(selection, Mapping):
        others = {name: value for name, value in with_full_names(selection).items() if name not in replaced}
        tables = {**tables, "selection": others}
    return overridden(tables, overrides, classes)


def tables_of_file(path: str | Path) -> dict[str, Any]:
    """Read the tables of a run's TOML file.

    Raises:
        SourceNotFoundError: The file does not exist.
        ConfigurationError: It is no file, or not TOML.
    """
    # a device or a pipe may have no end
    if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
        raise ConfigurationError(f"{path} is no plain file; name a run's TOML file")
    try:
        return toml_tables(Path(path).read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} is not there; name a run's TOML file") from error
    except (ValueError, IsADirectoryError) as error:
        raise ConfigurationError(f"{path} is not a TOML file: {error}") from error


def tables_of_folder(folder: str | Path) -> dict[str, Any]:
    """Read the tables of the run whose results a folder holds.

    Raises:
        SourceNotFoundError: The folder holds no run.
        DataError: The file of its settings is damaged.
    """
    path = Path(folder) / RUN
    if not path.is_file():
        raise SourceNotFoundError(f"{folder} is no run's folder: it holds no {RUN}; name one that shortstack run wrote")
    return checked_object(path, advice="run it again with the file of its settings, which writes it anew")


@attrs.frozen(kw_only=True, field_transformer=validated(""))
class RunConfig:
    """Settings of a run. Each table is a settings object or a mapping of its fields.

    Attributes:
        data: The interactions.
        teacher: The large model.
        task: The task of the models.
        importance: The measurement of the layers.
        selection: The choice of the layers to keep.
        student: The architecture of the small model.
        distillation: The training of the student by the teacher.
        evaluation: The comparison of the models.
        callbacks: Further ``transformers`` callbacks for every training: ``module:attribute`` or, in Python, objects.
        seed: Seed of all random draws.
        device: Device of the models.
    """

    data: DataSettings = attrs.field(converter=_data)
    teacher: TeacherSettings = attrs.field(converter=_teacher)
    task: TaskSettings = attrs.field(factory=TaskSettings, converter=_task)
    importance: ImportanceSettings = attrs.field(factory=ImportanceSettings, converter=_importance)
    selection: SelectionSettings = attrs.field(factory=SelectionSettings, converter=_selection)
    student: StudentSettings = attrs.field(factory=StudentSettings, converter=_student)
    distillation: DistillationSettings = attrs.field(factory=DistillationSettings, converter=_distillation)
    evaluation: EvaluationSettings = attrs.field(factory=EvaluationSettings, converter=_evaluation)
    callbacks: tuple[str | Given, ...] = ()
    seed: int = attrs.field(default=0, validator=[attrs.validators.ge(0), attrs.validators.lt(2**32)])
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def from_mapping(cls, tables: Mapping[str, Any]) -> Self:
        """Build a run from nested tables, as in a TOML file.

        Raises:
            ConfigurationError: A setting is unknown, missing or has a wrong value; the message names it.
        """
        selection = tables.get("selection")
        named = {"selection": with_full_names(selection)} if isinstance(selection, Mapping) else {}
        return structure(cls, {**tables, **named}, "")

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a run from a TOML file.

        Raises:
            SourceNotFoundError: The file does not exist.
            ConfigurationError: It is not TOML, or a setting is wrong.
        """
        return cls.from_mapping(tables_of_file(path))

    def to_json(self) -> str:
        """Return all settings, defaults included; ``from_mapping(json.loads(…))`` gives an equal run."""
        return json.dumps(unstructure(self), indent=2, default=str)

    def to_mapping(self) -> dict[str, Any]:
        """Return all settings as plain lists, mappings and scalars."""
        settings: dict[str, Any] = json.loads(self.to_json())
        return settings

    @classmethod
    def of_folder(cls, folder: str | Path) -> Self:
        """Read the run whose results a folder holds.

        Raises:
            SourceNotFoundError: The folder holds no run.
            DataError: Its files are damaged.
            ConfigurationError: It was written by another version, whose settings this one does not know.
        """
        tables = tables_of_folder(folder)
        with read_as(Path(folder) / RUN, "holds no settings of a run"):
            return cls.from_mapping(tables)

    @property
    def teacher_fit(self) -> FitSettings | None:
        """Settings of the teacher's training; None leaves the teacher as it is."""
        return self.teacher.fit or (FitSettings() if self.teacher.path is None else None)

    @property
    def keeps_new_items(self) -> bool:
        """True if tokens of new items keep their initial rows, in the teacher and in its students."""
        return self.teacher.items.new == "kept"

    @property
    def is_sharded(self) -> bool:
        """True if several processes divide models among them, in any training."""
        return any(fit is not None and fit.parallel == "fsdp" for fit in (self.teacher.fit, self.distillation.fit))

    @property
    def untracked(self) -> Self:
        """The same run without trackers and processes: what its results depend on."""
        teacher, distillation = self.teacher, self.distillation
        if teacher.fit is not None:
            teacher = attrs.evolve(teacher, fit=attrs.evolve(teacher.fit, report_to=(), parallel="ddp"))
        fit = attrs.evolve(distillation.fit, report_to=(), parallel="ddp")
        return attrs.evolve(self, teacher=teacher, distillation=attrs.evolve(distillation, fit=fit))

    @property
    def trackers(self) -> tuple[str, ...]:
        """The trackers of any training, each once."""
        teachers = self.teacher.fit.report_to if self.teacher.fit is not None else ()
        return tuple(dict.fromkeys((*teachers, *self.distillation.fit.report_to)))

    def scratch_fit(self, examples: int) -> FitSettings:
        """Return the settings of the baseline trained from scratch: as long as its rival, and never stopped early.

        The learning rate is the one that suits fresh weights: the teacher's.

        Args:
            examples: Number of examples that went into the student, with its teachers' trainings if done in this run.
        """
        student_fit, fresh = self.distillation.fit, self.teacher.fit or self.distillation.fit
        return attrs.evolve(
            student_fit,
            steps=max(1, examples // student_fit.batch_size),
            learning_rate=fresh.learning_rate,
            warmup_steps=min(fresh.warmup_steps, examples // student_fit.batch_size - 1),
            patience=0,
            lora=None,  # fresh layers have nothing to adapt
        )
