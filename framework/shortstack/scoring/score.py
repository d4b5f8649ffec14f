"""Scoring of a stored model on texts: on all of them, or on one shard."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import attrs
import torch
from transformers import PreTrainedModel

from shortstack.errors import ConfigurationError
from shortstack.files import digest, held
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.probe import ModelProbe
from shortstack.importance.probe_cache import CachedProbe, ProbeCache
from shortstack.importance.scorers import Scorers
from shortstack.models.checks import require_causal
from shortstack.models.decoder import most_tokens
from shortstack.models.devices import device_named
from shortstack.models.stored import Precision, stored_model, stored_tokenizer
from shortstack.processes import ALONE, World
from shortstack.progress import Progress
from shortstack.registry import Registry
from shortstack.registry.expert_rows import unaligned_experts_named
from shortstack.scoring.model_files import files_read
from shortstack.scoring.model_loading import require_no_model
from shortstack.scoring.parts import Job, Part, job_of, require_same
from shortstack.scoring.score_file import code_of_scorers, merge_parts, require_room, write_scores
from shortstack.scoring.sweeping import Sweeping, in_batches
from shortstack.scoring.texts import ReadExample, read_examples
from shortstack.version import __version__


@attrs.frozen(kw_only=True)
class Scoring:
    """Settings of a scoring.

    Attributes:
        model: A folder with a stock causal language model and its tokenizer.
        texts: JSON lines; see ``read_examples``.
        scorers: Scorer name → its settings.
        longest: Largest number of tokens of an example.
        batch_size: Examples in a batch; changes no score, and may differ when a scoring is resumed.
        precision: The type of the weights; ``"auto"`` is the stored type.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        shard: The shard; ``(2, 4)`` is the second of four.
    """

    model: Path
    texts: Path
    scorers: Mapping[str, Mapping[str, Any]] = attrs.field()
    longest: int = attrs.field(default=512, validator=attrs.validators.ge(2))
    batch_size: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    precision: Precision = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    shard: tuple[int, int] = attrs.field(default=(1, 1))

    @scorers.validator
    def _some(self, _attribute: object, scorers: Mapping[str, object]) -> None:
        if not scorers:
            raise ConfigurationError("no scorer was named; name one or more, for example fisher")

    @shard.validator
    def _one_of_them(self, _attribute: object, shard: tuple[int, int]) -> None:
        if not 1 <= shard[0] <= shard[1]:
            raise ConfigurationError(f"shard {shard[0]}/{shard[1]} does not exist; the first of four is 1/4")

    def execute_together(self, out: Path, registry: Registry, progress: Progress, world: World) -> Path:
        """Write the scores; of several processes each sweeps a shard, and the first merges them.

        Resumed by as many processes, each goes on with its shard; by another number, they begin anew.

        Args:
            out: The file for the scores.
            registry: The plugins.
            progress: Where this process reports.
            world: The processes that make this call.

        Returns:
            The file that was written.

        Raises:
            ShortstackError: As ``execute``.
            ConfigurationError: A shard is named beside several processes, or there are fewer GPUs than processes.
        """
        if world.size == 1:
            return self.execute(out, registry, progress)
        if self.shard != (1, 1):
            raise ConfigurationError("several processes share the examples among them; leave out the shard")
        if world.first(partial(self._is_written, out, registry)):
            return out
        mine = attrs.evolve(self, shard=(world.rank + 1, world.size))
        parts = world.gather(mine.execute(out, registry, progress, world))
        world.first(partial(_merge, parts, out, registry))
        return out

    @unaligned_experts_named()
    def execute(self, out: Path, registry: Registry, progress: Progress, world: World = ALONE) -> Path:
        """Write the scores, or, for one shard of several, a part to merge; an interrupted scoring is resumed.

        Args:
            out: The file for the scores; a part is written beside it.
            registry: The plugins.
            progress: Where progress is reported.
            world: The processes of which this is one, for a GPU of its own.

        Returns:
            The file that was written.

        Raises:
            ShortstackError: As ``measure_importance``, ``read_examples`` and ``stored_model``.
            ConfigurationError: A shard of another job exists, or a scorer cannot be sharded.
            RunFolderError: ``out`` exists and holds something else than the scores of this job, or another process is
                writing them.
            OutOfMemoryError: A batch is too large; the last saved state is kept.
            UnwritableError: A file cannot be written, for example to a full disk; the last saved state is kept.
        """
        scorers = Scorers.of(self.scorers, registry)
        if self.shard[1] > 1:
            require_no_model(scorers)
        job = self._job(registry, scorers)
        require_room(out, job)
        if out.exists() and self.shard[1] == 1:
            return out  # scores of this job: they are there
        with held(self._part(out, job)):
            return self._go_on(out, job, scorers, progress, device_named(self.device, world))

    def _is_written(self, out: Path, registry: Registry) -> bool:
        require_room(out, self._job(registry, Scorers.of(self.scorers, registry)))
        return out.exists()

    def _go_on(self, out: Path, job: Job, scorers: Scorers, progress: Progress, device: torch.device) -> Path:
        path = self._part(out, job)
        left = _left_behind(path, job)
        model = stored_model(self.model, self.precision).to(device)
        require_causal(model)
        examples, calls = self._examples(model), GuardedCalls(scorers.components, model)
        with calls.all():
            sweeping = Sweeping(model=model, examples=self._shard_of(examples), batch_size=self.batch_size, path=path)
            part = sweeping.finish(left or sweeping.begin(job, self.shard), scorers, calls, progress)
            if self.shard[1] > 1:
                return path
            # scorers that are folds are complete after the sweep; the others run the model again
            again = examples if len(scorers.folds) < len(scorers.built) else []
            probe = ModelProbe(model, in_batches(again, self.batch_size, model.device))
            with (
                progress.job("passes without layers", total=part.layers + 1) as step,
                ProbeCache.of(path, step) as answers,
            ):
                write_scores(out, part, scorers, CachedProbe(probe, answers), calls)
        # only after the scores are written: until then a resumed run needs both files
        answers.remove()
        path.unlink()
        return out

    def _part(self, out: Path, job: Job) -> Path:
        """Return the path of the part: visible beside the scores for a shard, else a hidden file named by the job."""
        shard, count = self.shard
        mark = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()[:12]
        return out.with_name(f"{out.name}.{shard}-of-{count}.safetensors" if count > 1 else f".{out.name}.{mark}")

    def _job(self, registry: Registry, scorers: Scorers) -> Job:
        return {
            "version of shortstack": __version__,
            "model": [digest(path) for path in files_read(self.model)],
            "texts": digest(self.texts)[1] if self.texts.is_file() else "",
            "length": self.longest,
            "precision": self.precision,
            "scorers": {name: dict(settings) for name, settings in self.scorers.items()},
            "code of scorers": code_of_scorers(scorers, registry),
        }

    def _examples(self, model: PreTrainedModel) -> list[ReadExample]:
        longest = min(self.longest, most_tokens(model) or self.longest)
        vocabulary = model.config.get_text_config().vocab_size
        return read_examples(self.texts, stored_tokenizer(self.model), longest, vocabulary)

    def _shard_of(self, examples: list[ReadExample]) -> list[ReadExample]:
        """Return the shard's examples, the longest first: lack of memory shows at once, and there is little padding."""
        by_length = sorted(examples, key=lambda read: len(read.example["input_ids"]), reverse=True)
        return by_length[self.shard[0] - 1 :: self.shard[1]]


def _merge(parts: Sequence[Path], out: Path, registry: Registry) -> None:
    merge_parts(parts, out, registry)
    for part in parts:
        part.unlink()


def _left_behind(path: Path, job: Job) -> Part | None:
    """Load the part that an interrupted run of this job left, if there is one."""
    if not path.is_file():
        return None
    require_same(job, job_of(path), f"{path} was made")
    return Part.load(path)
