"""Every command has an example that it accepts, and the options that all commands have."""

import shlex

import pytest
import typer
from typer.main import get_command

from shortstack.cli.commands import app
from shortstack.cli.common_options import Invocation
from shortstack.cli.registration import EXAMPLE, register

COMMON = {"--quiet", "--log-level", "--traceback"}


def leaves(command, *words):
    """Yield each command that does something, with the words that name it."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, *words, name)
    else:
        yield words, command


COMMANDS = dict(leaves(get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_example_is_accepted(words):
    """The last line of the help is a call of this command, on one line of a terminal, whose options all exist."""
    example = COMMANDS[words].epilog.removeprefix(EXAMPLE)
    program, *arguments = shlex.split(example)

    assert program == "shortstack"
    assert tuple(arguments[: len(words)]) == words
    assert len(EXAMPLE) + len(example) <= 78
    context = COMMANDS[words].make_context(words[-1], arguments[len(words) :], obj=Invocation(arguments=arguments))
    assert context.args == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_common_options_are_there(words):
    """Each command has them, beside its own."""
    options = {name for parameter in COMMANDS[words].params for name in parameter.opts}

    assert options >= COMMON


def test_a_wrong_example_is_refused():
    """An option that does not exist is an error, so the test of examples can fail."""
    with pytest.raises(Exception, match="No such option: --no-such"):
        COMMANDS["run",].make_context("run", ["a.toml", "--no-such"], obj=Invocation(arguments=()))


def test_a_command_without_an_example_is_refused():
    """It cannot be registered."""

    def bare():
        """Do nothing."""

    with pytest.raises(ValueError, match="the docstring of the command bare has no example"):
        register(typer.Typer(), bare)
