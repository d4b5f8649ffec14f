"""What a plugin prints while it is loaded: out of the way of what the program itself prints, and not lost."""

import sys
from typing import Any


class StdoutCapture:
    """Stands in for standard output: hands all on to standard error, under a name, and remembers it.

    It goes on handing over after the plugin is loaded, because a log handler that was made meanwhile keeps it.
    """

    def __init__(self, name: object) -> None:
        """Start with nothing heard.

        Args:
            name: Who is speaking.
        """
        self.text = ""
        self._name = name

    def write(self, text: str) -> int:
        """Hand it on; the first time, with the name before it."""
        if text and not self.text:
            sys.stderr.write(f"{self._name} prints: ")
        self.text += text
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> Any:
        """All else that a text stream has is standard error's."""
        return getattr(sys.stderr, name)
