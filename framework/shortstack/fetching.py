"""Downloads from publishers: resumable, verified by checksum, and moved into place only when complete."""

import hashlib
import re
import shutil
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from shortstack.boundaries import read_as
from shortstack.contracts.datasets import Download
from shortstack.errors import DownloadError
from shortstack.files import held, unfinished
from shortstack.full_disk import full_disks_named
from shortstack.progress import Progress

_BLOCK: Final = 1 << 20
_PATIENCE: Final = 60
"""Seconds without a byte."""
_MOST: Final = 1 << 40
"""Bytes of a file whose length is not announced: more than any data set, and an end to an answer without end."""


def fetch(download: Download, folder: Path, progress: Progress) -> Path:
    """Download a file into a folder, resuming an interrupted download.

    Args:
        download: The file's address and checksum.
        folder: An existing or new folder.
        progress: Receives the number of megabytes downloaded.

    Returns:
        Path of the file. One that exists with the right checksum is not downloaded again.

    Raises:
        DownloadError: There is no network, the publisher refuses, or the checksum is wrong. The received part of an
            interrupted download is kept beside the file; a complete but wrong file is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PurePosixPath(urlsplit(download.url).path).name
    partial = unfinished(path)
    with held(path):
        wanted = _published(download)
        if path.is_file():
            _check(path, wanted, f"{path} is there, but is not what was published; remove it to download it again")
            return path
        _receive(download.url, partial, progress, checked=wanted is not None)
        try:
            _check(partial, wanted, f"what {download.url} sent is not what was published; try again, or another day")
        except DownloadError:
            partial.unlink()
            raise
        return partial.rename(path)


def _published(download: Download) -> str | None:
    """Return the MD5 that the publisher states; None if there is none."""
    if download.md5 is not None or download.md5_url is None:
        return download.md5 and download.md5.lower()
    with _answer(download.md5_url) as answer, _reaching(download.md5_url):
        text = answer.read(_BLOCK).decode("latin-1")
    checksum = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if checksum is None:
        raise DownloadError(f"{download.md5_url} should hold the checksum of {download.url}, and holds none")
    return checksum[0].lower()


def _receive(url: str, partial: Path, progress: Progress, *, checked: bool) -> None:
    """Append what is still missing, if it is of the same file: the publisher's own mark of it says so, or a checksum will."""
    marker = partial.with_name(f"{partial.name}.mark")
    mark = marker.read_text(encoding="latin-1") if marker.is_file() else ""
    there = partial.stat().st_size if partial.is_file() and (mark or checked) else 0
    with _answer(url, start=there, mark=mark) as answer:
        if answer.status != 206 or _range_start(answer.headers.get("Content-Range"), there) != there:
            if answer.status == 206:  # another part than was asked for, which nothing can be done with
                _discard(partial, marker)
                raise DownloadError(
                    f"{url} sends another part of the file than was asked for; the same command starts afresh"
                )
            there = 0  # the whole file, from its start
        length = _number(answer.headers.get("Content-Length"))
        total = there + (length or 0)
        _require_room(url, partial.parent, length or 0)
        marker.write_text(_mark_of(answer), encoding="latin-1")
        with (
            full_disks_named(partial.parent, str(partial)),
            partial.open("ab" if there else "wb") as file,
            progress.job("megabytes", total=total >> 20) as advance,
        ):
            while block := _next_block(answer, url, there):
                file.write(block)
                there += len(block)
                if there > (total if length is not None else _MOST):
                    raise _too_long(url, there)
                advance(there >> 20)
    if length and there < total:
        raise _cut_off(url, there)
    marker.unlink(missing_ok=True)


def _next_block(answer: HTTPResponse, url: str, there: int) -> bytes:
    """Return what has come, though it be little, so that a line that breaks often advances too; empty at the end."""
    try:
        return answer.read1(_BLOCK)
    except MemoryError:
        raise
    except Exception as error:
        raise _cut_off(url, there) from error


def _mark_of(answer: HTTPResponse) -> str:
    """Return the mark of this state of the file: a strong ETag, or else the date; empty if the publisher gives neither."""
    tag = answer.headers.get("ETag") or ""
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified") or ""


def _range_start(header: str | None, default: int) -> int | None:
    """The first byte of a part; a publisher that does not say is believed to send what was asked for."""
    if header is None:
        return default
    found = re.match(r"bytes (\d+)-", header)
    return int(found[1]) if found else None


def _number(header: str | None) -> int | None:
    return int(header) if header and header.isascii() and header.isdecimal() else None


def _require_room(url: str, folder: Path, needed: int) -> None:
    if needed > shutil.disk_usage(folder).free:
        raise _no_room(url, folder)


def _no_room(url: str, folder: Path) -> DownloadError:
    return DownloadError(f"{url} does not fit on the disk of {folder}; make room, and the same command goes on")


def _too_long(url: str, there: int) -> DownloadError:
    return DownloadError(
        f"{url} sends more than it announced, or than any data set holds ({there:,} bytes so far); try another day"
    )


def _discard(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _cut_off(url: str, there: int) -> DownloadError:
    return DownloadError(f"{url} was cut off after {there:,} bytes; the same command goes on from there")


def _opener() -> OpenerDirector:
    """Knows http and https alone, so that no redirection leads to a file of this machine or to another protocol."""
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(), _Redirections()):
        opener.add_handler(handler)
    opener.add_handler(HTTPErrorProcessor())
    opener.add_handler(UnknownHandler())
    return opener


def _answer(url: str, start: int = 0, mark: str = "") -> HTTPResponse:
    """The answer to a request for a file, from a byte on, if the file is still the one with this mark; else all of it."""
    headers = {"User-Agent": "shortstack", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": mark} if mark else {})
    if urlsplit(url).scheme not in {"http", "https"}:
        raise DownloadError(f"{url} is no address of http or https")
    with _reaching(url):
        try:
            answer: HTTPResponse | None = _opener().open(Request(url, headers=headers), timeout=_PATIENCE)  # noqa: S310 -- checked above
        except HTTPError as error:
            if error.code == 416 and start:  # range not satisfiable: complete, or replaced; the checksum decides
                return _answer(url)
            raise DownloadError(
                f"{url} cannot be downloaded: the publisher answers {error.code} {error.reason}"
            ) from error
        except URLError as error:
            raise OSError(error.reason) from error
        if answer is None:
            raise OSError("no answer")
        return answer


def _reaching(url: str) -> AbstractContextManager[None]:
    """Turn whatever is raised while an answer is read into one line: servers find ever new ways to be wrong."""
    return read_as(
        url, "cannot be reached", "download it elsewhere and give the file as the source", error=DownloadError
    )


class _Redirections(HTTPRedirectHandler):
    """Follows redirections without reading what comes with them, which may have any length."""

    def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Follow it, as urllib does."""
        fp.close()
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _check(path: Path, wanted: str | None, problem: str) -> None:
    if wanted is None:
        return
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if actual != wanted:
        raise DownloadError(f"{problem} (MD5 {actual}, published {wanted})")
