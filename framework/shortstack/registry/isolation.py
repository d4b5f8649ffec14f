"""Attribution of errors: an exception from a plugin's code leaves the core with the plugin's name on it."""

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from traceback import walk_tb
from types import FrameType
from typing import Final

import attrs

from shortstack.errors import DiskFullError, PluginError, ShortstackError, UnsupportedModelError
from shortstack.full_disk import full_disk_behind
from shortstack.registry.expert_rows import ADVICE, has_unaligned_experts

_LONGEST: Final = 500
"""Largest number of characters of a third party's message that ours repeats."""
_LIBRARIES: Final = frozenset(
    {"shortstack", "torch", "transformers", "polars", "numpy", "datasets", "attr", "attrs", "pluggy", "hypothesis"}
)
"""Packages whose frames do not show the cause of an error."""


def plugin_errors(component: object, deed: str = "failed") -> AbstractContextManager[None]:
    """Attribute the errors of a plugin's code to its component.

    A ``ShortstackError`` was raised on purpose: it keeps its type and gets a note of its origin. Ctrl-C passes too, and a
    full disk, which is no fault of a plugin; nor are widths of a model that torch cannot multiply.

    Args:
        component: Its kind, name and origin in words, for example ``"importance scorer acme/depth (acme:main 1.0)"``.
        deed: The failed action, in words.

    Raises:
        UnsupportedModelError: torch refused the model's widths.
        PluginError: Anything else was raised, a plugin's own ``SystemExit`` included; it is the cause.
    """
    return _PluginErrors(component=component, deed=deed)


def errors_of_others(component: object, kind: str) -> AbstractContextManager[None]:
    """Attribute the errors of an object to it, unless it is ours."""
    if type(component).__module__.partition(".")[0] == "shortstack":
        return nullcontext()
    return plugin_errors(f"{kind} {type(component).__name__} ({written_in(component)})")


def defined_in(function: object) -> str:
    """Return where a function is defined, or the class of any other object that can be called.

    >>> defined_in(written_in)
    'shortstack.registry.isolation:written_in'
    """
    if isinstance(function, partial):
        return defined_in(function.func)
    name = getattr(function, "__qualname__", None)
    return written_in(function) if name is None else f"{function.__module__}:{name}"


@attrs.frozen(kw_only=True, eq=False)
class _PluginErrors(AbstractContextManager[None]):
    """Context manager of ``plugin_errors``; a generator-based one would misread our error about a ``StopIteration``."""

    component: object
    deed: str

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ShortstackError) and not isinstance(error, DiskFullError):
            note = f"in {self.component}"
            named = getattr(error, "component", None) is not None  # an inner context has said whose fault it is
            if not named and str(self.component) not in str(error) and note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        elif has_unaligned_experts(error):
            raise UnsupportedModelError(ADVICE) from error
        elif isinstance(error, Exception | SystemExit) and full_disk_behind(error) is None:
            failure = PluginError(f"{self.component} {self.deed}: {format_error(error)}{error_place(error)}")
            failure.component = str(self.component)
            raise failure from error


def written_in(component: object) -> str:
    """Return where the class of an unnamed object is defined.

    >>> written_in(Exception())
    'builtins:Exception'
    """
    return f"{type(component).__module__}:{type(component).__qualname__}"


def error_place(error: BaseException) -> str:
    """Return `` (file, line 3, in function)`` of the innermost frame outside shortstack and libraries, or nothing.

    >>> error_place(ValueError("never raised"))
    ''
    """
    frames = [(frame, line) for frame, line in walk_tb(error.__traceback__) if _is_third_party(frame)]
    if not frames:
        return ""
    frame, line = frames[-1]
    return f" ({frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name})"


def _is_third_party(frame: FrameType) -> bool:
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return top not in _LIBRARIES and top not in sys.stdlib_module_names


def format_error(error: BaseException) -> str:
    """Return the type and message of an error.

    >>> format_error(ValueError("too many"))
    'ValueError: too many'
    """
    said = error_message(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def error_message(error: BaseException) -> str:
    """Return an error's message in one line of limited length, even if a third-party class fails to format it."""
    try:
        line = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 -- a third-party __str__ may raise anything
        return "(its message cannot be shown)"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
