"""What cases begin with: a table and its run, a finished run and study, a language model with texts and shards, files of adapters."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.conftest import ring_tables, write_ring
from pipeline.little_language_model import WORDS, llama, tokenizer

SHORT = {"steps": 4, "warmup_steps": 1, "evaluate_every": 2, "batch_size": 8}
RUN = ("run", "run.toml", "--out", "out")
STUDY = ("study", "study.toml", "--out", "out")
USERS = ("recommend", "out", "--users", "users.csv", "--out", "users.parquet")
TEXTS = [{"text": f"Item {n} Item {n + 1}"} for n in range(6)] + [{"prompt": "Item 3", "completion": " Item 4"}]
SAMPLES = 6
"""Samples of each adapter's files."""


def make(bases: Path) -> None:
    """Make all of them in a new folder; slow things are made by the commands themselves."""
    (bases / "nothing").mkdir(parents=True)
    _inputs(bases / "inputs")
    _model(bases / "model")
    _samples(bases)
    _typed(RUN, shutil.copytree(bases / "inputs", bases / "run"))
    _users(bases / "users", bases / "run")
    _typed(STUDY, shutil.copytree(bases / "inputs", bases / "study"))
    parts = shutil.copytree(bases / "model", bases / "parts")
    for number in (1, 2):
        _typed((*score(), "--shard", f"{number}/2"), parts)
    everything = shutil.copytree(bases / "run", bases / "all")
    shutil.copytree(bases / "parts", everything, dirs_exist_ok=True)


def score(scorers: str = "fisher,block-influence") -> tuple[str, ...]:
    """Return the command that scores the base ``model``."""
    return (
        "score",
        "model",
        "--texts",
        "texts.jsonl",
        "--scorers",
        scorers,
        "--json",
        "scores.json",
        "--batch-size",
        "2",
    )


def tables() -> dict[str, Any]:
    """Return the tables of the run ``inputs/run.toml``."""
    made = ring_tables("ring.csv")
    for part in ("teacher", "distillation"):
        made[part]["fit"] = {**made[part]["fit"], **SHORT}
    made["importance"] = {"scorers": ["fisher", "attention", "gradient", "hybrid"], "examples": 8, "batch_size": 4}
    return made


def toml(given: Mapping[str, Any]) -> str:
    r"""Return tables as TOML.

    >>> toml({"a": 1, "b": {"c": {"d": "x"}}})
    'a = 1\n[b]\n[b.c]\nd = "x"\n'
    """
    return "".join(_lines(given, ()))


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    yield from (f"{_key(key)} = {_value(value)}\n" for key, value in plain.items())
    for key in table.keys() - plain.keys():
        inner = (*path, _key(key))
        yield f"[{'.'.join(inner)}]\n"
        yield from _lines(table[key], inner)


def _key(key: str) -> str:
    return key if key.replace("_", "a").replace("-", "a").isalnum() and key.isascii() else _value(key)


def _value(value: object) -> str:
    if isinstance(value, float):
        return repr(value)  # TOML says inf and nan as Python does
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value).replace("\x7f", "\\u007f")


def _inputs(folder: Path) -> None:
    folder.mkdir()
    write_ring(folder / "ring.csv", users=24)
    (folder / "run.toml").write_text(toml(tables()), encoding="utf-8")
    (folder / "study.toml").write_text('base = "run.toml"\n[axes]\nseed = [0, 1]\n', encoding="utf-8")


def _users(folder: Path, run: Path) -> None:
    """Write a few users in each format to a folder, and users of some parts beside a run."""
    import polars as pl

    few = pl.DataFrame({"user": [1, 2, 3], "items": [["i1"], ["i2", "i3"], []], "exclude_seen": [True, False, None]})
    folder.mkdir()
    few.write_parquet(folder / "odd.parquet")
    few.write_ndjson(folder / "odd.jsonl")
    few.with_columns(pl.col("items").list.join(" ")).write_csv(folder / "odd.csv")
    many = [f"{user},i{user % 12} i{(user + 1) % 12}\n" for user in range(3_000)]
    (run / "users.csv").write_text("".join(["user,items\n", *many]), encoding="utf-8")


def _model(folder: Path) -> None:
    folder.mkdir()
    llama(vocab_size=len(WORDS)).save_pretrained(folder / "model")
    tokenizer().save_pretrained(folder / "model")
    (folder / "texts.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in TEXTS), encoding="utf-8")


def _samples(bases: Path) -> None:
    """Let each adapter write samples in its own format, as the conformance kit does."""
    from shortstack.errors import DataError
    from shortstack.registry import Registry

    registry, written = Registry.from_environment(), {}
    for component in (each for each in registry.components if each.kind == "dataset"):
        for number, sample in enumerate(_drawn(text_ids=component.descriptor.traits.text_ids)):
            folder = bases / f"{component.descriptor.name}-{number}"
            folder.mkdir()
            try:
                settings = registry.configure("dataset", component.descriptor.name)
                source = component.descriptor.write(settings, sample, folder)
            except DataError:  # a sample that this format has no place for
                shutil.rmtree(folder)
                continue
            written[folder.name] = [component.descriptor.name, source.relative_to(folder).as_posix()]
    (bases / "samples.json").write_text(json.dumps(written), encoding="utf-8")


def _drawn(*, text_ids: bool) -> Iterator[Any]:
    import random

    from shortstack.testing.recipes.tables import ODD_NAMES, InteractionTable

    for seed in range(SAMPLES):
        draw = random.Random(seed)
        rows = tuple((draw.randrange(3), draw.randrange(5), draw.choice((1, 5)), draw.randrange(6)) for _ in range(6))
        names = tuple(draw.sample(ODD_NAMES[:12], 5)) if seed % 2 else ()
        yield InteractionTable(rows=rows, names=names, texts=seed).sample(text_ids=text_ids)


def _typed(command: tuple[str, ...], folder: Path) -> None:
    import contextlib
    import os

    from shortstack.cli import main

    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.suppress(SystemExit):  # typer ends every command so
            main(list(command))
    finally:
        os.chdir(before)
