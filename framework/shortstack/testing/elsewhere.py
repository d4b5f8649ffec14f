"""Another machine, as far as one process can be one: another hash salt, time zone, locale and working directory."""

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
"""A zone of a quarter of an hour, so that no time that is read in it looks like another one by chance."""


@contextmanager
def elsewhere() -> Iterator[None]:
    """Inside, ``hash`` of texts has another salt, the local time is Nepal's, the locale is C, the folder an empty one.

    A component whose answer is another one in here would answer otherwise on another machine, or in another process.
    """
    with ExitStack() as stack:
        for place in (_other_salt, _other_zone, _plain_locale, _other_folder):
            stack.enter_context(place())
        yield


@contextmanager
def _other_salt() -> Iterator[None]:
    """What is no number hashes to another number where a component calls ``hash``.

    Dictionaries that are older hold what they held, so ``__hash__`` methods are left alone.
    """
    original = builtins.hash

    def salted(value: object, /) -> int:
        found = original(value)
        looked_up = sys._getframe(1).f_code.co_name == "__hash__"  # noqa: SLF001 -- the caller's name
        return found if looked_up or isinstance(value, int | float) else original((found, "salt"))

    builtins.hash = salted
    try:
        yield
    finally:
        builtins.hash = original


@contextmanager
def _other_zone() -> Iterator[None]:
    """Naive times mean another moment; nothing where the system cannot change its zone."""
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
    """Files that are opened without an encoding are ASCII, unless Python is in UTF-8 mode."""
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C")
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


@contextmanager
def _other_folder() -> Iterator[None]:
    """Paths that are relative lead nowhere."""
    before = os.getcwd()  # noqa: PTH109 -- what chdir takes back
    with TemporaryDirectory(prefix="shortstack-") as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
