"""Writing of a drafted run's file, once its settings are known to go together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from shortstack.config.run import RunConfig
from shortstack.drafting.commented_toml import commented_toml
from shortstack.drafting.meanings import meanings_of
from shortstack.errors import ConfigurationError
from shortstack.files import written_whole
from shortstack.registry import Registry

_HEAD: Final = """# A run for your own data, as a starting point: change what you like.
# shortstack run --check {name} checks it, and says what it would take; --out FOLDER in place of --check does it.
"""


def require_new(path: Path, *, force: bool) -> None:
    """Raise if a file would be lost.

    Raises:
        ConfigurationError: There is one, and ``force`` is False; or it is a folder, or has no folder to be in.
    """
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file with --out")
    if path.exists() and not force:
        raise ConfigurationError(
            f"{path} is there already and was left as it is; name another with --out, or give --force"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder {path.parent} is not there; make it, or name another file with --out")


def write_run_file(path: Path, tables: dict[str, Any], overrides: Sequence[str], registry: Registry) -> None:
    """Check the settings as a run does before any work, and write them with their meanings.

    Args:
        path: The file.
        tables: The tables of the run.
        overrides: ``"table.setting=value"``, as on the command line.
        registry: The plugins.

    Raises:
        ConfigurationError: A run would refuse the settings; nothing is written.
    """
    from shortstack.pipeline.preflight import check
    from shortstack.pipeline.settings_classes import with_overrides

    tables = with_overrides(tables, overrides, registry)
    run = RunConfig.from_mapping(tables)
    check(run, registry)
    ordered = {field.name: tables[field.name] for field in attrs.fields(RunConfig) if field.name in tables}
    text = f"{_HEAD.format(name=path.name)}\n{commented_toml(ordered, meanings_of(run, registry))}\n"
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
