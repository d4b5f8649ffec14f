"""Calibration batches: checked at the door, moved to the model's device."""

from collections.abc import Iterable, Iterator, Mapping

import attrs
import torch
from torch import Tensor
from torch.nn import functional as F

from shortstack.contracts.labels import IGNORED
from shortstack.errors import DataError
from shortstack.models.candidates import supervision

KEYS = ("input_ids", "attention_mask", "labels")


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """Examples that go through the model together.

    Attributes:
        input_ids: int64 ``(batch, tokens)``.
        attention_mask: int64 ``(batch, tokens)``, 0 where the token is padding.
        labels: int64 ``(batch, tokens)``, aligned with the inputs, −100 where unsupervised.
        places: Where each example was read, for messages; empty if that is unknown.
    """

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    places: tuple[str, ...] = ()

    def rows(self, rows: Tensor) -> "Batch":
        """Some of its examples, by their index."""
        return Batch(
            input_ids=self.input_ids[rows],
            attention_mask=self.attention_mask[rows],
            labels=self.labels[rows],
            places=tuple(self.places[row] for row in rows.tolist()) if self.places else (),
        )

    def called(self, row: int, number: int) -> str:
        """What a message calls an example: where it was read, or its number among all that have a label."""
        return self.places[row] if self.places else f"labelled example {number} (from 0)"

    @property
    def mask(self) -> Tensor:
        """Bool ``(batch, tokens)``: False where the token is padding."""
        return self.attention_mask.bool()

    @property
    def supervised(self) -> Tensor:
        """Bool ``(batch,)``: whether the example has a label and a token that is not padding."""
        return supervision(self.labels)[0].any(-1) & self.mask.any(-1)


def checked_batches(
    batches: Iterable[Mapping[str, Tensor]], device: torch.device, vocabulary: int | None = None
) -> Iterator[Batch]:
    """Each mapping as a ``Batch`` on a device.

    Args:
        batches: See ``measure_importance``.
        device: Where the model is.
        vocabulary: How many tokens the model knows; None where that is certain.

    Raises:
        DataError: A tensor is missing, its shape differs from that of ``input_ids``, or a token is none of the model's.
    """
    for number, given in enumerate(batches):
        missing = [key for key in KEYS if key not in given]
        if missing:
            raise DataError(
                f"calibration batch {number} has no {missing[0]!r}; a batch holds {', '.join(KEYS)}, "
                f"this one {', '.join(map(str, given)) or 'nothing'}"
            )
        shapes = {key: tuple(given[key].shape) for key in KEYS}
        if len(set(shapes.values())) > 1 or len(shapes["input_ids"]) != 2:
            raise DataError(
                f"calibration batch {number} has shapes {shapes}; all three must be the same (batch, tokens)"
            )
        if vocabulary is not None:
            _require_tokens(number, given, vocabulary)
        ids, mask, labels = (given[key].to(device) for key in KEYS)
        yield Batch(input_ids=ids, attention_mask=mask, labels=_predictable(labels, mask))


def _require_tokens(number: int, given: Mapping[str, Tensor], vocabulary: int) -> None:
    for key in ("input_ids", "labels"):
        tokens = given[key][given[key] != IGNORED] if key == "labels" else given[key]
        wrong = tokens[(tokens < 0) | (tokens >= vocabulary)]
        if len(wrong):
            raise DataError(
                f"calibration batch {number} has {int(wrong[0])} among its {key}; the model's tokens are 0 to {vocabulary - 1}"
            )


def _predictable(labels: Tensor, mask: Tensor) -> Tensor:
    """Labels less those that padding would have to predict: the first token of an example, if padded on the left."""
    predicted_by_padding = F.pad(mask[:, :-1], (1, 0), value=0) == 0
    return labels.masked_fill(predicted_by_padding, IGNORED)
