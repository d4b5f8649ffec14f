"""The page about errors quotes messages that the code has, and names every class of errors."""

import ast
import re
from pathlib import Path

import pytest
from documents import ROOT

from shortstack import errors

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\| `([^`]*…[^`]*|[^`]{40,})` \|", PAGE, re.MULTILINE)


def templates(path):
    """Yield the texts of a module, with an ellipsis for what is filled in."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def texts():
    """All texts of our code, one a line."""
    folders = (ROOT / "framework" / "shortstack", ROOT / "plugins")
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    return "\n".join(text for path in files for text in templates(path))


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_is_in_the_code(message, texts):
    """Its pieces between ellipses are in one text, in this order."""
    pattern = ".*".join(re.escape(piece) for piece in message.strip("…").split("…"))

    assert re.search(pattern, texts), message


def test_there_are_many():
    """The tables were found."""
    assert len(QUOTED) > 35


def test_every_class_of_errors_is_there():
    """A new class of errors needs a section or a row."""
    classes = [name for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, Exception)]

    assert [name for name in classes if f"`{name}`" not in PAGE] == []
