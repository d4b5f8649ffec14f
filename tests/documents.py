"""The fenced code blocks of our documents."""

import re
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/write-a-scorer.md", "docs/compress-your-llm.md")


@attrs.frozen(kw_only=True)
class Block:
    """A fenced block of a Markdown document.

    Attributes:
        language: The first word after the fence.
        info: The second: a file that the block is to be written to, or ``fails`` for commands that should.
        code: The text in the block.
    """

    language: str
    info: str
    code: str


def blocks(document):
    """Return all fenced blocks of a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [
        Block(language=language, info=info.strip(), code=code)
        for language, info, code in re.findall(r"^```(\w+)( [^\n]*)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]
