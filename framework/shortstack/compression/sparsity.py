"""Patterns of sparsity: which weights of a matrix become 0, by scores."""

import re
from fractions import Fraction
from typing import Final

import attrs
import torch
from torch import Tensor

from shortstack.errors import ConfigurationError

_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%")
_GROUPS: Final = re.compile(r"(\d{1,3}):(\d{1,3})")


@attrs.frozen(kw_only=True)
class Unstructured:
    """A share of the weights, wherever they are.

    Attributes:
        share: What becomes 0, in (0, 1); exact, so that 50 % of an even number is half.
    """

    share: Fraction

    def zeros(self, scores: Tensor) -> Tensor:
        """Return the weights to remove, bool of the shape of ``scores``: those with the lowest scores in each row."""
        return lowest(scores, int(self.share * scores.shape[-1]))

    def problem(self, _inputs: int) -> str:
        """Return no problem: a share suits every number of inputs."""
        return ""

    def __str__(self) -> str:
        return f"{float(100 * self.share):g}%"


@attrs.frozen(kw_only=True)
class Groups:
    """N of every M consecutive inputs stay: 2:4 is what NVIDIA's sparse tensor cores compute with.

    Source: Mishra et al. 2021, arXiv 2104.08378, section 2.

    Attributes:
        kept: N.
        of: M.
    """

    kept: int
    of: int

    def zeros(self, scores: Tensor) -> Tensor:
        """Return the weights to remove, bool of the shape of ``scores``: the lowest scores of each group."""
        return lowest(scores.reshape(-1, self.of), self.of - self.kept).view(scores.shape)

    def problem(self, inputs: int) -> str:
        """Return why a matrix of so many inputs has no such pattern; empty if it has."""
        return "" if inputs % self.of == 0 else f"have {inputs} inputs, which are no whole groups of {self.of}"

    def __str__(self) -> str:
        return f"{self.kept}:{self.of}"


def lowest(scores: Tensor, count: int) -> Tensor:
    """Mark the lowest scores in each row; of equal ones the first.

    >>> lowest(torch.tensor([[3.0, 1.0, 1.0, 2.0]]), 1).tolist()
    [[False, True, False, False]]
    """
    order = scores.argsort(dim=-1, stable=True)[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, order, value=True)


def pattern_of(amount: str, method: str) -> Unstructured | Groups:
    """Return the pattern of an amount such as ``"50%"`` or ``"2:4"``.

    Raises:
        ConfigurationError: It is neither.
    """
    if groups := _GROUPS.fullmatch(amount):
        kept, of = int(groups[1]), int(groups[2])
        if 0 < kept < of:
            return Groups(kept=kept, of=of)
    elif _SHARE.fullmatch(amount):
        return Unstructured(share=share_of(amount, method))
    raise ConfigurationError(
        f"{method} takes the share of weights that is removed, such as {method}-50%, or the pattern that stays, such as "
        f"{method}-2:4, got {amount!r}"
    )


def share_of(amount: str, method: str) -> Fraction:
    """Return the share that is removed.

    Raises:
        ConfigurationError: It is no percentage between 0 and 100.
    """
    percent = _SHARE.fullmatch(amount)
    share = Fraction(percent[1]) / 100 if percent else Fraction(0)
    if not 0 < share < 1:
        raise ConfigurationError(
            f"{method} takes a share between 0% and 100% that is removed, such as {method}-50%, got {amount!r}"
        )
    return share
