"""Linear patch: a linear approximation of removed layers, folded into the MLP before the gap.

With ``M`` the output of the MLP of the last layer before the gap, ``H`` the residual stream after that layer, both in the student
as patched so far, and ``X`` the teacher's residual stream after the gap, over the unmasked calibration tokens, the matrix is

    ``T = I + argmin_Δ ‖M Δ + H − X‖² + λ ‖Δ‖²``,  ``λ = ridge · trace(Mᵀ M) / width``

and is folded into the MLP's last projection: ``W ← Tᵀ W``, ``b ← b T``. Gaps are patched from the embeddings up, so that each patch
also corrects the residual error of those before. There is no MLP before the first kept layer: a gap there is not patched.

Source: ReplaceMe, arXiv 2505.02819, eq. 6. Deviations: the ridge shrinks towards no patch, not towards no MLP; later gaps
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
"""Names of the last projection of an MLP, in any family."""


@attrs.frozen(kw_only=True, eq=False)
class Seam:
    """The place of a patch: the layer before a gap in the student, and the last projection of its MLP.

    Attributes:
        student: The student.
        gap: The gap.
        name: Name of the projection in the student.
        layer: The layer.
        projection: The projection, an ``nn.Linear`` or GPT-2's ``Conv1D``.
    """

    student: "PreTrainedModel"
    gap: Gap
    name: str
    layer: "nn.Module"
    projection: "nn.Module"

    @classmethod
    def of(cls, student: "PreTrainedModel", gap: Gap) -> "Seam":
        """Return the seam of a gap that has a layer before it.

        Raises:
            UnsupportedModelError: The layer has no single last projection, as in a mixture of experts.
        """
        from shortstack.models import Decoder

        decoder = Decoder.of(student)
        path, layer = f"{decoder.path}.{gap.place - 1}", decoder.layers[gap.place - 1]
        name, projection = last_projection(layer, type(student).__name__)
        return cls(student=student, gap=gap, name=f"{path}.{name}", layer=layer, projection=projection)

    def states(self, batches: "Sequence[Mapping[str, Tensor]]") -> "Iterator[dict[str, Tensor]]":
        """Yield the output of the projection, and the residual stream after the layer, batch by batch."""
        return recorded(self.student, batches, {"mlp": (self.projection, "out"), "out": (self.layer, "out")})

    def merge(self, matrix: "Tensor") -> None:
        """Multiply the projection's output by a matrix, ``(width, width)``, in its weights."""
        tensors = dict(self.projection.named_parameters())
        weight = tensors["weight"].double()
        # ``nn.Linear`` stores (outputs, inputs), ``Conv1D`` (inputs, outputs)
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
    """Fold a matrix into the MLP before each gap, and check the layer's new output.

    Returns:
        The names of the tensors that changed.

    Raises:
        ConfigurationError: There are fewer calibration tokens than channels of the residual stream.
        UnsupportedModelError: A layer's MLP has no single last projection, or its output is not added to the residual
            stream unchanged.
    """
    seams = [Seam.of(student, gap) for gap in gaps_of(selection) if gap.place]
    for seam in seams:
        matrix = fitted(teacher, seam, batches, ridge)
        (before,) = seam.states(batches[:1])
        seam.merge(matrix)
        _prove_merged(seam, batches[:1], before["out"] - before["mlp"] + before["mlp"] @ matrix)
    return [f"{seam.name}.{kind}" for seam in seams for kind, _ in seam.projection.named_parameters()]


def last_projection(layer: "nn.Module", family: str) -> "tuple[str, nn.Module]":
    """Return the last projection of a layer's MLP, with its name in the layer.

    Raises:
        UnsupportedModelError: There is none, or more than one.
    """
    projections = [
        (name, module)
        for name, module in layer.named_modules()
        if name.rpartition(".")[2] in LAST_OF_MLP and "att" not in name and hasattr(module, "weight")
    ]
    if len(projections) != 1:
        raise UnsupportedModelError(
            f"repair = 'linear' needs an MLP with one last projection, but a layer of {family} has "
            f"{len(projections) or 'none'}; take another repair"
        )
    return projections[0]


def fitted(teacher: "PreTrainedModel", seam: Seam, batches: "Sequence[Mapping[str, Tensor]]", ridge: float) -> "Tensor":
    """Fit the matrix of a seam, ``(width, width)``, float64; memory holds only the sums of the normal equations.

    Raises:
        ConfigurationError: There are fewer calibration tokens than channels of the residual stream.
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
    """Return ``I + argmin_Δ ‖M Δ − R‖² + λ ‖Δ‖²``, from the normal equations.

    Args:
        gram: ``Mᵀ M``, ``(width, width)``, float64; all 0 where the MLP's output is 0, which no matrix changes.
        cross: ``Mᵀ R``, of the same shape.
        ridge: λ relative to the mean of ``gram``'s diagonal; above 0, so that the solution is unique.

    >>> solved(torch.eye(2), 0.5 * torch.eye(2), ridge=0.25).tolist()
    [[1.399999976158142, 0.0], [0.0, 1.399999976158142]]
    """
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    # e.g. the layers of a fresh teacher, whose outputs are all 0
    if not bool(gram.any()):
        return eye
    factor = torch.linalg.cholesky(gram + ridge * gram.diagonal().mean() * eye)
    return eye + torch.cholesky_solve(cross, factor)


def _prove_merged(seam: Seam, batches: "Sequence[Mapping[str, Tensor]]", expected: "Tensor") -> None:
    """Raise if the layer's output is not the former one with the MLP's part multiplied by the matrix."""
    from shortstack.models import logits_agree

    (after,) = seam.states(batches)
    dtype = seam.student.dtype
    if not logits_agree(expected.to(dtype), after["out"].to(dtype)):
        raise UnsupportedModelError(
            f"repair = 'linear' cannot be folded into {type(seam.student).__name__}: what its MLP gives does not go straight "
            "into the stream; take another repair"
        )
