"""Recommending from a large catalogue: look-up of names beside a plain dictionary, and many threads beside one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from functools import partial

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.timing import Row, best_seconds
from shortstack import CompactStudentModel
from shortstack.data.catalogue import Catalogue, Item
from shortstack.errors import UnknownNameError
from shortstack.models.candidates import last_logits

ITEMS, USERS, LENGTH, THREADS = 100_000, 64, 30, 16
WORDS = [
    "the",
    "of",
    "last",
    "red",
    "night",
    "river",
    "city",
    "man",
    "dark",
    "house",
    "love",
    "day",
    "moon",
    "girl",
    "king",
    "stone",
    "wind",
    "two",
    "lost",
    "summer",
]


def measure_serving() -> Iterator[Row]:
    """Measure users per second by id and by title, a mistyped title, and threads that share a model."""
    catalogue, names = _catalogue(), dict[str, list[list[str]]]()
    draws = np.random.default_rng(1).integers(ITEMS, size=(USERS, LENGTH))
    student = CompactStudentModel(model=_model(), catalogue=catalogue, window=LENGTH)
    for kind in ("id", "title"):
        names[kind] = [[getattr(catalogue.items[number], kind) for number in draw] for draw in draws]
        places = {getattr(item, kind): number for number, item in enumerate(catalogue.items)}
        ours, plain = partial(student.recommend_many, names[kind]), partial(_plain, student, places, names[kind])
        yield _row(
            f"users a second by {kind}, {ITEMS:,} items", ours, plain, "a plain dictionary and topk", "at least 0.8"
        )
    yield _mistyped(catalogue)
    yield _threads(student, names["id"])


@torch.no_grad()
def _plain(student: CompactStudentModel, places: Mapping[str, int], histories: Sequence[Sequence[str]]) -> object:
    """Run the same pass over all users at once, without checks of ties, NaN or modes."""
    rows_of_items = [torch.tensor([places[name] for name in history]) for history in histories]
    scores = last_logits(student.model, [row + 1 for row in rows_of_items], torch.arange(1, ITEMS + 1)).log_softmax(-1)
    for row, seen in zip(scores, rows_of_items, strict=True):
        row[seen] = -torch.inf
    return [[(student.catalogue.items[place].title) for place in row.topk(10).indices.tolist()] for row in scores]


def _row(what: str, ours: Callable[[], object], theirs: Callable[[], object], peer: str, target: str) -> Row:
    best = best_seconds({"ours": ours, "theirs": theirs})
    rates = {name: USERS / seconds for name, seconds in best.items()}
    return {
        "what": what,
        "measured": f"{rates['ours']:.0f} users/s",
        "beside": f"{peer}: {rates['theirs']:.0f} users/s",
        "ratio": rates["ours"] / rates["theirs"],
        "target": target,
    }


def _mistyped(catalogue: Catalogue) -> Row:
    names = [text for item in catalogue.items for text in (item.title, item.id)]
    title = catalogue.items[ITEMS // 2].title
    wrong = title.replace(" ", "  ", 1)

    def ours() -> None:
        try:
            catalogue.find(wrong)
        except UnknownNameError as error:
            if title not in str(error):
                raise

    best = best_seconds({"ours": ours, "difflib": lambda: get_close_matches(wrong, names, n=3, cutoff=0.5)}, rounds=2)
    return {
        "what": f"one mistyped title among {ITEMS:,}",
        "measured": f"{best['ours']:.2f} s",
        "beside": f"difflib over all names: {best['difflib']:.2f} s",
        "ratio": best["difflib"] / best["ours"],
        "target": "at least 5",
    }


def _threads(student: CompactStudentModel, histories: Sequence[Sequence[str]]) -> Row:
    """Measure calls of one user each, as a server makes them."""

    def threads() -> object:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(student.recommend, histories))

    def one() -> object:
        return [student.recommend(history) for history in histories]

    return _row(f"users a second, one a call, {THREADS} threads", threads, one, "one thread", "none")


def _model() -> LlamaForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=ITEMS + 1, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=LENGTH, pad_token_id=0,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval()


def _catalogue() -> Catalogue:
    drawn = np.random.default_rng(0).choice(WORDS, size=(ITEMS, 4))
    titles = (f"{' '.join(words)} {number % 97}" for number, words in enumerate(drawn))
    return Catalogue(items=[Item(id=f"B{n:09d}", title=title, token=n + 1) for n, title in enumerate(titles)])
