"""Studies: ``execute`` carries out all runs of a study, and can be killed and resumed at any time."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.studies.settings import StudySettings

if TYPE_CHECKING:
    from shortstack.progress import Progress
    from shortstack.registry import Registry
    from shortstack.studies.planned import Shared
    from shortstack.studies.result import StudyResult


@attrs.frozen(kw_only=True)
class Study(StudySettings):
    """Many runs over one base: a grid of settings, named variants, and single runs beside them.

    Stages of the runs that are equal are done once, and the results are those of separate runs.

    Attributes:
        base: The run that all others are changes of; or the path of its TOML file.
        axes: Dotted path of a setting → its values: each combination is a run. One called ``seed`` is averaged over. A
            value of a whole table, such as ``data`` or ``teacher``, replaces the base's.
        zipped: Further axes, each of several settings: dotted path → values, as many for each, of which the first ones make
            a run, the second ones another. They vary together.
        variants: Name → settings, in tables or by dotted path; each goes with each combination. Without any, the base does.
        runs: Further runs, each a table of settings.
        exclude: Combinations to leave out, each a table of values of axes; ``variant`` is an axis too.
        reuse: Folders of runs or studies whose finished stages are taken where they are equal.

    >>> from shortstack import Run
    >>> base = Run(data="ml-100k", teacher="teacher")
    >>> list(Study(base=base, axes={"selection.keep_ratio": [0.5, 0.25], "seed": [0]}).members)
    ['keep_ratio=0.5,seed=0', 'keep_ratio=0.25,seed=0']
    """

    def execute(
        self,
        folder: str | Path,
        *,
        registry: "Registry | None" = None,
        progress: "Progress | None" = None,
        large: bool = False,
        jobs: int | None = None,
        ray: str | None = None,
    ) -> "StudyResult":
        """Execute all runs; one that fails is reported, and the others go on.

        It can be killed at any moment, and goes on in the same folder. In a script, more than one job needs the usual
        ``if __name__ == "__main__":``, for each process imports the script.

        Args:
            folder: The folder for results: a new one, or that of an earlier study of the same base.
            registry: The plugins; by default those of the environment.
            progress: Receiver of reports; by default the console in a terminal or a notebook, and none elsewhere.
            large: True to execute more than 1,000 runs.
            jobs: Stages at a time: by default one, in this process; several are in processes of their own, which share the
                threads and GPUs. On a Ray cluster, among how many stages it is divided: by default each has a GPU, or a
                CPU where there are none.
            ray: Address of a Ray cluster that performs the stages; ``"local"`` starts one on this machine.

        Raises:
            ConfigurationError: A run's settings are wrong, or there are more than 1,000 runs; an object cannot be given to
                another process; Ray is not installed, or not there. Nothing was done.
            RunFolderError: The folder holds something else or another study, or another process is writing to it.
            UnwritableError: A result cannot be written; what is finished stays.
        """
        from shortstack.studies.execution import execute
        from shortstack.studies.executors import Choice

        choice = Choice(jobs=jobs, ray=ray)
        return execute(self, Path(folder), choice, registry=registry, progress=progress, large=large)

    def plan(self, *, registry: "Registry | None" = None, large: bool = False) -> "list[Shared]":
        """Check all runs, and return the stages that they need, each once with its runs; nothing is done.

        Raises:
            ConfigurationError: A run's settings are wrong, or there are more than 1,000 runs.
        """
        from shortstack.registry import Registry
        from shortstack.studies.planned import plan

        return plan(self, registry=registry or Registry.from_environment(), large=large)
