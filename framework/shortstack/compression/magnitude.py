"""``magnitude``: the weights that are nearest to 0 become 0.

The score of a weight is ``|w|``. A share such as 50 % is of a whole matrix, a pattern such as 2:4 of each group of inputs.

Source: Han et al. 2015, arXiv 1506.02626; by matrix, as the baseline in Sun et al. 2024, arXiv 2306.11695, section 4.
"""

from torch import Tensor, nn

from shortstack.compression.method import Method
from shortstack.compression.sparsity import Groups, Unstructured


def magnitude(pattern: Unstructured | Groups) -> Method:
    """Return the method with a pattern."""

    def compressed(linear: nn.Linear, _statistic: Tensor | None) -> nn.Linear:
        weight = linear.weight.data
        # a share is of all weights alike, so that the matrix is one row
        scores = weight.abs().reshape(1, -1) if isinstance(pattern, Unstructured) else weight.abs()
        weight[pattern.zeros(scores).view_as(weight)] = 0
        return linear

    return Method(
        name=f"magnitude-{pattern}",
        compress=compressed,
        problem=lambda linear: pattern.problem(linear.in_features),
        sparse=True,
    )
