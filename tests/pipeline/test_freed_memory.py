"""A process that keeps freed memory does not get newly zeroed pages at every step."""

import os
import platform
import subprocess
import sys

import pytest

from shortstack.models.malloc import CHOSEN

STEPS = """
import resource
import torch
from shortstack.models.malloc import keep_freed_memory

def pages_of_a_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(2**20) for _ in range(40)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

told, pages = keep_freed_memory(), [pages_of_a_step() for _ in range(6)]
print(told, sum(pages[2:]))
"""


def steps(**variables):
    """Return whether malloc was configured, and the page faults of the last four of six equal steps."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(CHOSEN)} | variables
    configured, pages = subprocess.run(
        [sys.executable, "-c", STEPS], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    return configured == "True", int(pages)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_pages_are_kept():
    """Later steps cause almost no page faults; a user's own malloc variables are respected."""
    configured, pages = steps()
    left_alone, fresh = steps(MALLOC_MMAP_MAX_="65536")

    assert (configured, left_alone) == (True, False)
    assert pages < fresh / 10
