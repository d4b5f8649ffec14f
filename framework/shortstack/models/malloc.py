"""Freed memory that stays with the process: on a CPU every step needs the gigabytes of the one before."""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's ``malloc.h``."""
MAPPED_FROM = 32 * 2**20
"""Bytes from which a block is still borrowed from the system and given back: the most that a 64-bit glibc takes in every version."""
CHOSEN = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""How variables begin by which a user has chosen an allocator already."""


def keep_freed_memory() -> bool:
    """Tell the C library not to hand freed blocks back to the system, which would have to clear them again.

    The process then holds on to the most that it ever needed, but for the largest blocks. Source: mallopt(3),
    ``M_MMAP_THRESHOLD`` and ``M_TRIM_THRESHOLD``.

    Returns:
        Whether it was told: only glibc knows how, and an allocator that the environment chooses is left alone.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(CHOSEN) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
