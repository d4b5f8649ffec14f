"""Files into a folder: all of them, or none."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from shortstack.errors import ConfigurationError


def write_all(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder that is new or empty; they are made beside it and appear at the end.

    Args:
        folder: Where to; its parents are made.
        texts: Path within the folder → UTF-8 text.

    Raises:
        ConfigurationError: There is something already; it is left as it is.
        OSError: The place cannot be written to.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        found = "is not empty" if folder.is_dir() else "is a file"
        raise ConfigurationError(f"{folder} {found} and was left as it is; name a new or empty folder with --folder")
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
    for entry in sorted(made.iterdir()):  # a shell may stand in the empty folder: keep that very folder
        entry.rename(folder / entry.name)
