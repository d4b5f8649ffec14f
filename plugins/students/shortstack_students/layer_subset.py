"""``layer-subset``: the kept layers of the teacher, at full width."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import attrs

from shortstack.contracts import Selection, StudentDescriptor
from shortstack.errors import ProofError, UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel


@attrs.frozen(kw_only=True)
class LayerSubsetSettings:
    """Settings of ``layer-subset``.

    Attributes:
        repair: Compensation for the removed layers before any training. ``"magnitude"`` divides the output of later
            layers by the growth of the hidden states in the removed ones (Prune&Comp, arXiv 2507.18212); ``"linear"``
            folds a linear approximation of the removed layers into the MLP before them (ReplaceMe, arXiv 2505.02819).
            Both use the calibration examples and change weights alone: the student stays a stock model. None leaves
            every kept layer as it is.
        ridge: Ridge penalty of ``"linear"`` towards no patch, relative to the mean squared output of the MLP.
    """

    repair: Literal["magnitude", "linear"] | None = None
    ridge: float = attrs.field(default=1e-3, validator=attrs.validators.gt(0))


@attrs.frozen
class LayerSubset:
    """A student of some of the layers, unchanged and in their order, with an optional repair for the removed ones.

    Attributes:
        settings: The repair.
    """

    settings: LayerSubsetSettings = attrs.field(factory=LayerSubsetSettings)

    def shrink(self, config: "PreTrainedConfig", selection: Selection) -> "PreTrainedConfig":
        """See ``StudentArchitecture``."""
        from shortstack_students.layer_fields import subset

        return subset(config, selection)

    def count_parameters(self, config: "PreTrainedConfig") -> int:
        """See ``StudentArchitecture``."""
        from shortstack.models import count_parameters

        return count_parameters(config).total

    def transfer(
        self,
        teacher: "PreTrainedModel",
        student: "PreTrainedModel",
        selection: Selection,
        calibration: "Iterable[dict[str, Tensor]]",
    ) -> dict[str, str]:
        """See ``StudentArchitecture``; also checks that the student equals the teacher with the dropped layers skipped."""
        from shortstack.models import Decoder
        from shortstack_students.attention_scale import fold, is_folded
        from shortstack_students.same_layers import refuse_other_layers

        path, folded = Decoder.of(teacher).path, is_folded(teacher, student)
        _refuse_other_depth(student, path, len(selection.kept))
        copies = index_map(teacher, student, path, selection)
        refuse_other_layers(teacher, student, selection, scale_folded=folded)
        copy_tensors(teacher, student, copies)
        if folded:
            for name in fold(student, selection):
                del copies[name]
        _prove_equal(teacher, student, selection)
        for name in self._repaired(teacher, student, selection, calibration):
            copies.pop(name, None)
        return copies

    def _repaired(
        self,
        teacher: "PreTrainedModel",
        student: "PreTrainedModel",
        selection: Selection,
        calibration: "Iterable[dict[str, Tensor]]",
    ) -> list[str]:
        """Repair the student; return the names of the tensors that changed."""
        from shortstack_students.linear_patch import patch
        from shortstack_students.magnitude import compensate
        from shortstack_students.stream import required

        repair = self.settings.repair
        if repair is None or len(selection.kept) == selection.of:
            return []
        batches = required(calibration, f"repair = {repair!r}")
        if repair == "magnitude":
            return compensate(teacher, student, selection, batches)
        return patch(teacher, student, selection, batches, self.settings.ridge)


DESCRIPTOR = StudentDescriptor(
    name="layer-subset",
    summary="The kept layers as they are, at full width; a stock model with fewer layers.",
    build=LayerSubset,
    config=LayerSubsetSettings,
    reference="https://arxiv.org/abs/2403.03853",
)


def index_map(
    teacher: "PreTrainedModel", student: "PreTrainedModel", path: str, selection: Selection
) -> dict[str, str]:
    """Map student tensors to teacher tensors: layer ``j`` is the teacher's layer ``kept[j]``, the rest keeps its name.

    Raises:
        UnsupportedModelError: The tensors of the two models do not match.
    """
    ours, theirs = student.state_dict(), teacher.state_dict()
    copies = {name: _source(name, path, selection) for name in ours}
    dropped = [f"{path}.{layer}." for layer in range(selection.of) if layer not in selection.kept]
    wanted = {name for name in theirs if not name.startswith(tuple(dropped))}
    odd = sorted(wanted ^ set(copies.values()))
    odd += [source for name, source in copies.items() if source in theirs and ours[name].shape != theirs[source].shape]
    if odd:
        raise UnsupportedModelError(
            f"{type(teacher).__name__} cannot keep only layers {list(selection.kept)}: "
            f"its config cannot say it, tensor {odd[0]} would not fit"
        )
    return copies


def copy_tensors(teacher: "PreTrainedModel", student: "PreTrainedModel", copies: Mapping[str, str]) -> None:
    """Write the teacher's tensors into the student's, dtype included."""
    sources = teacher.state_dict()
    targets = dict(student.named_parameters()) | dict(student.named_buffers())
    for name, source in copies.items():
        if name in targets:  # of a tied tensor's names, named_parameters lists only one
            targets[name].data = sources[source].detach().clone()


def _refuse_other_depth(student: "PreTrainedModel", path: str, layers: int) -> None:
    depth = len(student.get_submodule(path))
    if depth != layers:
        raise UnsupportedModelError(
            f"the config of {student.config.model_type} cannot say how many layers are left: "
            f"{type(student).__name__} has {depth} instead of {layers}"
        )


def _source(name: str, path: str, selection: Selection) -> str:
    if not name.startswith(f"{path}."):
        return name
    index, _, rest = name.removeprefix(f"{path}.").partition(".")
    return f"{path}.{selection.kept[int(index)]}.{rest}"


def _prove_equal(teacher: "PreTrainedModel", student: "PreTrainedModel", selection: Selection) -> None:
    from shortstack.models import Decoder, logits_agree, skipping, uncached_logits

    dropped = set(range(selection.of)) - set(selection.kept)
    expected = uncached_logits(skipping(Decoder.of(teacher), dropped).model)
    if not logits_agree(expected, uncached_logits(student)):
        raise ProofError(
            "the student's logits differ from the teacher's with the other layers skipped: "
            f"the layers of {type(student).__name__} depend on their place"
        )
