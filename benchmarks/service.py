"""Answers a second over HTTP: histories computed in batches beside each alone, and the service beside plain calls."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.timing import Row, best_seconds
from shortstack import Recommender
from shortstack.data.catalogue import Catalogue, Item

ITEMS, LENGTH, REQUESTS, CLIENTS = 3_000, 30, 480, 16
"""About the student of the quickstart, and its window."""


def measure_service() -> Iterator[Row]:
    """Measure requests of one history each from sixteen clients that wait for their answers."""
    drawn = np.random.default_rng(0).integers(ITEMS, size=(REQUESTS, LENGTH))
    histories = [[f"i{number}" for number in row] for row in drawn]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "student"
        student().save_pretrained(folder)
        stored = Recommender.from_pretrained(folder)
        with _served(folder, 32) as batched, _served(folder, 1) as alone:
            best = best_seconds(
                {
                    "batched": partial(_ask, batched, histories),
                    "alone": partial(_ask, alone, histories),
                    "calls": lambda: [stored.recommend(history) for history in histories],
                }
            )
    rates = {name: REQUESTS / seconds for name, seconds in best.items()}
    for peer, what in (("alone", "--batch 1"), ("calls", "recommend in a loop, without HTTP")):
        yield {
            "what": f"requests a second, {CLIENTS} clients, {ITEMS:,} items",
            "measured": f"{rates['batched']:.0f} requests/s",
            "beside": f"{what}: {rates[peer]:.0f} requests/s",
            "ratio": rates["batched"] / rates[peer],
            "target": "none",
        }


@contextmanager
def _served(folder: Path, batch: int) -> Iterator[str]:
    """Serve a folder in a process of its own; gives its address."""
    command = [sys.executable, "-m", "shortstack", "serve", str(folder), "--port", "0", "--batch", str(batch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield urlsplit(re.findall(r"http://\S+", line)[0]).netloc
        finally:
            process.terminate()


def _ask(address: str, histories: Sequence[Sequence[str]]) -> object:
    with ThreadPoolExecutor(CLIENTS) as threads:
        return list(threads.map(partial(_ask_in_turn, address), [histories[n::CLIENTS] for n in range(CLIENTS)]))


def _ask_in_turn(address: str, histories: Sequence[Sequence[str]]) -> None:
    connection = HTTPConnection(address)
    for history in histories:
        connection.request(
            "POST", "/v1/recommend", json.dumps({"history": history}), {"content-type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the service answered {answer.status}")
    connection.close()


def student() -> Recommender:
    """Return a recommender about as large as the quickstart's student, of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=ITEMS + 1, hidden_size=96, intermediate_size=192, num_hidden_layers=3, num_attention_heads=2,
            max_position_embeddings=LENGTH, pad_token_id=0,
        )  # fmt: skip
        model = LlamaForCausalLM(config).eval()
    items = [Item(id=f"i{number}", title=f"Title {number}", token=number + 1) for number in range(ITEMS)]
    return Recommender(model=model, catalogue=Catalogue(items=items), window=LENGTH)
