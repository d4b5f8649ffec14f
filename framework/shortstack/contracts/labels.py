"""The label of unsupervised tokens, for which transformers has no named constant."""

from typing import Final

IGNORED: Final = -100
"""Label of a token that is not to be predicted."""
