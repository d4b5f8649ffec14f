"""The one word of transformers' label convention that has no name there."""

from typing import Final

IGNORED: Final = -100
"""The label of a token that is not to be predicted."""
