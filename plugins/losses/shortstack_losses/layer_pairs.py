"""Pairs of student and teacher layers, as a loss's module without parameters; it imports torch, so losses import it late."""

from collections.abc import Sequence

from torch import nn


class LayerPairs(nn.Module):
    """Student layers, each with the teacher layer that it learns from.

    Attributes:
        pairs: ``(student layer, teacher layer)``, index 0 nearest the embeddings.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Keep the pairs."""
        super().__init__()
        self.pairs = tuple(pairs)
