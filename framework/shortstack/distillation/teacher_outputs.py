"""The teacher's outputs for a batch: from a pass of the model, or from a cache of its final states."""

from collections.abc import Mapping

import attrs
from torch import Tensor
from transformers import PreTrainedModel, TrainingArguments

from shortstack.contracts import Output
from shortstack.distillation.compiled_layers import CompiledLayers
from shortstack.distillation.model_outputs import TEACHER_OUTPUTS, OutputReader, PassOutputs
from shortstack.distillation.teacher_cache import EXAMPLE, CachedTeacher, TeacherCache
from shortstack.distillation.training_module import output_reader
from shortstack.models.candidates import supervision
from shortstack.models.sharding import is_sharded, shard_layers


@attrs.frozen(kw_only=True, eq=False)
class TeacherOutputs:
    """Returns the teacher's outputs for batches; none if no loss needs a teacher.

    Attributes:
        cached: Reads the final states from a cache; None without one.
        running: Runs the teacher; None with a cache, or if no loss needs a teacher.
    """

    cached: CachedTeacher | None = None
    running: OutputReader | None = None

    @classmethod
    def of(
        cls,
        teacher: PreTrainedModel | TeacherCache | None,
        args: TrainingArguments,
        candidates: Tensor | None,
        needs: frozenset[Output],
        *,
        compiled: bool,
        liger: bool,
    ) -> "TeacherOutputs":
        """Move the teacher, or a cache's head, to the device, or divide the teacher among several.

        Args:
            teacher: The teacher, or the cache of its final states; None for none.
            args: The training arguments.
            candidates: int64 ``(candidates,)`` token ids, on the device; None for the whole vocabulary.
            needs: Outputs that any loss needs.
            compiled: Compile the layers of a teacher that runs.
            liger: Run the teacher on Liger's kernels.

        Raises:
            UnsupportedModelError: Attention is needed, and the teacher has none that can be read.
        """
        if isinstance(teacher, TeacherCache):
            return cls(cached=CachedTeacher(teacher, candidates, args.device))
        if teacher is None or not any(output.of_teacher for output in needs):
            return cls()
        if not args.fsdp:
            teacher.to(args.device)
        elif not is_sharded(teacher):
            shard_layers(teacher, args.device)
        layers = CompiledLayers() if compiled else None
        return cls(running=output_reader(teacher, candidates, needs, TEACHER_OUTPUTS, layers, liger=liger))

    @property
    def models(self) -> dict[str, PreTrainedModel]:
        """The teacher by its part, ``"teacher"``, if it runs; else empty."""
        return {} if self.running is None else {"teacher": self.running.model}

    def __call__(self, batch: Mapping[str, Tensor]) -> PassOutputs:
        """Return the outputs for a batch, which holds the examples' indices if there is a cache."""
        positions, targets = supervision(batch["labels"])
        if self.cached is not None:
            return self.cached(batch[EXAMPLE], len(targets)).settled()
        if self.running is not None:
            return self.running(batch["input_ids"], batch["attention_mask"], positions).settled()
        return PassOutputs()
