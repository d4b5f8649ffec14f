"""A simulated other machine within one process: another hash salt, time zone, locale and working directory."""

import builtins
import locale
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Final

ZONE: Final = "NPT-5:45"
"""Time zone with an offset of a quarter of an hour, so that a time read in it cannot match another zone's by chance."""


@contextmanager
def elsewhere() -> Iterator[None]:
    """Run the context with another salt for ``hash`` of strings, Nepal's time, the C locale and an empty folder.

    A component whose result differs in here would also differ on another machine, or in another process.
    """
    with ExitStack() as stack:
        for place in (_other_salt, _other_zone, _plain_locale, _other_folder):
            stack.enter_context(place())
        yield


@contextmanager
def _other_salt() -> Iterator[None]:
    """Make ``hash`` return other values for everything but numbers, where a component calls it.

    Calls from ``__hash__`` methods keep their value: existing dictionaries rely on it.
    """
    original = builtins.hash

    def salted(value: object, /) -> int:
        unsalted = original(value)
        looked_up = sys._getframe(1).f_code.co_name == "__hash__"  # noqa: SLF001 -- the caller's name
        return unsalted if looked_up or isinstance(value, int | float) else original((unsalted, "salt"))

    builtins.hash = salted
    try:
        yield
    finally:
        builtins.hash = original


@contextmanager
def _other_zone() -> Iterator[None]:
    """Change the local time zone, so that naive times mean another moment; do nothing where the system cannot."""
    if not hasattr(time, "tzset"):
        yield
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = ZONE
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@contextmanager
def _plain_locale() -> Iterator[None]:
    """Set the C locale: files opened without an encoding are ASCII, unless Python is in UTF-8 mode."""
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C")
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


@contextmanager
def _other_folder() -> Iterator[None]:
    """Change to an empty working directory, so that relative paths lead nowhere."""
    before = os.getcwd()  # noqa: PTH109 -- what chdir takes back
    with TemporaryDirectory(prefix="shortstack-") as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
