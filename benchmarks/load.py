"""The service of a run under load: answers a second and how long they take, beside a plain FastAPI handler; then a long load.

    python -m benchmarks.load runs/quickstart --markdown docs/results/service-cpu.md

Student and teacher are asked by 1, 16 and 64 clients that wait for their answers. Every answer is compared with that of
``Recommender.recommend_many``. Server and clients share the machine.
"""

import argparse
import asyncio
import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

import attrs
import numpy as np
import torch

from shortstack import Recommender
from shortstack.data.sequences import Sequences
from shortstack.run_layout import DATA, SEQUENCES, STUDENT, TEACHER

CLIENTS: Final = (1, 16, 64)
LONGEST: Final = 200
"""Items of a history; some users have thousands."""
TOLERANCE: Final = 1e-4
"""Largest difference of two scores that are the same: a batch of another size rounds otherwise."""


@attrs.frozen(kw_only=True)
class Load:
    """Outcome of requests from several clients.

    Attributes:
        rate: Answers a second.
        p50, p99: Milliseconds within which half, and 99 of 100, were answered.
        wrong: Number of answers that are not those of ``recommend_many``.
    """

    rate: float
    p50: float
    p99: float
    wrong: int


@attrs.frozen(kw_only=True)
class Service:
    """A service in a process of its own."""

    process: "subprocess.Popen[str]"
    address: str
    start_s: float

    def resident_mb(self) -> float:
        """Return its resident memory; Linux alone says it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


@contextmanager
def started(*command: str) -> Iterator[Service]:
    """Start a service that prints its address."""
    begin = perf_counter()
    words = [sys.executable, "-m", *command]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield Service(process=process, address=re.findall(r"http://\S+", line)[0], start_s=perf_counter() - begin)
        finally:
            process.terminate()


class Questions:
    """Histories of a run's users, and the answers of one of its models."""

    def __init__(self, run: Path, model: str, count: int) -> None:
        """Compute the answers."""
        recommender = Recommender.from_pretrained(run / model)
        items = [item.id for item in recommender.catalogue.items]
        cases = Sequences.load(run / DATA / SEQUENCES).cases("test")
        rows = np.linspace(0, len(cases.starts) - 1, min(count, len(cases.starts))).astype(int)
        self.histories = [[items[place] for place in cases.history(row)[-LONGEST:]] for row in rows]
        self.answers = recommender.recommend_many(self.histories, 10)
        # the student is the default
        choice = {} if model == STUDENT else {"model": model}
        self.bodies = [json.dumps({"history": history, **choice}).encode() for history in self.histories]

    def is_right(self, number: int, body: bytes) -> bool:
        """Return whether an answer has these items with these scores; equal scores may change places."""
        (answer,) = json.loads(body)["recommendations"]
        expected = self.answers[number]
        scores = {one.id: one.score for one in expected}
        return len(answer) == len(expected) and all(
            abs(one["score"] - other.score) <= TOLERANCE
            and abs(scores.get(one["id"], other.score) - one["score"]) <= TOLERANCE
            for one, other in zip(answer, expected, strict=True)
        )


def load(address: str, questions: Questions, clients: int, requests: int) -> Load:
    """Send requests from several clients, each of which waits for its answer."""
    begin = perf_counter()
    outcomes = asyncio.run(_from_clients(address, questions, clients, requests))
    seconds = perf_counter() - begin
    times = 1000 * np.array([time for time, _ in outcomes])
    return Load(
        rate=requests / seconds,
        p50=float(np.percentile(times, 50)),
        p99=float(np.percentile(times, 99)),
        wrong=sum(not right for _, right in outcomes),
    )


async def _from_clients(address: str, questions: Questions, clients: int, requests: int) -> list[tuple[float, bool]]:
    numbers = iter(range(requests))
    outcomes: list[tuple[float, bool]] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(urlsplit(address).hostname, urlsplit(address).port)
        for number in numbers:
            place = number % len(questions.bodies)
            begin = perf_counter()
            body = await _answer(reader, writer, questions.bodies[place])
            outcomes.append((perf_counter() - begin, questions.is_right(place, body)))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return outcomes


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    head = f"POST /v1/recommend HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    content = await reader.readexactly(int(re.findall(rb"content-length: (\d+)", answer)[0]))
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the service answered {answer!r} {content!r}")
    return content


def measured(run: Path, requests: int, soak: int) -> Iterator[str]:
    """Yield the lines of a page."""
    names = [name for name in (STUDENT, TEACHER) if (run / name).is_dir()]
    questions = {name: Questions(run, name, 1_000) for name in names}
    yield from _head(run, requests)
    rates: dict[tuple[str, int, bool], float] = {}
    starts = []
    with started("shortstack", "serve", str(run), "--port", "0") as service:
        starts.append(service.start_s)
        for name in names:
            with started("benchmarks.naive_service", str(run / name)) as naive:
                for server in (service, naive):
                    load(server.address, questions[name], 16, 64)  # warms it up
                for clients in CLIENTS:
                    for server in (service, naive):
                        figures = load(server.address, questions[name], clients, requests)
                        rates[name, clients, server is service] = figures.rate
                        yield _row(name, "shortstack serve" if server is service else "plain handler", clients, figures)
    yield ""
    for name in names:
        ratios = ", ".join(f"{rates[name, n, True] / rates[name, n, False]:.2f} × at {n}" for n in CLIENTS)
        yield f"{name.capitalize()}, service beside plain handler: {ratios} clients."
    if TEACHER in names:
        ratios = ", ".join(f"{rates[STUDENT, n, True] / rates[TEACHER, n, True]:.2f} × at {n}" for n in CLIENTS)
        yield f"Service, student beside teacher: {ratios} clients."
    yield ""
    yield from _long(run, questions[STUDENT], soak, starts)


def _head(run: Path, requests: int) -> Iterator[str]:
    yield "# Speeds: the service under load"
    yield ""
    yield (
        f"`python -m benchmarks.load runs/{run.resolve().name}`, {platform.machine()}, {torch.get_num_threads()} threads, which clients and "
        f"server share; {requests:,} requests a row, histories of test users, 10 items each. The plain handler is a FastAPI route that "
        "calls `Recommender.recommend` once a request, under uvicorn (`benchmarks/naive_service.py`)."
    )
    yield ""
    yield "| model | served by | clients | requests/s | p50, ms | p99, ms | wrong answers |"
    yield "|---|---|---|---|---|---|---|"


def _row(name: str, server: str, clients: int, figures: Load) -> str:
    return f"| {name} | {server} | {clients} | {figures.rate:.0f} | {figures.p50:.1f} | {figures.p99:.1f} | {figures.wrong} |"


def _long(run: Path, questions: Questions, requests: int, starts: Sequence[float]) -> Iterator[str]:
    """Yield what a long load does to a service of the student alone."""
    with started("shortstack", "serve", str(run), "--port", "0", "--no-teacher") as service:
        load(service.address, questions, 16, max(64, requests // 10))
        early = service.resident_mb()
        figures = load(service.address, questions, 16, requests)
        late = service.resident_mb()
    yield (
        f"{requests:,} requests of 16 clients to the student: {figures.rate:.0f} requests/s, {figures.wrong} answers other than those of "
        f"`recommend_many` (scores to {TOLERANCE:g}); resident memory {early:.0f} MB after the first tenth more, {late:.0f} MB at the end "
        f"({late / early - 1:+.1%})."
    )
    yield f"From the command to the first answer possible: {', '.join(f'{one:.1f} s' for one in (*starts, service.start_s))}."


def main() -> None:
    """Print the page, and write it where it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--requests", type=int, default=2_000, help="of each row")
    parser.add_argument("--soak", type=int, default=100_000, help="of the long load")
    parser.add_argument("--markdown", type=Path, help="also write the page here")
    arguments = parser.parse_args()
    lines = []
    for line in measured(arguments.run, arguments.requests, arguments.soak):
        print(line, flush=True)
        lines.append(line)
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
