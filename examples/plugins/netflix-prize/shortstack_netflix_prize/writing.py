"""Writing of a small sample in the official layout, for the conformance kit to test the adapter on."""

import re
from datetime import UTC, datetime
from pathlib import Path

from shortstack.contracts import Interaction, Sample
from shortstack.errors import DataError


def write_sample(sample: Sample, folder: Path) -> Path:
    """Write ``combined_data_1.txt``, one block per movie, and ``movie_titles.csv``, in latin-1 as the original.

    Returns:
        ``folder``, for ``read``.

    Raises:
        DataError: A rating is no whole number, which the format cannot hold.
    """
    blocks: dict[str, list[str]] = {}
    for row in sample.rows:
        blocks.setdefault(row.item, []).append(f"{row.user},{_stars(row)},{_day(row)}\n")
    text = "".join(f"{movie}:\n{''.join(lines)}" for movie, lines in blocks.items())
    (folder / "combined_data_1.txt").write_text(text, encoding="utf-8", newline="")
    titles = "".join(f"{movie},{_year_and_title(title)}\n" for movie, title in sample.titles.items())
    (folder / "movie_titles.csv").write_text(titles, encoding="latin-1", newline="")
    return folder


def _stars(row: Interaction) -> str:
    if not isinstance(row.rating, float | int):
        return str(row.rating)
    if row.rating % 1:
        raise DataError(f"the Netflix Prize has whole stars alone, so it cannot hold the rating {row.rating:g}")
    return f"{row.rating:g}"


def _day(row: Interaction) -> str:
    if not isinstance(row.timestamp, int):
        return str(row.timestamp)
    return datetime.fromtimestamp(row.timestamp / 1000, tz=UTC).date().isoformat()


def _year_and_title(title: str) -> str:
    """Split a title with its year, such as ``7 Seconds (2005)``, into the fields of the file.

    >>> _year_and_title("7 Seconds (2005)"), _year_and_title("Cube")
    ('2005,7 Seconds', 'NULL,Cube')
    """
    dated = re.fullmatch(r"(.*) \(([0-9]{4})\)", title)
    return f"{dated[2]},{dated[1]}" if dated else f"NULL,{title}"
