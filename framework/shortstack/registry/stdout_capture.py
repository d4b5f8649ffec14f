"""Capture of what plugins print while they are loaded, to keep it out of the program's own output."""

import sys
from typing import Any


class StdoutCapture:
    """Replacement for standard output that forwards all text to standard error, under a name, and records it.

    It keeps forwarding after the plugin is loaded, because a log handler created meanwhile may hold it.
    """

    def __init__(self, name: object) -> None:
        """Start with an empty record.

        Args:
            name: Name that is printed before the first text.
        """
        self.text = ""
        self._name = name

    def write(self, text: str) -> int:
        """Forward a text; the first one with the name before it."""
        if text and not self.text:
            sys.stderr.write(f"{self._name} prints: ")
        self.text += text
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else of a text stream to standard error."""
        return getattr(sys.stderr, name)
