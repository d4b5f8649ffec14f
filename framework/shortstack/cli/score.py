"""``shortstack score``: the layers of any language model on any texts."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shortstack.cli.common_options import progress_console
from shortstack.cli.completion import device as device_word
from shortstack.cli.completion import scorers_in_a_list, words
from shortstack.cli.merge import show_scores
from shortstack.cli.options import echo
from shortstack.cli.processes import Processes, is_launched, together
from shortstack.config.overrides import overridden
from shortstack.config.reader import structure
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence


Precision = Annotated[
    str,
    typer.Option(
        help="auto, float32, bfloat16 or float16.", autocompletion=words("auto", "float32", "bfloat16", "float16")
    ),
]


def score(  # noqa: PLR0917 -- typer makes options of them
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A folder with any stock causal language model and its tokenizer.")],
    texts: Annotated[Path, typer.Option(help='JSON lines: {"text": …} or {"prompt": …, "completion": …}.')],
    scorers: Annotated[
        str,
        typer.Option(help="Names of importance scorers, with commas between them.", autocompletion=scorers_in_a_list),
    ],
    out: Annotated[Path, typer.Option("--json", help="The file for the scores; the same command goes on.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A scorer's setting: scorer.setting=value. May be repeated.")
    ] = None,
    longest: Annotated[int, typer.Option(min=2, help="Tokens an example has at most.")] = 512,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples a batch.")] = 8,
    precision: Precision = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", autocompletion=device_word)] = "auto",
    shard: Annotated[str, typer.Option(help="2/4 is the second of four, for shortstack merge.")] = "1/1",
    processes: Processes = 1,
) -> None:
    """Score the layers of a language model on texts.

    Example:
        shortstack score MODEL --texts a.jsonl --scorers fisher --json a.json
    """
    from shortstack.models.malloc import keep_freed_memory
    from shortstack.progress import Silent, ToConsole
    from shortstack.scoring.score import Scoring

    if is_launched(processes, context.find_root().obj.arguments):
        return
    keep_freed_memory()  # only the command line may tune malloc: a Python caller owns its process

    names = [name.strip() for name in scorers.split(",") if name.strip()]
    with together() as world:
        registry = Registry.from_environment()
        chosen = _settings(names, settings or (), registry)
        scoring = structure(
            Scoring,
            {
                "model": model,
                "texts": texts,
                "scorers": {name: chosen.get(name, {}) for name in names},
                "longest": longest,
                "batch_size": batch_size,
                "precision": precision,
                "device": device,
                "shard": _shard(shard),
            },
            "score",
        )
        progress = ToConsole(progress_console(context)) if world.is_first else Silent()
        written = scoring.execute_together(out, registry, progress, world)
    if not world.is_first:
        return
    if written == out:
        show_scores(out)
    else:
        echo(f"{written}: merge it with the other shards: shortstack merge {out}.*.safetensors --json {out}")


def _settings(names: "Sequence[str]", overrides: "Sequence[str]", registry: Registry) -> dict[str, Any]:
    """Return the scorers' settings by scorer, each read by the type that its scorer says."""

    def config_of(name: str) -> type:
        return registry.find("scorer", name).descriptor.config

    settings = overridden({}, overrides, {(name,): partial(config_of, name) for name in names})
    for name in settings:
        if name not in names:
            raise UnknownNameError("scorer in --set", name, names)
    return settings


def _shard(text: str) -> list[int]:
    numbers = text.split("/")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise ConfigurationError(f"--shard takes a number and how many there are, such as 2/4, got {text!r}")
    return [int(number) for number in numbers]
