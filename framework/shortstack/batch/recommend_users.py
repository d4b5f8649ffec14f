"""Recommendations for all users of a file."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import attrs

from shortstack.batch.on_ray import computed_on_ray
from shortstack.batch.output import facts_of, write_output
from shortstack.batch.parts import USERS, PartSettings, part_paths, parts_of
from shortstack.batch.user_files import read_users, require_readable, user_type
from shortstack.batch.workers import computed
from shortstack.data.catalogue import FILE as ITEMS
from shortstack.data.catalogue import OPTIONS, Catalogue
from shortstack.data.history_check import HistoryCheck
from shortstack.digests import require_whole
from shortstack.errors import ConfigurationError, DataError, EmptyDataError, RunFolderError
from shortstack.files import digest, held, read_json, write_json
from shortstack.progress import Progress
from shortstack.ray_cluster import connected
from shortstack.recommender_folder import FILE as RECOMMENDER
from shortstack.scoring.model_files import files_read
from shortstack.version import __version__

_JOB: Final = "job.json"
"""What the parts in a folder belong to, and the counts of the file of users."""


@attrs.frozen(kw_only=True)
class UserBatch:
    """Settings of recommendations for all users of a file.

    Attributes:
        folder: A recommender's folder.
        users: Parquet, CSV or JSON lines with ``user``, ``items`` and, where users differ, ``exclude_seen``.
        top: Number of items for each user.
        exclude_seen: As in ``Recommender.recommend_frame``.
        skip_unknown: As there.
        titles: As there.
        processes: Number of processes that compute at the same time, among which the threads are divided; by default one. On a Ray
            cluster, among how many parts it is divided: by default each has a GPU, or on CPUs a CPU.
        device: ``"cpu"`` or ``"cuda"``.
        ray: Address of a Ray cluster that computes; ``"local"`` starts one on this machine. The folders of the recommender and
            of the output must be at the same paths on all its machines.
    """

    folder: Path
    users: Path
    top: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    exclude_seen: bool | None = None
    skip_unknown: bool = False
    titles: bool = False
    processes: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(1)))
    device: str = "cpu"
    ray: str | None = None

    def execute(self, out: Path, progress: Progress) -> Mapping[str, Any]:
        """Write the recommendations; when it was interrupted, the same again goes on with what was done.

        Finished parts lie in a hidden folder beside the output until that is complete.

        Args:
            out: The Parquet file to write.
            progress: Receiver of reports.

        Returns:
            ``users``, their number; ``without``, how many have no known item; ``unknown``, how many items are unknown.

        Raises:
            RunFolderError: ``out`` exists and is not the output of this job, a file is where its parts are kept, or another
                process is writing it.
            DataError: The file or a row of it is wrong, items are unknown, or the recommender is damaged.
            ConfigurationError: The model rates, ``out`` is no name of a Parquet file, or Ray is not installed, or not there.
            OutOfMemoryError: A process was ended.
            WorkerError: A task of the cluster was lost, each time that it was tried.
            UnwritableError: A file cannot be written; what was written before is kept.
        """
        if out.suffix.lower() != ".parquet":
            raise ConfigurationError(f"the output is a Parquet file: name it NAME.parquet, got {out}")
        require_readable(self.users)
        require_whole(self.folder)
        work = out.absolute().with_name(f".{out.name}.parts")
        if work.exists() and not work.is_dir():
            raise RunFolderError(
                f"{work} is a file, and the finished parts of {out.name} are kept in a folder of that name; remove or rename the file"
            )
        with held(out):
            content = digest(self.users)[1]
            job = self._job(content)
            facts = _of_job(out, job) if out.exists() else self._made(out, work, job, content, progress)
            if work.is_dir():
                shutil.rmtree(work)
        return facts

    def _job(self, content: str) -> str:
        """Return a hash of all that the output depends on."""
        import torch

        names = [path for path in (ITEMS, OPTIONS, RECOMMENDER) if (self.folder / path).is_file()]
        settings = attrs.asdict(self, filter=attrs.filters.exclude("folder", "users", "processes", "ray"))
        model = [digest(path) for path in [*files_read(self.folder), *(self.folder / name for name in names)]]
        parts = [__version__, torch.__version__, settings, content, model]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _made(self, out: Path, work: Path, job: str, content: str, progress: Progress) -> Mapping[str, Any]:
        with (
            nullcontext() if self.ray is None else connected(self.ray) as ray
        ):  # first: a check of all users may take long
            facts = _begun(work, job, lambda: self._checked(progress))
            self._compute(work, facts["users"], ray, progress)
        if digest(self.users)[1] != content:
            raise DataError(f"{self.users} changed while it was read; start the same command again")
        write_output(out, part_paths(work, facts["users"]), facts)
        return facts

    def _checked(self, progress: Progress) -> dict[str, Any]:
        """Read the whole file, before anything is computed, and return its counts."""
        catalogue = Catalogue.load(self.folder)
        catalogue.require_ranking()
        check = HistoryCheck(catalogue=catalogue)
        with progress.stage(f"check of {self.users.name}"):
            for history in read_users(self.users):
                check.places(history)
        if not check.users:
            raise EmptyDataError(f"{self.users} holds no users")
        if not self.skip_unknown:
            check.require_known(self.users, "--skip-unknown")
        elif check.unknown:
            progress.note(f"{self.users}: {check.amount()} are left out: {check.named()}")
        return {"users": check.users, "without": check.without, "unknown": len(check.unknown)}

    def _compute(self, work: Path, users: int, ray: Any, progress: Progress) -> None:
        """Compute the parts that are not there, on a Ray cluster if there is one."""
        settings = PartSettings(
            folder=self.folder.absolute(),
            device=self.device,
            top=self.top,
            exclude_seen=self.exclude_seen,
            titles=self.titles,
            user_type=str(user_type(self.users)),
        )
        missing = (part for part in parts_of(read_users(self.users), work) if not part.path.is_file())
        done = min(users, USERS * sum(path.is_file() for path in part_paths(work, users)))
        with progress.job("users", total=users) as step:
            step(done)
            for size in (
                computed(missing, settings, self.processes or 1)
                if ray is None
                else computed_on_ray(missing, settings, ray, self.processes)
            ):
                done += size
                step(min(done, users))


def _begun(work: Path, job: str, check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the facts of a job, and leave its folder with the parts that were made; those of another job are removed."""
    record = work / _JOB
    facts: dict[str, Any] = read_json(record) if record.is_file() else {}
    if facts.get("job") != job:
        facts = {"job": job, **check()}
        record.unlink(missing_ok=True)  # first: a kill leaves no parts that pass for those of a job
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        write_json(record, facts)
    return facts


def _of_job(out: Path, job: str) -> dict[str, Any]:
    facts = facts_of(out)
    if facts.get("job") != job:
        raise RunFolderError(
            f"{out} exists, and is of other users, settings or another model; name another file, or remove it"
        )
    return facts
