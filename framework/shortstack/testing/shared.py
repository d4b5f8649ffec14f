"""Process-wide settings that all code shares: working directory, locale, time zone, torch's modes."""

import locale
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

_VARIABLES: Final = ("TZ", "LC_ALL", "LANG", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "TOKENIZERS_PARALLELISM")

_Way = tuple[Callable[[], Any], Callable[[Any], object]]
"""A setting's getter and setter."""


def shared_settings() -> dict[str, object]:
    """Return the process-wide settings by name."""
    return {name: read() for name, (read, _) in _ways().items()}


@contextmanager
def shared_settings_kept() -> Iterator[None]:
    """Restore the process-wide settings on exit, whatever was changed inside."""
    before = shared_settings()
    try:
        yield
    finally:
        ways = _ways()
        for name, value in before.items():
            read, write = ways[name]
            if read() != value:
                write(value)


def _ways() -> Mapping[str, _Way]:
    ways: dict[str, _Way] = {
        "the working directory": (os.getcwd, os.chdir),
        "the locale": (partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL)),
        **{f"the environment's {name}": (partial(os.environ.get, name), partial(_set, name)) for name in _VARIABLES},
    }
    torch = sys.modules.get("torch")  # adapters are checked without torch: do not import it for them
    if torch is not None:
        ways |= {
            "whether torch keeps track of gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
            "torch's default type": (torch.get_default_dtype, torch.set_default_dtype),
            "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
            "the precision of torch's products": (
                torch.get_float32_matmul_precision,
                torch.set_float32_matmul_precision,
            ),
            "whether torch must be deterministic": (
                torch.are_deterministic_algorithms_enabled,
                torch.use_deterministic_algorithms,
            ),
        }
    return ways


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
