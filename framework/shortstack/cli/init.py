"""``shortstack init``: a run's file for one's own data and teacher."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import typer

from shortstack.cli.common_options import progress_console
from shortstack.cli.completion import built_in_names, components
from shortstack.cli.options import echo
from shortstack.config.overrides import overridden
from shortstack.contracts.column_names import USUAL
from shortstack.errors import ConfigurationError
from shortstack.registry import Registry

if TYPE_CHECKING:
    from shortstack.drafting.data_look import DataLook, Proposal

_NONE: Final = "none"
"""Answer that leaves a setting out."""


def init(  # noqa: PLR0917 -- typer makes options of them
    context: typer.Context,
    data: Annotated[
        str | None, typer.Option(help="A file, folder or archive of interactions; without it, questions are asked.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="A model's folder, GGUF file or hub name; or 'scratch', the default, to train one."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="A task: shortstack list task; by default what suits the data.", autocompletion=built_in_names("task")
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="A dataset adapter; by default the one that recognises the data.", autocompletion=components("dataset")
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("run.toml"),
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Write another setting, as in run: table.setting=value. May be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there already.")] = False,
) -> None:
    """Write a run's TOML file for your own data and teacher, with the meaning of every setting.

    Example:
        shortstack init --data ratings.csv --teacher scratch --out run.toml
    """
    from shortstack.drafting.draft import drafted
    from shortstack.drafting.writing import require_new, write_run_file

    require_new(out, force=force)
    asked = data is None
    if asked and not sys.stdin.isatty():
        raise ConfigurationError("init needs --data FILE, and asks for it only in a terminal")
    registry = Registry.from_environment()
    source = typer.prompt("Interactions: a file, folder or archive") if data is None else data
    seen = _seen(context, source, adapter, overrides or [], registry, ask=asked)
    choices = _choices(seen, teacher, task, ask=asked)
    with progress_console(context, stderr=True).status("checking the settings"):
        write_run_file(out, drafted(seen, **choices), overrides or [], registry)
    name = shlex.quote(str(out))
    echo(f"{out} is written; next:\n    shortstack run --check {name}\n    shortstack run {name} --out runs/{out.stem}")


def _seen(
    context: typer.Context,
    source: str,
    adapter: str | None,
    overrides: list[str],
    registry: Registry,
    *,
    ask: bool,
) -> "DataLook":
    """Read the data, and print what is in them; where questions are asked, the proposed settings may be corrected first."""
    from shortstack.cli.data import facts_table
    from shortstack.config.changes import setting_at
    from shortstack.config.run import RunConfig
    from shortstack.drafting.data_look import look, proposal

    named = setting_at(overridden({}, overrides, {(): lambda: RunConfig}), "data.adapter")
    how = proposal(source, registry, adapter=named if adapter is None else adapter)
    config = registry.find("dataset", how.adapter).descriptor.config
    chosen = setting_at(overridden({}, overrides, {("data", "settings"): lambda: config}), "data.settings")
    if isinstance(chosen, Mapping):  # what else is given is refused with the other settings
        how = attrs.evolve(how, settings={**how.settings, **chosen})
    if ask:
        how = _confirmed(how, registry)
    with progress_console(context, stderr=True).status("reading the data"):
        seen = look(source, how, registry)
    progress_console(context).print(facts_table(seen.facts))
    return seen


def _confirmed(how: "Proposal", registry: Registry) -> "Proposal":
    """Ask for the adapter's settings that are texts, such as the name of a column; ``none`` leaves one out."""
    echo(f"Read by the adapter {how.adapter}. Enter keeps what stands in brackets, 'none' leaves it out.")
    config = registry.find("dataset", how.adapter).descriptor.config
    roles = [field.name for field in attrs.fields(config) if field.name in USUAL]
    proposed: Mapping[str, Any] = {**dict.fromkeys(roles, _NONE), **how.settings}
    answers = {
        name: typer.prompt(f"  {name}", default=value) if isinstance(value, str) else value
        for name, value in proposed.items()
    }
    return attrs.evolve(how, settings={name: answer for name, answer in answers.items() if answer != _NONE})


def _choices(seen: "DataLook", teacher: str | None, task: str | None, *, ask: bool) -> dict[str, str]:
    """Return the teacher and the task: as given, as answered, or what suits the data."""
    from shortstack.drafting.draft import SCRATCH, usual_task
    from shortstack.tasks import built_in_tasks

    if ask and teacher is None:
        teacher = typer.prompt(
            "Teacher: a model's folder, GGUF file or hub name, or scratch to train one", default=SCRATCH
        )
    if ask and task is None:
        task = typer.prompt(f"Task: {', '.join(built_in_tasks())}", default=usual_task(seen))
    return {
        "teacher": SCRATCH if teacher is None else teacher,
        "task": usual_task(seen) if task is None else task,
    }
