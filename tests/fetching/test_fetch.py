"""``shortstack data fetch`` against a publisher in this process: whole, cut off, wrong, or not there at all."""

import hashlib
import socket
import threading
import tracemalloc
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shortstack.cli import main
from shortstack.contracts import Download
from shortstack.errors import DownloadError
from shortstack.fetching import fetch
from shortstack.progress import Silent
from shortstack.registry import Registry

DATA = bytes(range(256)) * 20_000
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()


class Publisher(BaseHTTPRequestHandler):
    """Serves ``files``; ``limit`` cuts a response off, ``deaf`` ignores range requests and sends whole files."""

    files = {}  # noqa: RUF012 -- set by each test
    limit = None
    deaf = False
    headers_sent = {}  # noqa: RUF012 -- set by each test
    asked = []  # noqa: RUF012 -- set by each test

    def do_GET(self):
        """Answer with a file or a part of it."""
        start = 0 if self.deaf else int((self.headers["Range"] or "bytes=0-")[6:-1])
        if self.headers["If-Range"] not in {None, self.headers_sent.get("ETag")}:
            start = 0
        type(self).asked.append((self.path, start))
        data = self.files.get(self.path)
        if data is None or start >= len(data):
            self.send_error(404 if data is None else 416)
            return
        self.send_response(206 if start else 200)
        if "Content-Length" not in self.headers_sent:
            self.send_header("Content-Length", str(len(data) - start))
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[start:][: self.limit])

    def log_message(self, *_):
        """Log nothing."""


@contextmanager
def publisher(limit=None, deaf=False, headers=(), **files):
    """The address of a server of these files."""
    handler = type(
        "Once",
        (Publisher,),
        {
            "files": {f"/{n}": d for n, d in files.items()},
            "limit": limit,
            "deaf": deaf,
            "asked": [],
            "headers_sent": dict(headers),
        },
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def offer(url, **more):
    """Return a download of a file at this address."""
    return Download(url=f"{url}/a.zip", licence="for tests", **more)


def names(folder):
    """Return the names in a folder, hidden ones included."""
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file(tmp_path):
    """A whole file is moved into place, and not downloaded again."""
    with publisher(**{"a.zip": DATA}) as (url, server):
        for _ in range(2):
            assert fetch(offer(url, md5=MD5), tmp_path / "new", Silent()).read_bytes() == DATA
        assert server.asked == [("/a.zip", 0)]
    assert names(tmp_path / "new") == ["a.zip"]


@pytest.mark.parametrize("deaf", [False, True])
def test_a_download_goes_on(tmp_path, deaf):
    """A download resumes at the byte where it stopped; from the start if the server ignores ranges."""
    with (
        publisher(limit=1_000_000, **{"a.zip": DATA}) as (url, _),
        pytest.raises(DownloadError, match="was cut off after 1,000,000 bytes; the same command goes on from there"),
    ):
        fetch(offer(url, md5=MD5), tmp_path, Silent())
    assert names(tmp_path) == [".a.zip.partial", ".a.zip.partial.mark"]
    with publisher(deaf=deaf, **{"a.zip": DATA}) as (url, server):
        assert fetch(offer(url, md5=MD5), tmp_path, Silent()).read_bytes() == DATA
        assert server.asked == [("/a.zip", 0 if deaf else 1_000_000)]
    assert names(tmp_path) == ["a.zip"]


@pytest.mark.parametrize(("tag", "start"), [('"one"', 1_000_000), ('"two"', 0)])
def test_without_a_checksum_the_mark_tells(tmp_path, tag, start):
    """A file that was changed since is read from its start: no file of two halves comes out."""
    other = bytes(reversed(DATA)) if tag == '"two"' else DATA
    with (
        publisher(limit=1_000_000, headers={"ETag": '"one"'}, **{"a.zip": DATA}) as (url, _),
        pytest.raises(DownloadError, match="was cut off"),
    ):
        fetch(offer(url), tmp_path, Silent())
    with publisher(headers={"ETag": tag}, **{"a.zip": other}) as (url, server):
        assert fetch(offer(url), tmp_path, Silent()).read_bytes() == other
        assert server.asked[-1][0] == "/a.zip"
    assert names(tmp_path) == ["a.zip"]


def test_without_a_checksum_or_a_mark_it_starts_afresh(tmp_path):
    """Nothing could tell whether both halves are of one file."""
    with publisher(limit=1_000_000, **{"a.zip": DATA}) as (url, _), pytest.raises(DownloadError, match="was cut off"):
        fetch(offer(url), tmp_path, Silent())
    with publisher(**{"a.zip": DATA}) as (url, server):
        assert fetch(offer(url), tmp_path, Silent()).read_bytes() == DATA
        assert server.asked == [("/a.zip", 0)]


def test_another_part_than_was_asked_for(tmp_path):
    """A publisher that answers 206 with other bytes is not believed."""
    (tmp_path / ".a.zip.partial").write_bytes(DATA[:100])
    headers = {"Content-Range": f"bytes 50-{len(DATA) - 1}/{len(DATA)}"}
    with (
        publisher(headers=headers, **{"a.zip": DATA}) as (url, _),
        pytest.raises(DownloadError, match="another part of the file than was asked for"),
    ):
        fetch(offer(url, md5=MD5), tmp_path, Silent())
    assert names(tmp_path) == []


def test_a_line_that_breaks_often_advances(tmp_path):
    """Ten thousand bytes at a time, and then no more: all that came is kept."""
    for _ in range(3):
        with publisher(limit=10_000, **{"a.zip": DATA}) as (url, _), pytest.raises(DownloadError, match="was cut off"):
            fetch(offer(url, md5=MD5), tmp_path, Silent())
    assert (tmp_path / ".a.zip.partial").stat().st_size == 30_000


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Length": "abc"}, ""),
        ({"Content-Length": str(10**15)}, "does not fit on the disk"),
        ({"Content-Length": "10"}, ""),
    ],
)
def test_headers_that_lie(tmp_path, headers, words):
    """A length that is no number is none; one that is too large for the disk is refused before a byte is read."""
    with publisher(headers=headers, **{"a.zip": DATA}) as (url, _):
        if words:
            with pytest.raises(DownloadError, match=words):
                fetch(offer(url), tmp_path, Silent())
            assert names(tmp_path) == []
        else:
            expected = DATA[:10] if headers["Content-Length"] == "10" else DATA
            assert fetch(offer(url), tmp_path, Silent()).read_bytes() == expected


@contextmanager
def redirecting(target, length=0):
    """The address of a server that sends elsewhere, with so many bytes announced and, up to 200 MB, sent."""

    class Redirects(Publisher):
        """Sends elsewhere."""

        def do_GET(self):
            """Elsewhere."""
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            with suppress(ConnectionError):
                for _ in range(min(length >> 20, 200)):
                    self.wfile.write(bytes(1 << 20))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirects)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/a.zip", "file:///etc/passwd", "gopher://x"])
def test_redirections_stay_with_http(tmp_path, target):
    """Other protocols, and files of this machine, are refused."""
    wrong = pytest.raises(DownloadError, match=r"unknown url type: ftp|is not allowed")
    with redirecting(target) as url, wrong:
        fetch(offer(url), tmp_path, Silent())
    assert names(tmp_path) == []


@pytest.mark.parametrize("length", [0, 1, 200 << 20, 10**12, 10**20])
def test_what_comes_with_a_redirection_is_not_read(tmp_path, length):
    """It may have any length, or announce one that no machine can count."""
    with publisher(**{"a.zip": DATA}) as (url, _), redirecting(f"{url}/a.zip", length) as elsewhere:
        tracemalloc.start()
        try:
            path = fetch(offer(elsewhere, md5=MD5), tmp_path, Silent())
            assert tracemalloc.get_traced_memory()[1] < 20 << 20
        finally:
            tracemalloc.stop()
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-9\r\n", b"HTTP/9\r\n\r\n", b"\0"]
)
def test_a_checksum_that_cannot_be_read(tmp_path, answer):
    """Whatever is wrong with the answer, it is one line."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/a.md5"
        serving = threading.Thread(target=answered, args=(listening, answer), daemon=True)
        serving.start()
        with pytest.raises(DownloadError, match="cannot be reached"):
            fetch(offer("http://127.0.0.1:9", md5_url=url), tmp_path, Silent())
        serving.join()


def answered(listening, answer):
    """Send an answer to whoever connects first."""
    connection, _ = listening.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(answer)


def test_a_checksum_in_capitals(tmp_path):
    """Is the same."""
    with publisher(**{"a.zip": DATA}) as (url, _):
        assert fetch(offer(url, md5=MD5.upper()), tmp_path, Silent()).is_file()


def test_all_was_there_but_the_last_step(tmp_path):
    """A complete partial file is requested once more, and then checked."""
    (tmp_path / ".a.zip.partial").write_bytes(DATA)
    with publisher(**{"a.zip": DATA}) as (url, server):
        assert fetch(offer(url, md5=MD5), tmp_path, Silent()).read_bytes() == DATA
        assert server.asked == [("/a.zip", len(DATA)), ("/a.zip", 0)]


def test_another_file_than_was_published(tmp_path):
    """A file with another checksum is removed."""
    with (
        publisher(**{"a.zip": b"<html>"}) as (url, _),
        pytest.raises(DownloadError, match=rf"is not what was published; .* published {MD5}"),
    ):
        fetch(offer(url, md5=MD5), tmp_path, Silent())
    assert names(tmp_path) == []


def test_another_file_is_there(tmp_path):
    """An existing file with other content is left alone."""
    (tmp_path / "a.zip").write_bytes(b"mine")
    with (
        publisher(**{"a.zip": DATA}) as (url, _),
        pytest.raises(DownloadError, match="is there, but is not what was published; remove it"),
    ):
        fetch(offer(url, md5=MD5), tmp_path, Silent())
    assert (tmp_path / "a.zip").read_bytes() == b"mine"


def test_a_checksum_beside_the_file(tmp_path):
    """A checksum file beside the download is used, as MovieLens has it; a page without a checksum is refused."""
    with publisher(**{"a.zip": DATA, "sum": f"MD5 (a.zip) = {MD5.upper()}\n".encode(), "no": b"none"}) as (url, _):
        assert fetch(offer(url, md5_url=f"{url}/sum"), tmp_path, Silent()).is_file()
        with pytest.raises(DownloadError, match=r"/no should hold the checksum of .*/a\.zip, and holds none"):
            fetch(offer(url, md5_url=f"{url}/no"), tmp_path / "other", Silent())


def test_no_network(tmp_path):
    """Without a network the error is clear, and no partial file stays."""
    with publisher() as (url, _):
        pass
    with pytest.raises(
        DownloadError, match=r"cannot be reached \(.*refused.*\); download it elsewhere and give the file"
    ):
        fetch(offer(url), tmp_path / "new", Silent())
    assert names(tmp_path / "new") == []


def test_the_publisher_refuses(tmp_path):
    """The server's response is reported."""
    with (
        publisher() as (url, _),
        pytest.raises(DownloadError, match="cannot be downloaded: the publisher answers 404 Not Found"),
    ):
        fetch(offer(url), tmp_path, Silent())


def test_no_address(tmp_path):
    """Files of this machine are not for downloading."""
    with pytest.raises(DownloadError, match="is no address of http or https"):
        fetch(offer("file:///etc"), tmp_path, Silent())


def call(*arguments, capsys):
    """Exit code, output, errors."""
    with pytest.raises(SystemExit) as ended:
        main(["data", "fetch", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def test_the_command(tmp_path, capsys, monkeypatch):
    """Shows the licence before anything is downloaded, then the file and what to do with it."""
    descriptor = Registry.from_environment().find("dataset", "movielens").descriptor
    with publisher(**{"a.zip": DATA}) as (url, _):
        monkeypatch.setitem(descriptor.downloads, "ml-test", offer(url, md5=MD5))
        code, out, _ = call("movielens", "ml-test", "--to", tmp_path, capsys=capsys)
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()[:2]] == ["licence", "from"]
    assert (
        f"{tmp_path / 'a.zip'} ({len(DATA):,} bytes, as published); look into it: shortstack data inspect movielens"
        in out
    )


@pytest.mark.parametrize("name", ["movielens", "amazon-reviews", "lastfm", "mind", "yelp", "recbole"])
def test_where_to_get_each(name, capsys):
    """An address that a person can open, in one line each."""
    code, out, _ = call(name, capsys=capsys)
    assert code == 0
    assert "https://" in out or "http://" in out


def test_an_unknown_edition(capsys):
    """An unknown edition gets a suggestion."""
    code, _, err = call("movielens", "ml-100", capsys=capsys)
    assert code == 2
    assert "unknown edition of movielens 'ml-100'; did you mean 'ml-100k'?" in err


def test_what_has_no_download(capsys):
    """For an edition without a download the command says how to get it."""
    code, out, _ = call("yelp", "academic", capsys=capsys)
    assert code == 0
    assert "https://www.yelp.com/dataset" in out
