"""``build_student``: builds and verifies a stock model from the kept layers of a teacher."""

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex

import attrs
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from shortstack.contracts import Selection, StudentArchitecture
from shortstack.errors import ConfigurationError, DataError, PluginError, UnsupportedModelError
from shortstack.models.batch_keys import unread
from shortstack.models.checks import require_causal
from shortstack.models.decoder import Decoder
from shortstack.models.frozen import frozen_copy
from shortstack.models.generation import settle_generation
from shortstack.models.older_readers import write_former_names
from shortstack.models.parameters import ParameterCount, count_parameters
from shortstack.models.snapshot import ModelSnapshot, assert_unmodified
from shortstack.models.thread_generator import thread_generator
from shortstack.models.ties import correction, is_tied, says_tied, set_tied
from shortstack.registry import Registry
from shortstack.registry.expert_rows import unaligned_experts_named
from shortstack.registry.isolation import plugin_errors, written_in
from shortstack.students.verification import verify
from shortstack.teachers.checks import identity, require_ready_teacher

_LOG = logging.getLogger(__name__)

__all__ = ["ParameterCount", "build_student", "count_parameters"]


@unaligned_experts_named()
def build_student(
    teacher: PreTrainedModel,
    kept_layers: Iterable[SupportsIndex] | Selection,
    architecture: str | StudentArchitecture = "layer-subset",
    *,
    settings: Mapping[str, object] | None = None,
    registry: Registry | None = None,
    calibration: Iterable[dict[str, Tensor]] = (),
) -> PreTrainedModel:
    """Build a student from some of a teacher's layers.

    The student is a stock model: ``AutoModelForCausalLM.from_pretrained`` loads it without shortstack. The kept layers,
    the reason for them and the teacher's identity are in ``student.config.shortstack``.

    Args:
        teacher: A stock decoder-only causal language model; not modified.
        kept_layers: Indices of the kept layers, ascending (a list, or an array of NumPy or PyTorch), or a selection.
        architecture: A student architecture, or the name of one.
        settings: Settings of an architecture that is given by name.
        registry: Registry of the names; by default the plugins of this environment.
        calibration: Batches of ``input_ids``, ``attention_mask`` and ``labels``, for architectures that use data.

    Returns:
        The student in eval mode, on the teacher's device and in its dtype, sharing no memory with it.

    Raises:
        ConfigurationError: The kept layers are not ascending indices of the teacher's layers, or the architecture is
            unknown.
        DataError: A calibration batch has a key that is not read, such as the ``position_ids`` of packed rows.
        UnsupportedModelError: The teacher's family, or its state, is not supported.
        PluginError: The architecture failed, or modified the teacher; names it and its distribution.
        ProofError: The finished student failed a check; this is a defect of the architecture.
    """
    require_ready_teacher(teacher)
    selection = _selection(kept_layers, len(Decoder.of(teacher).layers))
    name, method, component = _architecture(architecture, settings, registry)
    teacher = frozen_copy(teacher, frozen=False)  # evaluation mode, without a change to the caller's model
    with (
        assert_unmodified(ModelSnapshot.of(teacher), component),
        plugin_errors(component),
        thread_generator(),
        torch.no_grad(),
    ):
        require_causal(teacher)
        config = method.shrink(teacher.config, selection)
        _tie_as_the_weights(teacher, config)
        student, copies = assembled(teacher, config, selection, method, _ReadWhole(calibration))
        write_former_names(student.config)
        adapted = sorted(student.state_dict().keys() - copies.keys())
        student.config.shortstack = _record(name, selection, teacher, adapted)
        verify(teacher, student, copies, method.count_parameters(config))
    return student


def assembled(
    teacher: PreTrainedModel,
    config: PreTrainedConfig,
    selection: Selection,
    method: StudentArchitecture,
    calibration: Iterable[dict[str, Tensor]] = (),
) -> tuple[PreTrainedModel, dict[str, str]]:
    """Return an unverified student, and the name of the teacher's tensor for each of its plain copies.

    ``build_student`` verifies it; the conformance kit applies its laws to it.

    Args:
        teacher: A checked teacher, in eval mode.
        config: The config from ``method.shrink`` for this selection.
        selection: The kept layers.
        method: The architecture.
        calibration: Batches, for architectures that use data.

    Raises:
        UnsupportedModelError: ``AutoModelForCausalLM`` builds another class of model from the config.
        PluginError: The architecture returned no config, or no mapping of copies.
    """
    if not isinstance(config, PreTrainedConfig):
        raise PluginError(f"shrink gave {config!r:.80}; it must give the student's config")
    student = _unfilled(teacher, config)
    copies = method.transfer(teacher, student, selection, calibration)
    if not isinstance(copies, Mapping):
        raise PluginError(f"transfer gave {copies!r:.80}; it must give the teacher's tensor for each copy, by name")
    return student, copies


def _tie_as_the_weights(teacher: PreTrainedModel, config: PreTrainedConfig) -> None:
    """Set the student config's flag for tied weights by the teacher's weights, which its config may contradict."""
    tied = is_tied(teacher)
    if isinstance(config, PreTrainedConfig) and says_tied(teacher) != tied:
        set_tied(config, tied=tied)
        _LOG.warning("the student's config is corrected: %s", correction(teacher, tied=tied))


@attrs.frozen
class _ReadWhole:
    """The given batches, checked for unread keys on each iteration."""

    given: Iterable[dict[str, Tensor]]

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for number, batch in enumerate(self.given):
            if problem := unread(batch):
                raise DataError(f"calibration batch {number} {problem}")
            yield batch


def _selection(kept: Iterable[SupportsIndex] | Selection, layers: int) -> Selection:
    if isinstance(kept, Selection):
        if kept.of != layers:
            raise ConfigurationError(f"the selection is of {kept.of} layers, but the teacher has {layers}")
        return kept
    try:
        selection = Selection(kept=kept, of=layers, reason="given")
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    return attrs.evolve(selection, budget=f"keep {len(selection.kept)} of {layers} layers")


def _architecture(
    given: str | StudentArchitecture, settings: Mapping[str, object] | None, registry: Registry | None
) -> tuple[str, StudentArchitecture, str]:
    """Return an architecture's name for the record, the architecture, and its description for messages."""
    if isinstance(given, str):
        registry = registry or Registry.from_environment()
        component = registry.find("student", given)
        return component.full_name, registry.build("student", given, settings), str(component)
    if settings is not None:
        raise ConfigurationError("settings go with the name of an architecture; this one is already built")
    return written_in(given), given, f"student architecture {written_in(given)}"


def _unfilled(teacher: PreTrainedModel, config: PreTrainedConfig) -> PreTrainedModel:
    """Return a model of this config in the teacher's dtype and on its device, with every weight NaN.

    It is built in the dtype: casting afterwards would round the frequencies of rotary positions.
    """
    student: PreTrainedModel = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=teacher.dtype)
    if type(student) is not type(teacher):
        raise UnsupportedModelError(
            f"the teacher is {type(teacher).__name__}, but AutoModelForCausalLM loads its config as "
            f"{type(student).__name__}; use the stock causal language model"
        )
    student = student.to(teacher.device).eval()
    for parameter in student.parameters():
        parameter.data.fill_(torch.nan)
    student.generation_config = copy.deepcopy(teacher.generation_config)
    settle_generation(student)
    return student


def _record(name: str, selection: Selection, teacher: PreTrainedModel, adapted: Sequence[str]) -> dict[str, Any]:
    """Return the record for the student's config as plain JSON, which stock transformers preserves."""
    return {
        "architecture": name,
        "kept_layers": list(selection.kept),
        "of_layers": selection.of,
        "strategy": selection.strategy,
        "budget": selection.budget,
        "reason": selection.reason,
        "adapted_tensors": list(adapted),
        "teacher": {
            "model_type": teacher.config.model_type,
            "weights_sha256": identity(teacher),
            "shortstack": teacher.config.to_dict().get("shortstack"),
        },
    }
