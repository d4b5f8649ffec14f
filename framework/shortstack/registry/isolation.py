"""Whose code failed: what a plugin raises leaves the core with the plugin's name on it."""

import sys
from contextlib import AbstractContextManager
from traceback import walk_tb
from types import FrameType
from typing import Final

import attrs

from shortstack.errors import PluginError, ShortstackError

_LONGEST: Final = 500
"""Characters of a third party's message that ours repeats."""
_LIBRARIES: Final = frozenset(
    {"shortstack", "torch", "transformers", "polars", "numpy", "datasets", "attr", "attrs", "pluggy", "hypothesis"}
)
"""Where an error may come from that is not where its cause is."""


def plugin_errors(component: object, deed: str = "failed") -> AbstractContextManager[None]:
    """Attribute the errors of a plugin's code to its component.

    An error of our family was raised on purpose: it stays what it is and notes where it came from. Ctrl-C stays too.

    Args:
        component: Its kind, name and origin in words, for example ``"importance scorer acme/depth (acme:main 1.0)"``.
        deed: The failed action, in words.

    Raises:
        PluginError: Anything else was raised, a plugin's own ``SystemExit`` included; it is the cause.
    """
    return _PluginErrors(component=component, deed=deed)


@attrs.frozen(kw_only=True, eq=False)
class _PluginErrors(AbstractContextManager[None]):
    """See ``plugin_errors``; no generator, for contextlib takes our error about a ``StopIteration`` for Python's own."""

    component: object
    deed: str

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ShortstackError):
            note = f"in {self.component}"
            if str(self.component) not in str(error) and note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        elif isinstance(error, Exception | SystemExit):
            raise PluginError(f"{self.component} {self.deed}: {format_error(error)}{error_place(error)}") from error


def written_in(component: object) -> str:
    """Where the class of an object was written, for one that came without a name.

    >>> written_in(Exception())
    'builtins:Exception'
    """
    return f"{type(component).__module__}:{type(component).__qualname__}"


def error_place(error: BaseException) -> str:
    """`` (file, line 3, in function)``: the innermost line that is neither ours nor a library's; empty if none is.

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
    """The type and message of an error.

    >>> format_error(ValueError("too many"))
    'ValueError: too many'
    """
    said = error_message(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def error_message(error: BaseException) -> str:
    """The message of an error in one line that is not too long, whatever a third-party class does when it is asked."""
    try:
        line = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 -- a third-party __str__ may raise anything
        return "(its message cannot be shown)"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
