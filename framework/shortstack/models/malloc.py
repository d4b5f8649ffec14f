"""Freed memory that stays with the process: on a CPU every step needs as much memory as the one before."""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameter numbers from glibc's ``malloc.h``."""
MAPPED_FROM = 32 * 2**20
"""Block size in bytes from which memory is still mapped and unmapped: the maximum that every 64-bit glibc accepts."""
CHOSEN = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Prefixes of environment variables that configure or replace the allocator."""


def keep_freed_memory() -> bool:
    """Configure glibc not to return freed blocks to the system, which would have to clear them again.

    The process then keeps its peak memory, but for the largest blocks. Source: mallopt(3),
    ``M_MMAP_THRESHOLD`` and ``M_TRIM_THRESHOLD``.

    Returns:
        True if it was configured: other C libraries, and an allocator set by the environment, are left alone.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(CHOSEN) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
