"""A Dockerfile as stages of instructions: what is tried and tested is what it says."""

import json
import re
import shlex
from pathlib import Path

import attrs

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"


@attrs.frozen(kw_only=True)
class Stage:
    """A stage of a Dockerfile.

    Attributes:
        name: Its name.
        parent: An image, or another stage.
        instructions: Word, such as ``RUN``, and what comes after it, in order.
    """

    name: str
    parent: str
    instructions: tuple[tuple[str, str], ...]


def stages(path=DOCKERFILE):
    """Return the stages by name, in order; arguments before the first are filled in."""
    text = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
    lines = [line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    arguments = dict(rest.split("=", 1) for word, rest in lines if word == "ARG")
    found = {}
    for word, rest in lines:
        if word == "FROM":
            for name, value in arguments.items():
                rest = rest.replace(f"${{{name}}}", value)  # noqa: PLW2901 -- the same line
            parent, name = rest.split(" AS ")
            found[name] = Stage(name=name, parent=parent, instructions=())
        elif word != "ARG":
            found[name] = attrs.evolve(found[name], instructions=(*found[name].instructions, (word, rest)))
    return found


def lineage(name, of):
    """Return a stage's ancestors and itself, the oldest first."""
    stage = of[name]
    return [*(lineage(stage.parent, of) if stage.parent in of else []), stage]


def last(word, name, of):
    """Return what the last instruction of a kind says in a stage or its ancestors; None if there is none."""
    said = [rest for stage in lineage(name, of) for kind, rest in stage.instructions if kind == word]
    return said[-1] if said else None


def environment(name, of):
    """Return the variables that are set."""
    said = [rest for stage in lineage(name, of) for kind, rest in stage.instructions if kind == "ENV"]
    return dict(one.split("=", 1) for rest in said for one in shlex.split(rest))


def health(name, of):
    """Return the command that checks the health."""
    return json.loads(last("HEALTHCHECK", name, of).partition("CMD ")[2])


def command(name, of):
    """Return the entry point with its arguments."""
    return [*json.loads(last("ENTRYPOINT", name, of)), *json.loads(last("CMD", name, of))]
