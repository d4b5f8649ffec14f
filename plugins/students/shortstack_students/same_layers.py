"""Check that a student's layers are built like the teacher's layers that they stand for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shortstack.contracts import Selection
from shortstack.errors import UnsupportedModelError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

PLACE = frozenset({"idx", "layer_id", "layer_idx", "layer_index", "layer_number", "training"})
_PLAIN = (bool, int, float, str, type(None))


def refuse_other_layers(
    teacher: "PreTrainedModel", student: "PreTrainedModel", selection: Selection, *, scale_folded: bool
) -> None:
    """Raise if module types or plain attributes (window, rotary or not, dense or sparse) of paired layers differ.

    Args:
        teacher: The source of the layers.
        student: The model that takes them.
        selection: The kept layers.
        scale_folded: Ignore the attributes that ``attention_scale`` changes on purpose.

    Raises:
        UnsupportedModelError: A pair differs: the config cannot express the kept layers.
    """
    from shortstack.models import Decoder

    # a layer's index differs by construction
    ignored = PLACE | ({"scaling", "scale_attn_by_inverse_layer_idx"} if scale_folded else set())
    ours, theirs = Decoder.of(student).layers, Decoder.of(teacher).layers
    for new, old in enumerate(selection.kept):
        for difference in _differences(theirs[old], ours[new], ignored):
            raise UnsupportedModelError(
                f"{type(teacher).__name__} cannot keep its layer {old} as layer {new}: {difference}; "
                "what the layer does depends on its place"
            )


def _differences(old: "nn.Module", new: "nn.Module", ignored: frozenset[str]) -> Iterator[str]:
    theirs, ours = dict(old.named_modules()), dict(new.named_modules())
    for path in sorted(theirs.keys() | ours.keys()):
        if path not in theirs or path not in ours or type(theirs[path]) is not type(ours[path]):
            yield f"its module {path or 'itself'} is of another kind"
            return
        before, after = _plain(theirs[path], ignored), _plain(ours[path], ignored)
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield f"{f'{path}.{name}'.lstrip('.')} is {before.get(name)!r}, would be {after.get(name)!r}"


def _plain(module: "nn.Module", ignored: frozenset[str]) -> dict[str, object]:
    attributes = vars(module).items()
    return {n: v for n, v in attributes if not n.startswith("_") and n not in ignored and isinstance(v, _PLAIN)}
