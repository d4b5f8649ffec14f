"""``shortstack serve`` as a process: many clients, slow ones, a folder that changes, and the end."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import attrs
import httpx2
import pytest

from shortstack.recommender import Recommender

CLIENTS = 16
HISTORIES = [
    [f"m{(first + step * n) % 16}" for n in range(length)]
    for first in range(16)
    for step, length in ((1, 1), (3, 5), (5, 3))
]


@contextmanager
def served(folder, *options, environment=()):
    """The service of a folder: its process and its address; killed at the end if it still runs."""
    command = [sys.executable, "-m", "shortstack", "serve", str(folder), "--port", "0", *options]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **dict(environment)},
    ) as process:
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, line + process.stderr.read()
            yield process, found[0]
        finally:
            process.kill()


def stopped(process):
    """Exit code after SIGTERM, and what was logged."""
    process.send_signal(signal.SIGTERM)
    _, logged = process.communicate(timeout=30)
    return process.returncode, logged


def everything_asked(address, histories):
    """Answers from sixteen threads, each with a connection of its own."""

    def ask(some):
        with httpx2.Client(base_url=address, timeout=60, trust_env=False) as client:
            return [client.post("/v1/recommend", json={"history": history}) for history in some]

    with ThreadPoolExecutor(CLIENTS) as threads:
        parts = list(threads.map(ask, [histories[n::CLIENTS] for n in range(CLIENTS)]))
    return [parts[place % CLIENTS][place // CLIENTS] for place in range(len(histories))]


@pytest.mark.full
@pytest.mark.parametrize("batch", [1, 32])
def test_sixteen_clients_get_what_the_recommender_gives(folder, batch):
    """Alone to the last bit, in batches to the rounding of float32; then SIGTERM ends it with 0."""
    recommender = Recommender.from_pretrained(folder)
    with served(folder, "--batch", str(batch), "--workers", "2") as (process, address):
        answers = everything_asked(address, HISTORIES)
        sizes = httpx2.get(f"{address}/metrics", trust_env=False).text
        code, logged = stopped(process)

    assert {200} == {answer.status_code for answer in answers}
    for history, answer in zip(HISTORIES, answers, strict=True):
        expected = [attrs.asdict(one) for one in recommender.recommend(history)]
        (found,) = answer.json()["recommendations"]
        if batch == 1:
            assert expected == found
        else:
            assert [one["id"] for one in expected] == [one["id"] for one in found]
            assert [one["score"] for one in expected] == pytest.approx([one["score"] for one in found], abs=1e-5)
    together = int(re.search(r"shortstack_batch_size_count (\d+)", sizes)[1]) < len(HISTORIES)
    assert (batch > 1) == together
    assert 0 == code
    lines = [json.loads(line) for line in logged.splitlines()]
    assert len(HISTORIES) == sum(line.get("path") == "/v1/recommend" for line in lines)
    assert not re.search(r"m\d+\b|Film", logged)


@pytest.mark.full
def test_what_may_happen_to_a_service(folder, tmp_path):
    """Its folder is overwritten, clients are slow or many or send too much, the port is taken, and it is told to stop."""
    place = shutil.copytree(folder, tmp_path / "student")
    with (
        served(place, "--timeout", "2", "--window-ms", "300") as (process, address),
        httpx2.Client(base_url=address, timeout=60, trust_env=False) as client,
    ):
        first = client.post("/v1/recommend", json={"history": ["m1"]}).json()
        assert not client.get("/ready").json()["folder_changed"]
        damage(place / "model.safetensors")
        assert first == client.post("/v1/recommend", json={"history": ["m1"]}).json()
        assert client.get("/ready").json()["folder_changed"]
        shutil.rmtree(place)
        assert first == client.post("/v1/recommend", json={"history": ["m1"]}).json()

        large = client.post("/v1/recommend", content=b" " * 100_000_000)
        assert 413 == large.status_code

        host, port = urlsplit(address).hostname, urlsplit(address).port
        idle = [socket.create_connection((host, port)) for _ in range(200)]
        head = (
            b"POST /v1/recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"
        )
        with (
            socket.create_connection((host, port), timeout=20) as slow,
            socket.create_connection((host, port), timeout=20) as slower,
        ):
            slow.sendall(head)
            slower.sendall(head[:30])
            assert client.get("/health").status_code == 200  # the others do not wait for them
            for one, kind in ((slow, b"slow-body"), (slower, b"slow-head")):
                answer = everything_from(one)
                assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
                assert kind in answer
        assert [b""] * len(idle) == [one.recv(1) for one in idle]  # closed, for they asked for nothing
        for one in idle:
            one.close()

        done = subprocess.run(
            [sys.executable, "-m", "shortstack", "serve", str(folder), "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert 2 == done.returncode
        assert f"error: cannot listen at 127.0.0.1, port {port}: Address already in use; choose others" in done.stderr

        with ThreadPoolExecutor(1) as threads:  # waits for others in its window when the signal comes
            last = threads.submit(client.post, "/v1/recommend", json={"history": ["m1"]})
            time.sleep(0.1)
            code, _ = stopped(process)
            assert first == last.result().json()
        assert 0 == code


def damage(file):
    """Other weights in the same file, as a copy over it would leave them."""
    content = file.read_bytes()
    with file.open("r+b") as opened:
        opened.seek(len(content) // 2)
        opened.write(b"\x11" * (len(content) - len(content) // 2))


def everything_from(connection):
    """All bytes until the other side closes it."""
    parts = []
    while part := connection.recv(4096):
        parts.append(part)
    return b"".join(parts)
