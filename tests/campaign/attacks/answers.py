"""Answers of publishers: status lines, headers and bodies that lie, redirections, and bytes that are no HTTP."""

import hashlib
from pathlib import Path

from campaign.case import Case
from campaign.publisher import ADAPTER, EDITION
from campaign.recipes import damaged
from hypothesis import strategies as st

BODY = bytes(range(256)) * 4
SUM = hashlib.md5(BODY, usedforsecurity=False).hexdigest().encode()
STATUS = (
    "200 OK",
    "206 Partial Content",
    "204 No",
    "301 Moved",
    "302 Found",
    "308 X",
    "404 No",
    "416 X",
    "500 \x1b[2J",
    "999 X",
    "x",
    "200",
    "100 X",
)
NUMBERS = ("-1", "0", "1", "1024", "99999999999999999999", "١", "abc", "", "1e3", "0x10")
HEADERS = (
    *(f"Content-Length: {number}" for number in NUMBERS),
    *(f"Content-Range: bytes {number}-9/10" for number in NUMBERS),
    "Transfer-Encoding: chunked", "Content-Encoding: gzip", 'ETag: "x"', "ETag: \x1b", "Last-Modified: é", "Location: /", "Location: ftp://x/y",
    "Location: file:///etc/passwd", "Location: http://127.0.0.1:{port}/a.zip", "Location: //[::1", "Location: http://[", "Location:", "Connection: close",
    "Connection: keep-alive", "Location: http://127.0.0.1:99999/", "no colon", "X: " + "y" * 70_000, "Set-Cookie: a=b", *("X: y",) * 1,
)  # fmt: skip
PARTIAL = "out/.a.zip.partial"


def cases(_bases: Path) -> st.SearchStrategy[Case]:
    """Draw what a publisher sends for a checksum and for the file, and what an earlier attempt has left."""
    checksum = st.just(_answer("200 OK", (f"Content-Length: {len(SUM)}",), SUM)) | _answers(SUM)
    files = st.dictionaries(
        st.sampled_from([PARTIAL, f"{PARTIAL}.mark", "out/a.zip"]),
        st.sampled_from([b"", BODY[:99], BODY, b'"x"']),
        max_size=2,
    )
    return st.builds(
        lambda first, more, there: Case(
            answers=(first, *more),
            files=there,
            command=("data", "fetch", ADAPTER, EDITION, "--to", "out"),
            writes=("out",),
        ),
        checksum,
        st.lists(_answers(BODY), min_size=1, max_size=4),
        files,
    )


def _answers(body: bytes) -> st.SearchStrategy[bytes]:
    lines = st.lists(st.sampled_from(HEADERS), max_size=3).map(tuple)
    sound = st.builds(
        _answer, st.sampled_from(STATUS), lines, st.just(body) | damaged(body) | st.just(b"5\r\nhello\r\nzz\r\n")
    )
    return sound | sound.flatmap(damaged) | st.binary(max_size=20)


def _answer(status: str, headers: tuple[str, ...], body: bytes) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body
