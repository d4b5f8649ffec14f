"""Rescaling of norms over fewer channels, so that their outputs keep their size.

A norm divides by the root mean square of its input channels. The kept channels are seldom average: if they are the largest ones,
the mean square is larger, and the norm's outputs are smaller than the following layer expects. The weights are multiplied by the
mean ratio of the two roots over the calibration tokens; that is exact where the removed channels were always 0.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING

from shortstack_students.stream import recorded
from shortstack_students.widths import family_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shortstack_students.stream import Point


def rescale(
    teacher: "PreTrainedModel",
    student: "PreTrainedModel",
    kept: Sequence[int],
    hidden: "Tensor",
    batches: "Sequence[Mapping[str, Tensor]]",
) -> list[str]:
    """Rescale the student's norms, and the embedding where the family multiplies it by the root of the hidden size.

    Without calibration examples the kept channels are assumed to be average.

    Returns:
        The names of the tensors that changed.
    """
    from shortstack.models import Decoder

    path, family = Decoder.of(teacher).path, family_of(teacher.config)
    names = {f"{path}.{new}.{norm}": f"{path}.{old}.{norm}" for new, old in enumerate(kept) for norm in family.norms}
    names[family.last_norm] = family.last_norm
    factors = _ratios(teacher, {ours: teacher.get_submodule(theirs) for ours, theirs in names.items()}, hidden, batches)
    tensors, changed = dict(student.named_parameters()), []
    if family.scaled_embedding:
        root = sqrt(teacher.config.hidden_size / student.config.hidden_size)
        student.get_input_embeddings().weight.data *= root
        changed = ["model.embed_tokens.weight", "lm_head.weight"]
        if student.config.tie_word_embeddings:  # the output rows grew with the embedding
            factors[family.last_norm] /= root
    for name, factor in factors.items():
        # Gemma's norms multiply by one plus their weight
        shift = 1.0 if family.shifted else 0.0
        weight = tensors[f"{name}.weight"]
        weight.data = (weight.data + shift) * factor - shift
        changed.append(f"{name}.weight")
    return changed


def _ratios(
    teacher: "PreTrainedModel",
    norms: "Mapping[str, object]",
    hidden: "Tensor",
    batches: "Sequence[Mapping[str, Tensor]]",
) -> dict[str, float]:
    """Return for each norm the mean over tokens of the root mean square of the kept channels over that of all."""
    points: dict[str, Point] = {name: (norm, "in") for name, norm in norms.items()}  # type: ignore[misc]
    sums, tokens = dict.fromkeys(norms, 0.0), 0
    for states in recorded(teacher, batches, points):
        tokens += len(next(iter(states.values())))
        for name, entering in states.items():
            stay = entering[:, hidden.to(entering.device)]
            ratio = stay.square().mean(-1).sqrt() / entering.square().mean(-1).sqrt().clamp_min(1e-30)
            sums[name] += float(ratio.sum())
    return {name: total / tokens if tokens else 1.0 for name, total in sums.items()}
