"""Runs: ``execute`` carries out the settings stage by stage, and can be killed and resumed at any time."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from shortstack.config import shorthand
from shortstack.config.budget import Budget
from shortstack.config.run import RunConfig, tables_of_file, tables_of_folder
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.run_layout import DATA

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from shortstack.pipeline.outlook import Outlook
    from shortstack.planning.plan import Forecast
    from shortstack.planning.workload import Histories as Histories  # noqa: PLC0414 -- re-exported for planning
    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.result import RunResult


@attrs.frozen(kw_only=True, init=False)
class Run(RunConfig):
    """Run: its settings, and the operations on it.

    >>> Run(data="ml-100k", teacher="teacher", budget=Budget(keep_layers=2)).selection.keep_layers
    2
    """

    def __init__(
        self,
        *,
        losses: Any = None,
        balancing: Any = None,
        metrics: Any = None,
        baselines: Any = None,
        strategy: Any = None,
        budget: Budget | None = None,
        split: Any = None,
        **tables: Any,
    ) -> None:
        """Set up a run. Wherever a file has a name, the object itself may be passed.

        Args:
            losses: Name → weight, table or loss: the setting of ``distillation``.
            balancing: Method that combines the losses: the setting of ``distillation``.
            metrics: Further metrics: the setting of ``evaluation``.
            baselines: Baselines to evaluate: the setting of ``evaluation``.
            strategy: Strategy that chooses the layers: the setting of ``selection``.
            budget: Limit on what remains of the teacher: the settings of ``selection``.
            split: Split of the data: the setting of ``data``.
            **tables: ``data`` and ``teacher``, and any of ``task``, ``importance``, ``selection``, ``student``,
                ``distillation``, ``evaluation``, ``callbacks``, ``seed`` and ``device``; see ``RunConfig``. Each table
                is a settings object, a mapping of its fields, or in short what its chief setting takes: ``data`` a
                path, a table or ``Records``; ``teacher`` a path, a config, or a model with its tokenizer;
                ``importance`` a list of scorers, the first of which decides unless ``selection`` names another or
                ``"hybrid"`` is among them; ``task`` and ``student`` a name or an object.

        Raises:
            ConfigurationError: A setting is unknown, missing, given twice, or has a wrong value; the message names it.
        """
        amounts = {} if budget is None else shorthand.selection(budget)
        scorer = shorthand.deciding_scorer(tables.get("importance"), tables.get("selection"))
        settings = {
            "data": {"split": split},
            "selection": {"scorer": scorer, "strategy": strategy, **amounts},
            "distillation": {"losses": losses, "balancing": balancing},
            "evaluation": {"metrics": metrics, "baselines": baselines},
        }
        tables = {name: shorthand.in_full(name, table) for name, table in tables.items()}
        for name, fields in settings.items():
            if any(value is not None for value in fields.values()):
                tables[name] = shorthand.merged(tables.get(name), name, fields)
        known = [field.name for field in attrs.fields(RunConfig)]
        unknown = next((name for name in tables if name not in known), None)
        if unknown is not None:
            raise UnknownNameError("setting of a run:", unknown, known)
        missing = next((name for name in ("data", "teacher") if name not in tables), None)
        if missing is not None:
            raise ConfigurationError(f"a run needs the setting {missing!r}")
        self.__attrs_init__(**tables)

    @classmethod
    def from_toml(cls, path: str | Path, overrides: Iterable[str] = (), *, registry: "Registry | None" = None) -> Self:
        """Read a run from a TOML file.

        Args:
            path: The file.
            overrides: ``"table.setting=value"``, as after ``--set``: a text is taken as it is written, any other value is
                ``none`` or TOML; a budget replaces the file's.
            registry: The plugins, which know the types of their settings; by default those of the environment.

        Raises:
            SourceNotFoundError: The file does not exist.
            ConfigurationError: It is not TOML, a setting is wrong, or there is no plugin of the name whose settings are given.
            PluginError: That plugin is broken.
        """
        from shortstack.pipeline.settings_classes import with_overrides

        return cls.from_mapping(with_overrides(tables_of_file(path), overrides, registry))

    @classmethod
    def of_folder(
        cls, folder: str | Path, overrides: Iterable[str] = (), *, registry: "Registry | None" = None
    ) -> Self:
        """Read the run whose results a folder holds.

        Args:
            folder: The folder that ``execute`` wrote to.
            overrides: As for ``from_toml``.
            registry: As for ``from_toml``.

        Raises:
            SourceNotFoundError: The folder holds no run.
            DataError: Its files are damaged.
            ConfigurationError: It was written by another version, whose settings this one does not know; or as for
                ``from_toml``.
            PluginError: As for ``from_toml``.
        """
        from shortstack.pipeline.settings_classes import with_overrides

        stored, given = super().of_folder(folder), list(overrides)
        return cls.from_mapping(with_overrides(tables_of_folder(folder), given, registry)) if given else stored

    def check(
        self, folder: str | Path | None = None, *, registry: "Registry | None" = None, processes: int = 1
    ) -> "Outlook":
        """Check the run as ``execute`` does before any work, read its data, and estimate what is left to do.

        Nothing is written but temporary files, which are removed.

        Args:
            folder: The folder for results, whose finished stages are kept; None for a new one.
            registry: The plugins; by default those of the environment.
            processes: Number of processes that would share the work.

        Raises:
            RunFolderError: The folder holds something else.
            ShortstackError: A setting or the data is wrong, or a model does not fit into memory.
        """
        from shortstack.pipeline.outlook import outlook
        from shortstack.registry import Registry

        root = None if folder is None else Path(folder)
        return outlook(self, root, registry=registry or Registry.from_environment(), processes=processes)

    def prepare(
        self, folder: str | Path, *, registry: "Registry | None" = None, progress: "Progress | None" = None
    ) -> None:
        """Run the data stage alone; ``execute`` in the same folder resumes from there, if the source is unchanged.

        Raises:
            RunFolderError: The folder holds something else, or another process is writing to it.
            ShortstackError: A setting or the data is wrong.
        """
        from shortstack.pipeline.runner import prepare

        prepare(self, Path(folder), registry=registry, progress=progress)

    def execute(
        self,
        folder: str | Path,
        *,
        registry: "Registry | None" = None,
        progress: "Progress | None" = None,
        keep: bool = False,
    ) -> "RunResult":
        """Run every stage that is not already done in ``folder``; finished, unchanged stages are kept.

        Args:
            folder: The folder for results: a new one, or one that an earlier run wrote.
            registry: The plugins; by default those of the environment.
            progress: Receiver of reports; by default the console in a terminal or a notebook, and none elsewhere.
            keep: True to keep a result of other settings in the folder as ``FOLDER@KEY``: its figures, report and
                student. By default the new one replaces it.

        Returns:
            The content of ``folder/result.json``, with the folder. The process's random states are unchanged.

        Raises:
            RunFolderError: The folder holds something else, or another process is writing to it.
            ShortstackError: A setting or the data is wrong; finished stages stay.
        """
        from shortstack.pipeline.runner import execute

        return execute(self, Path(folder), registry=registry, progress=progress, keep=keep)

    @property
    def learns_items(self) -> bool:
        """True if each item becomes a token that the teacher is yet to learn; else it knows them, or reads words."""
        from shortstack.teachers.items import learns_items

        return learns_items(self)

    def histories(self, *, registry: "Registry | None" = None) -> "Histories | None":
        """Return the data, read and split, for ``forecast``; None if they are not available here.

        Raises:
            ShortstackError: They cannot be read.
        """
        from shortstack.planning.workload import Histories, is_here

        if not is_here(self):
            return None
        with tempfile.TemporaryDirectory() as folder:
            self.prepare(folder, registry=registry)
            return Histories.load(Path(folder) / DATA, self)

    def count_items(self, *, registry: "Registry | None" = None) -> int | None:
        """Return the number of items after all filters, plus ratings where the model learns those; reads the data.

        None if the data are not available here.

        Raises:
            ShortstackError: They cannot be read.
        """
        histories = self.histories(registry=registry)
        return None if histories is None else histories.rows(self)

    def teacher_config(self, *, items: int | None = None, model: Path | None = None) -> "PreTrainedConfig":
        """Return the teacher's config, in float32, with a row for each item if items are tokens; needs no weights.

        Args:
            items: Number of items; by default none are counted, or hardly any for a teacher that knows nothing else.
            model: A folder or a ``config.json`` of the teacher's shape, if ``teacher.path`` is not available here.

        Raises:
            SourceNotFoundError: ``teacher.path`` does not exist.
            DataError: It is not the config of a model that transformers supports.
            ConfigurationError: No model can be made of ``teacher.config``.
        """
        from shortstack.teachers.config import teacher_config

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
        processes: int = 1,
    ) -> "list[Forecast]":
        """Estimate the time and memory of each stage; needs no weights.

        Args:
            config: The teacher's config before it learns items, for example from ``teacher_config``.
            users: Number of users, if the data are not available here.
            items: Number of items, if the data are not available here.
            tflops: TFLOP/s that the machine reaches in training; by default measured on this one, with a few layers of
                random weights.
            registry: The plugins; by default those of the environment.
            data: The result of ``histories``, if it was read already.
            processes: Number of processes that share the work; memory is that of each.

        Raises:
            ConfigurationError: The model is too large to be timed here, or users are given though the data are
                available.
            SourceNotFoundError: The data are not available, and their size is not given.
        """
        from shortstack.planning.forecast import Forecaster
        from shortstack.registry import Registry

        registry = registry or Registry.from_environment()
        data = data or self.histories(registry=registry)
        forecaster = Forecaster.of(
            self,
            config,
            registry=registry,
            users=users,
            items=items,
            tflops=tflops,
            data=data,
            processes=processes,
        )
        return list(forecaster.stages())

    def audit(
        self, folder: str | Path, *, registry: "Registry | None" = None, progress: "Progress | None" = None
    ) -> "RunResult":
        """Execute the run, and audit each scorer: its agreement with the oracle, its choice's loss before distillation.

        The audit goes into ``result.json`` and the report, and is kept while teacher, scores and selection are
        unchanged.

        Raises:
            RunFolderError: The folder holds something else, or another process is writing to it.
            ShortstackError: A setting or the data is wrong; finished stages stay.
        """
        from shortstack.pipeline.runner import audit

        return audit(self, Path(folder), registry=registry, progress=progress)
