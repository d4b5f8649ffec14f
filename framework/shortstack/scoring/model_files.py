"""The files of a model's folder that its scores depend on: those of the model and its tokenizer."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Final

_READ: Final = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "*token*",
    "*vocab*",
    "*.model",
    "*.txt",
    "emoji.json",
    "normalizer.json",
    "tekken.json",
    "word_*.json",
)
"""Weights, config, and the file names of transformers' tokenizers."""
_SHARD_OF_SCORES: Final = "*.[0-9]*-of-[0-9]*.safetensors"


def files_read(folder: Path) -> list[Path]:
    """Return the files that scores depend on, by name; others, such as scores or logs, may change without effect."""
    names = sorted(path.name for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
    read = [name for name in names if any(fnmatch(name, pattern) for pattern in _READ)]
    return [folder / name for name in read if not fnmatch(name, _SHARD_OF_SCORES)]
