"""One run: ``execute`` does what its settings say, stage by stage, and can be killed and resumed at any time."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from shortstack.config import shorthand
from shortstack.config.budget import Budget
from shortstack.config.run import RunConfig
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.run_layout import DATA

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from shortstack.planning.plan import Forecast
    from shortstack.planning.workload import Histories as Histories  # noqa: PLC0414 -- for whoever plans
    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.result import RunResult


@attrs.frozen(kw_only=True, init=False)
class Run(RunConfig):
    """Everything a run depends on, and what can be done with it.

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
        """Describe a run. Wherever a file has a name, the object itself may be given.

        Args:
            losses: Name → weight, table or loss: the setting of ``distillation``.
            balancing: How losses become one: the setting of ``distillation``.
            metrics: More metrics: the setting of ``evaluation``.
            baselines: Which baselines: the setting of ``evaluation``.
            strategy: How layers are chosen: the setting of ``selection``.
            budget: How much may remain: the settings of ``selection``.
            split: How the data are divided: the setting of ``data``.
            **tables: ``data`` and ``teacher``, and any of ``task``, ``importance``, ``selection``, ``student``,
                ``distillation``, ``evaluation``, ``callbacks``, ``seed`` and ``device``; see ``RunConfig``. Each table is a
                settings object, a mapping of its fields, or in short what its chief setting takes: ``data`` a path, a table
                or ``Records``; ``teacher`` a path, a config, or a model with its tokenizer; ``importance`` a list of
                scorers, the first of which decides unless ``selection`` names another or ``"hybrid"`` is among them; ``task`` and ``student`` a name or an object.

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
        for name, given in settings.items():
            if any(value is not None for value in given.values()):
                tables[name] = shorthand.merged(tables.get(name), name, given)
        known = [field.name for field in attrs.fields(RunConfig)]
        unknown = next((name for name in tables if name not in known), None)
        if unknown is not None:
            raise UnknownNameError("setting of a run:", unknown, known)
        missing = next((name for name in ("data", "teacher") if name not in tables), None)
        if missing is not None:
            raise ConfigurationError(f"a run needs the setting {missing!r}")
        self.__attrs_init__(**tables)

    def prepare(
        self, folder: str | Path, *, registry: "Registry | None" = None, progress: "Progress | None" = None
    ) -> None:
        """Run the data stage alone; ``execute`` in the same folder goes on from there, if the source is as it was.

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
        """Run every stage that is not already done in ``folder``; what is done and unchanged is kept.

        Args:
            folder: Where results go; new, or one that an earlier run wrote.
            registry: The plugins; by default those of the environment.
            progress: Where to report to; by default the console in a terminal or a notebook, and nowhere elsewhere.
            keep: Where the folder holds the result of other settings, keep that beside, as ``FOLDER@KEY``: its figures,
                report and student. By default the new one replaces it.

        Returns:
            What ``folder/result.json`` holds; it knows the folder. Random states of the process are as before.

        Raises:
            RunFolderError: The folder holds something else, or another process is writing to it.
            ShortstackError: A setting or the data is wrong; finished stages stay.
        """
        from shortstack.pipeline.runner import execute

        return execute(self, Path(folder), registry=registry, progress=progress, keep=keep)

    @property
    def learns_items(self) -> bool:
        """Whether each item becomes a token that the teacher is yet to learn; else it knows them, or reads words."""
        from shortstack.teachers.items import learns_items

        return learns_items(self)

    def histories(self, *, registry: "Registry | None" = None) -> "Histories | None":
        """The data, read and split, for ``forecast``; None where they are not here.

        Raises:
            ShortstackError: They cannot be read.
        """
        from shortstack.planning.workload import Histories, is_here

        if not is_here(self):
            return None
        with tempfile.TemporaryDirectory() as folder:
            self.prepare(folder, registry=registry)
            return Histories.load(Path(folder) / DATA)

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
        from shortstack.planning.forecast import forecast
        from shortstack.registry import Registry

        registry = registry or Registry.from_environment()
        data = data or self.histories(registry=registry)
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
        from shortstack.pipeline.runner import audit

        return audit(self, Path(folder), registry=registry, progress=progress)
