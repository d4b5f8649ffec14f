"""Writing of several files into a folder: all of them, or none."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from shortstack.errors import ConfigurationError


def write_all(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder that is new or empty; they are written beside it and moved at the end.

    Args:
        folder: The folder; its parents are created.
        texts: Path within the folder → text, written as UTF-8.

    Raises:
        ConfigurationError: The folder is not empty, or is a file; it is left as it is.
        OSError: The folder cannot be written to.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        problem = "is not empty" if folder.is_dir() else "is a file"
        raise ConfigurationError(f"{folder} {problem} and was left as it is; name a new or empty folder with --folder")
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix=".new-") as staging:
        made = Path(staging) / folder.resolve().name
        for path, text in texts.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text, encoding="utf-8", newline="\n")
        _move(made, folder)


def _move(made: Path, folder: Path) -> None:
    if not folder.exists():
        made.rename(folder)
        return
    for entry in sorted(made.iterdir()):  # the empty folder may be a shell's working directory, so it is not replaced
        entry.rename(folder / entry.name)
