"""Command lines: every command and option as the program itself knows them, with odd arguments."""

from pathlib import Path
from typing import Any

import typer
from campaign.case import Case
from campaign.recipes import texts
from hypothesis import strategies as st

from shortstack.cli.commands import app
from shortstack.registry import KINDS

ARGUMENTS = (
    "run.toml", "ring.csv", "out", "out/student", "out/data", "model", "model/config.json", "texts.jsonl", "scores.json", "nowhere", "out/run.json",
    "fisher", "fisher,block-influence", "hybrid", "table", "movielens", "layer-subset", "soft-targets", "strategic", "leave-last", "labels", *KINDS,
    "strategy", "metric", "ndcg@10", "layers=2", "params=50%", "bytes=1", "user=user", "seed=1", "selection.keep_layers=2", "1/2", "0/0", "9/2",
    "float32", "float16", "cpu", "cuda", "i1", "Item 1", "exclude", "json:loads",
)  # fmt: skip
USUAL = {
    "config": ["run.toml"], "out": ["out", "new.json"], "source": ["run.toml", "out", "model", "ring.csv"], "folder": ["out"], "model": ["model"],
    "texts": ["texts.jsonl"], "scorers": ["fisher", "fisher,block-influence", "drop-loss"], "history": ["i1", "Item 3"], "to": ["new"],
    "parts": ["scores.json.1-of-2.safetensors", "scores.json.2-of-2.safetensors"], "budgets": ["layers=2", "params=50%", "bytes=1M"],
    "kind": [*KINDS, "strategy", "metric", "split"], "name": ["fisher", "table", "movielens", "layer-subset", "labels", "strategic", "ndcg@10"],
    "split": ["leave-last", "ratio"], "order": ["time", "file"], "precision": ["float32"], "device": ["cpu"], "seen": ["exclude", "include"],
    "settings": ["user=user", "item=item", "fisher.x=1"], "overrides": ["seed=1", "data.core=3", "selection.keep_layers=2", "importance.examples=4"],
}  # fmt: skip
"""Name of a parameter → arguments that it often gets."""
SHORTENED = {
    "run": ("--prepare",), "init": ("--out", "new.toml"), "check": ("--examples", "1", "--law", "no such law"),
    "serve": ("--host", "192.0.2.1"),  # an address that no machine has: RFC 5737
}  # fmt: skip
"""Commands that may rightly take minutes, or go on for ever, and what ends them soon."""
NEVER = {"traceback", "log_level", "force"}
"""Options that ask for what the oracle forbids: more lines beside an error, and another file in a file's place."""


def cases(_bases: Path) -> st.SearchStrategy[Case]:
    """Draw command lines; whatever they name as an output, nothing but the run ``out`` may change."""
    return st.sampled_from(_commands()).flatmap(_typed)


def _commands() -> list[tuple[tuple[str, ...], Any]]:
    """Return the words and the parameters of each command."""
    root: Any = typer.main.get_command(app)
    inner = [((name,), command) for name, command in root.commands.items()]
    groups = [((*words, name), each) for words, group in inner for name, each in getattr(group, "commands", {}).items()]
    return [(words, command) for words, command in inner + groups if not hasattr(command, "commands")]


@st.composite
def _typed(draw: st.DrawFn, found: tuple[tuple[str, ...], Any]) -> Case:
    words, command = found
    # --force may rightly replace any file
    given = [word for parameter in command.params if parameter.name not in NEVER for word in draw(_given(parameter))]
    extra = draw(st.lists(_argument(), min_size=1, max_size=1)) if draw(st.integers(0, 9)) == 0 else []
    line = (*words, *given, *extra, *SHORTENED.get(words[0], ()))
    return Case(base="all", command=line, writes=("out",))


def _given(parameter: Any) -> st.SearchStrategy[list[str]]:
    """Draw what is typed for one parameter: often what it needs, sometimes nothing or something else."""
    if parameter.param_type_name == "argument":
        return st.lists(_argument(parameter.name), min_size=int(parameter.required), max_size=1 + (parameter.nargs < 0))
    name = st.sampled_from(parameter.opts)
    some = st.tuples(name) if parameter.is_flag else st.tuples(name, _argument(parameter.name))
    return some.map(list) if parameter.required else st.just([]) | some.map(list)


def _argument(name: str = "") -> st.SearchStrategy[str]:
    """Draw one argument, as a shell can hand it on; none leads out of the case's folder."""
    usual, numbers = st.sampled_from(USUAL.get(name, ARGUMENTS)), st.integers(-9, 99).map(str)
    return st.one_of(usual, usual, st.sampled_from(ARGUMENTS), numbers, texts()).map(_typeable).filter(_stays_here)


def _typeable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _stays_here(text: str) -> bool:
    return not text.startswith(("/", "~")) and ".." not in text
