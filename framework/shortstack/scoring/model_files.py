"""Which files of a model's folder its scores depend on: those that the model and its tokenizer are read from."""

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
"""Weights, config, and what transformers' tokenizers call their files."""
_SHARD_OF_SCORES: Final = "*.[0-9]*-of-[0-9]*.safetensors"


def files_read(folder: Path) -> list[Path]:
    """The files that count, by name; scores, shards of them, logs and the like may lie beside them and come and go."""
    names = sorted(path.name for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
    read = [name for name in names if any(fnmatch(name, pattern) for pattern in _READ)]
    return [folder / name for name in read if not fnmatch(name, _SHARD_OF_SCORES)]
