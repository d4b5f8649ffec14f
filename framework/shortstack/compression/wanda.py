"""``wanda``: the weights that matter least to a module's outputs, by their magnitude and that of their inputs, become 0.

The score of the weight of output ``i`` and input ``j`` is ``|W_ij| · ‖X_j‖₂``, with ``X_j`` the values of input ``j`` at all
calibration tokens. Scores are compared within an output: a share such as 50 % is of each row, a pattern such as 2:4 of each
group of inputs in it. The weights that stay are not updated.

Source: Sun et al. 2024, A Simple and Effective Pruning Approach for Large Language Models, arXiv 2306.11695, eq. 1.
"""

from torch import Tensor, nn

from shortstack.compression.method import Method
from shortstack.compression.sparsity import Groups, Unstructured


def wanda(pattern: Unstructured | Groups) -> Method:
    """Return the method with a pattern."""

    def compressed(linear: nn.Linear, squares: Tensor | None) -> nn.Linear:
        assert squares is not None  # noqa: S101 -- it has a statistic
        weight = linear.weight.data
        weight[pattern.zeros(weight.abs().double() * squares.sqrt())] = 0
        return linear

    return Method(
        name=f"wanda-{pattern}",
        compress=compressed,
        statistic=squared_sums,
        problem=lambda linear: pattern.problem(linear.in_features),
        sparse=True,
    )


def squared_sums(inputs: Tensor) -> Tensor:
    """Return ``‖X_j‖₂²`` of each input, ``(inputs,)``, from ``(tokens, inputs)``."""
    return inputs.square().sum(dim=0)
