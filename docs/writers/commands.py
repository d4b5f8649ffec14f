"""``docs/reference/commands.md``: every command and option, as typer knows them."""

import re

from typer import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

from shortstack.cli.commands import app
from shortstack.cli.exit_codes import ExitCode
from shortstack.cli.registration import EXAMPLE
from shortstack.config.descriptions import documented_attributes
from writers.markdown import NOTE, table

HEAD = """# Command line

{note}

Each command says the same with `--help`. Results go to standard output, all else to standard error, so that `--json` can be piped.

## Options of every command

They may stand before the command, behind it, or at its end.

{common}

The levels of `--log-level` are those of Python's `logging`; at `info` a run says by which key each stage is kept or done, and transformers, datasets and the hub client
log at that level too. `--quiet` goes well with schedulers: nothing but results is printed unless something is wrong.

## Exit codes

{codes}
## Completion

Tab completes commands, options, and the names of what is installed: kinds, components of plugins, tasks, strategies, splits, editions, devices.

    shortstack --install-completion

adds it to the shell in which that is typed: bash, zsh or fish. To look first at what would be added, or to put it elsewhere, print the script:

    _SHORTSTACK_COMPLETE=source_bash shortstack

(`source_zsh`, `source_fish`), and load it where the shell starts, as with `eval "$(_SHORTSTACK_COMPLETE=source_bash shortstack)"` in `~/.bashrc`.

## Commands
"""

_COMMON = ("* `--quiet`", "* `--log-level", "* `--traceback`")
"""Beginnings of the lines about the options of every command."""


def commands_page() -> str:
    """Return the page."""
    text = _text()
    common = [line for line in text.partition("**Commands**")[0].splitlines() if line.startswith(_COMMON)]
    # said once, above
    own = "\n".join(line for line in text.splitlines() if line not in common)
    shown = re.sub(rf"^{EXAMPLE}(.*)$", r"```console\n$ \1\n```", own, flags=re.MULTILINE)
    head = HEAD.format(note=NOTE, common="\n".join(common), codes="\n".join(_codes()))
    return f"{head}\n{shown.rstrip()}\n"


def _text() -> str:
    """Return what typer writes of all commands."""
    command = get_command(app)
    context = Context(command, info_name="shortstack")
    return get_docs_for_click(obj=command, ctx=context, name="shortstack").replace(
        "# `shortstack`", "## `shortstack`", 1
    )


def _codes() -> list[str]:
    meanings = documented_attributes(ExitCode)
    return table(
        ("exit code", "meaning"), [(str(int(code)), meanings[name]) for name, code in ExitCode.__members__.items()]
    )
