"""Calibration batches: validated, and moved to the model's device."""

from collections.abc import Iterable, Iterator, Mapping

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F

from shortstack.contracts.labels import IGNORED
from shortstack.errors import DataError
from shortstack.models.batch_keys import KEYS, unread
from shortstack.models.candidates import supervision


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """Examples that go through the model together.

    Attributes:
        input_ids: int64 ``(batch, tokens)``.
        attention_mask: int64 ``(batch, tokens)``, 0 where the token is padding.
        labels: int64 ``(batch, tokens)``, aligned with the inputs, −100 where unsupervised.
        places: Source of each example, for messages; empty if unknown.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    places: tuple[str, ...] = ()

    def rows(self, rows: Tensor) -> "Batch":
        """Return the examples with these indices."""
        return Batch(
            input_ids=self.input_ids[rows],
            attention_mask=self.attention_mask[rows],
            labels=self.labels[rows],
            places=tuple(self.places[row] for row in rows.tolist()) if self.places else (),
        )

    def called(self, row: int, number: int) -> str:
        """Return an example's name in messages: its source, or its number among all that have a label."""
        return self.places[row] if self.places else f"labelled example {number} (from 0)"

    @property
    def mask(self) -> Tensor:
        """Bool ``(batch, tokens)``: False where the token is padding."""
        return self.attention_mask.bool()

    @property
    def supervised(self) -> Tensor:
        """Bool ``(batch,)``: True if the example has a label and a token that is not padding."""
        return supervision(self.labels)[0].any(-1) & self.mask.any(-1)


def checked_batches(
    batches: Iterable[Mapping[str, Tensor]], device: torch.device, vocabulary: int | None = None
) -> Iterator[Batch]:
    """Yield each mapping as a validated ``Batch`` on a device.

    Args:
        batches: See ``measure_importance``.
        device: The model's device.
        vocabulary: Number of tokens that the model knows; None to skip that check.

    Raises:
        DataError: A batch is not a mapping, a tensor is missing or of another type, its shape differs from that of
            ``input_ids``, the mask has values other than 0 and 1, a token is outside the vocabulary, or the batch has
            another key, such as the ``position_ids`` of packed rows.
    """
    if isinstance(batches, Mapping):
        raise DataError("the calibration batches are one mapping; give a list of them, [batch] for one")
    for number, batch in enumerate(batches):
        _require_whole(number, batch)
        if vocabulary is not None:
            _require_tokens(number, batch, vocabulary)
        ids, mask, labels = (_ordinary(batch[key]).to(device) for key in KEYS)
        yield Batch(input_ids=ids, attention_mask=mask, labels=_predictable(labels, mask))


def _ordinary(tensor: Tensor) -> Tensor:
    """Return a copy of a tensor made in inference mode, which has no version counter; else the tensor itself."""
    return tensor.clone() if tensor.is_inference() else tensor


def _require_whole(number: int, given: Mapping[str, Tensor]) -> None:
    """Raise unless a batch holds all three tensors, of one shape and of integers."""
    if not isinstance(given, Mapping):
        raise DataError(
            f"calibration batch {number} is a {type(given).__name__}; a batch is a mapping of {', '.join(KEYS)}"
        )
    missing = [key for key in KEYS if key not in given]
    if missing:
        raise DataError(
            f"calibration batch {number} has no {missing[0]!r}; a batch holds {', '.join(KEYS)}, "
            f"this one {', '.join(map(str, given)) or 'nothing'}"
        )
    for key in KEYS:
        if not isinstance(given[key], Tensor) or (key != "attention_mask" and given[key].is_floating_point()):
            kind = given[key].dtype if isinstance(given[key], Tensor) else type(given[key]).__name__
            raise DataError(f"{key} of calibration batch {number} is of type {kind}; give an int64 tensor")
    shapes = {key: tuple(given[key].shape) for key in KEYS}
    if len(set(shapes.values())) > 1 or len(shapes["input_ids"]) != 2 or 0 in shapes["input_ids"]:
        raise DataError(
            f"calibration batch {number} has shapes {shapes}; all three must be the same (batch, tokens), neither of them 0"
        )
    strange = given["attention_mask"][(given["attention_mask"] != 0) & (given["attention_mask"] != 1)]
    if len(strange):
        raise DataError(
            f"calibration batch {number} has {strange[0].item()} in its attention_mask; 1 is a token, 0 is padding"
        )
    if problem := unread(given):
        raise DataError(f"calibration batch {number} {problem}")


def _require_tokens(number: int, given: Mapping[str, Tensor], vocabulary: int) -> None:
    for key in ("input_ids", "labels"):
        tokens = given[key][given[key] != IGNORED] if key == "labels" else given[key]
        wrong = tokens[(tokens < 0) | (tokens >= vocabulary)]
        if len(wrong):
            raise DataError(
                f"calibration batch {number} has {int(wrong[0])} among its {key}; the model's tokens are 0 to {vocabulary - 1}"
            )


def _predictable(labels: Tensor, mask: Tensor) -> Tensor:
    """Mask labels that padding would have to predict: the first token of an example, if padded on the left."""
    predicted_by_padding = F.pad(mask[:, :-1], (1, 0), value=0) == 0
    return labels.masked_fill(predicted_by_padding, IGNORED)
