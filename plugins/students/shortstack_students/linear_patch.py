"""A linear patch: the MLP before a gap also does, as well as a matrix can, what the removed layers did.

With ``M`` what the MLP of the last layer before the gap writes, ``H`` the stream after that layer, both in the student as it is so far,
and ``X`` the teacher's stream after the gap, over the unmasked calibration tokens, the matrix is

    ``T = I + argmin_Δ ‖M Δ + H − X‖² + λ ‖Δ‖²``,  ``λ = ridge · trace(Mᵀ M) / width``

and goes into the MLP's last projection: ``W ← Tᵀ W``, ``b ← b T``. Gaps are closed from the embeddings up, so that each makes up for
what the ones before left over. There is no MLP before the first kept layer: a gap there stays as it is.

Source: ReplaceMe, arXiv 2505.02819, eq. 6. Deviations: the ridge draws towards no patch, not towards no MLP; later gaps
are fitted on the patched student.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import torch

from shortstack.contracts import Selection
from shortstack.errors import ConfigurationError, UnsupportedModelError
from shortstack_students.stream import Gap, gaps_of, recorded

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

LAST_OF_MLP = ("down_proj", "c_proj", "fc2", "dense_4h_to_h", "fc_out", "c_mlp", "w2")
"""What families call the last projection of an MLP."""


@attrs.frozen(kw_only=True, eq=False)
class Seam:
    """Where a patch goes: the layer before a gap in the student, and the last projection of its MLP.

    Attributes:
        student: The student.
        gap: The gap.
        name: The projection's name in the student.
        layer: The layer.
        projection: ``nn.Linear``, or GPT-2's ``Conv1D``.
    """

    student: "PreTrainedModel"
    gap: Gap
    name: str
    layer: "nn.Module"
    projection: "nn.Module"

    @classmethod
    def of(cls, student: "PreTrainedModel", gap: Gap) -> "Seam":
        """The seam of a gap that has a layer before it.

        Raises:
            UnsupportedModelError: The layer has no one last projection, as in a mixture of experts.
        """
        from shortstack.models import Decoder

        decoder = Decoder.of(student)
        path, layer = f"{decoder.path}.{gap.place - 1}", decoder.layers[gap.place - 1]
        name, projection = last_projection(layer, type(student).__name__)
        return cls(student=student, gap=gap, name=f"{path}.{name}", layer=layer, projection=projection)

    def states(self, batches: "Sequence[Mapping[str, Tensor]]") -> "Iterator[dict[str, Tensor]]":
        """What the projection writes, and the stream after the layer."""
        return recorded(self.student, batches, {"mlp": (self.projection, "out"), "out": (self.layer, "out")})

    def merge(self, matrix: "Tensor") -> None:
        """Multiply what the projection writes by a matrix, ``(width, width)``."""
        tensors = dict(self.projection.named_parameters())
        weight = tensors["weight"].double()
        product = matrix.T @ weight if isinstance(self.projection, torch.nn.Linear) else weight @ matrix
        tensors["weight"].data = product.to(tensors["weight"].dtype)
        if "bias" in tensors:
            tensors["bias"].data = (tensors["bias"].double() @ matrix).to(tensors["bias"].dtype)


def patch(
    teacher: "PreTrainedModel",
    student: "PreTrainedModel",
    selection: Selection,
    batches: "Sequence[Mapping[str, Tensor]]",
    ridge: float,
) -> list[str]:
    """Fold a matrix into the MLP before each gap, and prove that it is folded.

    Returns:
        The names of the tensors that changed.

    Raises:
        ConfigurationError: There are fewer calibration tokens than the stream is wide.
        UnsupportedModelError: A layer's MLP has no one last projection, or does not write straight into the stream.
    """
    seams = [Seam.of(student, gap) for gap in gaps_of(selection) if gap.place]
    for seam in seams:
        matrix = fitted(teacher, seam, batches, ridge)
        (before,) = seam.states(batches[:1])
        seam.merge(matrix)
        _prove_merged(seam, batches[:1], before["out"] - before["mlp"] + before["mlp"] @ matrix)
    return [f"{seam.name}.{kind}" for seam in seams for kind, _ in seam.projection.named_parameters()]


def last_projection(layer: "nn.Module", family: str) -> "tuple[str, nn.Module]":
    """The matrix by which a layer's MLP writes, and its name in the layer.

    Raises:
        UnsupportedModelError: There is none, or more than one.
    """
    found = [
        (name, module)
        for name, module in layer.named_modules()
        if name.rpartition(".")[2] in LAST_OF_MLP and "att" not in name and hasattr(module, "weight")
    ]
    if len(found) != 1:
        raise UnsupportedModelError(
            f"repair = 'linear' needs an MLP with one last projection, but a layer of {family} has "
            f"{len(found) or 'none'}; take another repair"
        )
    return found[0]


def fitted(teacher: "PreTrainedModel", seam: Seam, batches: "Sequence[Mapping[str, Tensor]]", ridge: float) -> "Tensor":
    """The matrix of a seam, ``(width, width)``, float64; only sums of products are kept.

    Raises:
        ConfigurationError: There are fewer calibration tokens than the stream is wide.
    """
    from shortstack.models import Decoder

    theirs = recorded(teacher, batches, {"out": (Decoder.of(teacher).layers[seam.gap.last], "out")})
    gram, cross, tokens = torch.zeros(()), torch.zeros(()), 0
    for ours, target in zip(seam.states(batches), theirs, strict=True):
        written, missing = ours["mlp"], target["out"] - ours["out"]
        gram, cross, tokens = written.T @ written + gram, written.T @ missing + cross, tokens + len(written)
    if tokens < len(gram):
        raise ConfigurationError(
            f"repair = 'linear' fits a matrix of width {len(gram)} and needs at least as many calibration tokens, got {tokens}"
        )
    return solved(gram, cross, ridge)


def solved(gram: "Tensor", cross: "Tensor", ridge: float) -> "Tensor":
    """``I + argmin_Δ ‖M Δ − R‖² + λ ‖Δ‖²``, from the normal equations.

    Args:
        gram: ``Mᵀ M``, ``(width, width)``, float64; all 0 where the MLP writes nothing, which no matrix changes.
        cross: ``Mᵀ R``, of the same form.
        ridge: λ in parts of the mean of ``gram``'s diagonal; above 0, so that there is one solution.
    """
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    if not bool(gram.any()):
        return eye
    factor = torch.linalg.cholesky(gram + ridge * gram.diagonal().mean() * eye)
    return eye + torch.cholesky_solve(cross, factor)


def _prove_merged(seam: Seam, batches: "Sequence[Mapping[str, Tensor]]", expected: "Tensor") -> None:
    """The layer gives what it gave, with what its MLP writes multiplied by the matrix."""
    from shortstack.models import logits_agree

    (after,) = seam.states(batches)
    dtype = seam.student.dtype
    if not logits_agree(expected.to(dtype), after["out"].to(dtype)):
        raise UnsupportedModelError(
            f"repair = 'linear' cannot be folded into {type(seam.student).__name__}: what its MLP gives does not go straight "
            "into the stream; take another repair"
        )
