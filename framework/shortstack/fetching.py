"""Downloads from publishers: resumed where they were cut off, checked, and put in their place only when whole."""

import hashlib
import re
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from shortstack.contracts.datasets import Download
from shortstack.errors import DownloadError
from shortstack.files import held, unfinished
from shortstack.progress import Progress

_BLOCK: Final = 1 << 20
_PATIENCE: Final = 60
"""Seconds without a byte."""


def fetch(download: Download, folder: Path, progress: Progress) -> Path:
    """Download a file into a folder, going on from where an earlier try ended.

    Args:
        download: What, and how to check it.
        folder: An existing or new folder.
        progress: Told how many megabytes are there.

    Returns:
        The file. One that is there already and is right is not downloaded again.

    Raises:
        DownloadError: There is no network, the publisher refuses, or what came is not what was published. What has
            come so far of a cut-off download is kept beside the file, and what is wrong is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PurePosixPath(urlsplit(download.url).path).name
    partial = unfinished(path)
    with held(path):
        wanted = _published(download)
        if path.is_file():
            _check(path, wanted, f"{path} is there, but is not what was published; remove it to download it again")
            return path
        _receive(download.url, partial, progress)
        try:
            _check(partial, wanted, f"what {download.url} sent is not what was published; try again, or another day")
        except DownloadError:
            partial.unlink()
            raise
        return partial.rename(path)


def _published(download: Download) -> str | None:
    """The MD5 that the publisher tells; None if there is none."""
    if download.md5 is not None or download.md5_url is None:
        return download.md5
    with _answer(download.md5_url) as answer:
        text = answer.read(_BLOCK).decode("latin-1")
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if found is None:
        raise DownloadError(f"{download.md5_url} should hold the checksum of {download.url}, and holds none")
    return found[0].lower()


def _receive(url: str, partial: Path, progress: Progress) -> None:
    """Append what is still missing."""
    there = partial.stat().st_size if partial.is_file() else 0
    with _answer(url, start=there) as answer:
        if answer.status != 206:  # the whole file, from its start
            there = 0
        length = answer.headers.get("Content-Length")
        total = there + int(length) if length else there
        with partial.open("ab" if there else "wb") as file, progress.job("megabytes", total=total >> 20) as told:
            try:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    there += len(block)
                    told(there >> 20)
            except (OSError, HTTPException) as error:
                raise _cut_off(url, there) from error
    if length and there < total:
        raise _cut_off(url, there)


def _cut_off(url: str, there: int) -> DownloadError:
    return DownloadError(f"{url} was cut off after {there:,} bytes; the same command goes on from there")


def _answer(url: str, start: int = 0) -> HTTPResponse:
    """The answer to a request for a file, from a byte on."""
    headers = {"User-Agent": "shortstack"} | ({"Range": f"bytes={start}-"} if start else {})
    if urlsplit(url).scheme not in {"http", "https"}:
        raise DownloadError(f"{url} is no address of http or https")
    try:
        answer: HTTPResponse = urlopen(Request(url, headers=headers), timeout=_PATIENCE)  # noqa: S310 -- checked above
    except HTTPError as error:
        if error.code == 416 and start:  # nothing is missing, or the file is another one now: the checksum will tell
            return _answer(url)
        raise DownloadError(f"{url} cannot be had: the publisher answers {error.code} {error.reason}") from error
    except (URLError, OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(
            f"{url} cannot be reached ({reason}); download it elsewhere and give the file as the source"
        ) from error
    return answer


def _check(path: Path, wanted: str | None, problem: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if wanted is not None and found != wanted:
        raise DownloadError(f"{problem} (MD5 {found}, published {wanted})")
