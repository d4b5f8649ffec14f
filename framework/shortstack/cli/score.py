"""``shortstack score``: the layers of any language model on any texts."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shortstack.cli.merge import show_scores
from shortstack.cli.options import echo
from shortstack.config.reader import overridden, structure
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.registry import Registry


def score(  # noqa: PLR0917 -- typer makes options of them
    model: Annotated[Path, typer.Argument(help="A folder with any stock causal language model and its tokenizer.")],
    texts: Annotated[Path, typer.Option(help='JSON lines: {"text": …} or {"prompt": …, "completion": …}.')],
    scorers: Annotated[str, typer.Option(help="Names of importance scorers, with commas between them.")],
    out: Annotated[Path, typer.Option("--json", help="The file for the scores; the same command goes on.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A scorer's setting: scorer.setting=value. May be repeated.")
    ] = None,
    longest: Annotated[int, typer.Option(min=2, help="Tokens an example has at most.")] = 512,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples a batch.")] = 8,
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    shard: Annotated[str, typer.Option(help="2/4 is the second of four, for shortstack merge.")] = "1/1",
) -> None:
    """Score the layers of a language model on texts."""
    from shortstack.models.malloc import keep_freed_memory
    from shortstack.progress import ToConsole
    from shortstack.scoring.score import Scoring

    keep_freed_memory()  # only the command line may tune malloc: a Python caller owns its process

    names = [name.strip() for name in scorers.split(",") if name.strip()]
    overrides = overridden({}, settings or ())
    for name in overrides:
        if name not in names:
            raise UnknownNameError("scorer in --set", name, names)
    scoring = structure(
        Scoring,
        {
            "model": model,
            "texts": texts,
            "scorers": {name: overrides.get(name, {}) for name in names},
            "longest": longest,
            "batch_size": batch_size,
            "precision": precision,
            "device": device,
            "shard": _shard(shard),
        },
        "score",
    )
    written = scoring.execute(out, Registry.from_environment(), ToConsole(Console()))
    if written == out:
        show_scores(out)
    else:
        echo(f"{written}: merge it with the other shards: shortstack merge {out}.*.safetensors --json {out}")


def _shard(text: str) -> list[int]:
    numbers = text.split("/")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise ConfigurationError(f"--shard takes a number and how many there are, such as 2/4, got {text!r}")
    return [int(number) for number in numbers]
