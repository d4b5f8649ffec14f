"""``shortstack check``: a component against the laws of its kind."""

from typing import Annotated

import attrs
import typer

from shortstack.cli.completion import checked_kind, name_of_kind
from shortstack.cli.exit_codes import ExitCode
from shortstack.cli.kinds import kind_named
from shortstack.cli.options import Json, echo, echo_json
from shortstack.config.overrides import overridden
from shortstack.errors import ConfigurationError
from shortstack.registry import KINDS, Kind, Registry


def check(  # noqa: PLR0917 -- typer makes options of them
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}, strategy.", autocompletion=checked_kind)],
    name: Annotated[
        str, typer.Argument(help="A component's short or full name, or module:attribute.", autocompletion=name_of_kind)
    ],
    law: Annotated[list[str] | None, typer.Option(help="Try this law alone. May be repeated.")] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=1, help="How many examples to draw for each law; by default the law's own number, mostly 20."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other examples.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One of its settings: setting=value (or none). May be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a component against every law that its traits promise; exit code 1 if one is broken.

    Example:
        shortstack check scorer fisher --examples 5
    """
    from shortstack.testing import check as check_component
    from shortstack.testing.outcomes import by_cause
    from shortstack.testing.subject import settings_class

    if not as_json and kind != "strategy" and ":" not in name:
        _say_which(kind_named(kind), name)
    of_kind = "strategy" if kind == "strategy" else kind_named(kind)
    outcomes = check_component(
        name,
        of_kind,
        settings=overridden({}, settings or (), {(): lambda: settings_class(name, of_kind)}),
        laws=law or (),
        examples=examples,
        seed=seed,
        tell=None if as_json or context.find_root().obj.quiet else echo,
    )
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if as_json:
        echo_json([attrs.asdict(outcome) for outcome in outcomes])
    else:
        for group in by_cause(failed):
            echo(f"\n{group[0].failure}")
            if len(group) > 1:
                echo(f"the same cause breaks {', '.join(outcome.law for outcome in group[1:])}")
        promised = [outcome for outcome in outcomes if outcome.status != "not-promised"]
        echo(f"\n{len(promised) - len(failed)} of {len(promised)} laws hold")
        if not promised:
            raise ConfigurationError(f"nothing was tried: {kind} {name!r} does not promise {', '.join(law or ())}")
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _say_which(kind: Kind, name: str) -> None:
    """Print the component that a name refers to, and the others of that name."""
    registry = Registry.from_environment()
    chosen = registry.find(kind, name)
    echo(str(chosen))
    others = [c for c in registry.components if c.kind == kind and name in c.names and c is not chosen]
    if others:
        echo(f"beside {', '.join(c.full_name for c in others)}, which only the full name means")
