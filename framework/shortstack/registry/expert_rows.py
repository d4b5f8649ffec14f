"""A limit of torch on mixtures of experts, which is no fault of the plugin in whose call it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from shortstack.errors import ShortstackError, UnsupportedModelError

_WORDS: Final = "strides should be multiple of 16 bytes"
"""Source: torch, aten/src/ATen/native/GroupedMMUtils.h, check of ``grouped_mm``."""
ADVICE: Final = (
    "torch multiplies the matrices of experts only where each of their rows takes a multiple of 16 bytes (8 numbers of bfloat16 or float16, "
    "4 of float32), and this model's do not; load it in float32 if hidden_size and the experts' width are multiples of 4, or take ones "
    "that are multiples of 8"
)


def has_unaligned_experts(error: BaseException | None) -> bool:
    """Return True if an error, or one that led to it, is torch's refusal of rows that are not multiples of 16 bytes."""
    while error is not None:
        if isinstance(error, RuntimeError) and not isinstance(error, ShortstackError) and _WORDS in str(error):
            return True
        error = error.__cause__
    return False


@contextmanager
def unaligned_experts_named() -> Iterator[None]:
    """Say what torch cannot multiply, and the way out, where it refuses inside the context or a decorated function.

    Raises:
        UnsupportedModelError: The rows of experts' matrices are no multiples of 16 bytes.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UnsupportedModelError) or not has_unaligned_experts(error):
            raise
        raise UnsupportedModelError(ADVICE) from error
