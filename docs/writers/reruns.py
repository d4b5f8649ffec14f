"""The stages that run again when a setting changes, by changing it."""

from functools import cache
from typing import Any

from shortstack.config.reader import replace
from shortstack.pipeline.runner import stages_of
from shortstack.registry import Registry
from writers.tests import of_the_tests

_TABLE = of_the_tests("pipeline.test_stage_keys")
"""The tested table of settings and stages."""
READ_BY_CONTENT = {"data.source", "data.adapter", "data.settings"}
_SAME_AS = {"teacher.path": "teacher", "teacher.tokenizer": "teacher", "teacher.config": "teacher"}
_CHANGED: dict[str, Any] = {
    "selection.keep_layers": 2,
    "selection.parameters": "50%",
    "selection.body_parameters": "50%",
    "selection.bytes": "50%",
    "selection.cache_bytes": "50%",
    "selection.latency_ms": "50%",
    "selection.schedule": [2],
    "teacher.items.start": "random",
    "teacher.items.new": "kept",
    "teacher.items.template": "{id}",
    "teacher.prompt.line": "{item}={rating}",
    "teacher.prompt.words": ["bad", "good"],
    "evaluation.compressed.teacher": ["magnitude-50%"],
    "evaluation.compressed.student": ["magnitude-50%"],
    "fit.betas": [0.5, 0.5],
    "fit.precision": "bfloat16",
    "fit.parallel": "fsdp",
    "fit.lora.modules": ["q_proj"],
    "fit.embedding_dropout": 0.5,
    "fit.lora.dropout": 0.5,
    "fit.accumulate": 2,
    "fit.batch_size": 8,
    "fit.warmup_steps": 1,
}
"""Another value of a setting, where none follows from its default."""


def stages_that_run_again(path: str, default: Any) -> list[str]:
    """Return the stages whose own key another value of a setting changes, in their order."""
    row = _SAME_AS.get(path, path)
    names = _TABLE.CHANGES[row][1] if row in _TABLE.CHANGES else _changed_stages(path, default)
    return [name for name in _stages() if name in names]


@cache
def _stages() -> list[str]:
    return [stage.name for stage in stages_of(_TABLE.RunConfig.from_mapping(_TABLE.ring_tables("x.csv")))]


def _changed_stages(path: str, default: Any) -> set[str]:
    tables = _TABLE.ring_tables("x.csv")
    if path.startswith("selection."):
        tables = {**tables, "selection": {}}
    if ".lora." in path:
        table = path.rpartition(".")[0]
        tables = replace(tables, table, {"rank": 4})
    before = _own_keys(tables)
    after = _own_keys(replace(tables, path, _another(path, default)))
    return {name for name in after if before.get(name) != after[name]}


def _own_keys(tables: Any) -> dict[str, str]:
    keys: dict[str, str] = _TABLE.own_keys(tables, _registry())
    return keys


@cache
def _registry() -> Registry:
    return Registry.from_environment()


def _another(path: str, default: Any) -> Any:
    """Return a value of a setting that is not its default.

    Raises:
        ValueError: None follows from the default.
    """
    short = path.replace("teacher.fit.", "fit.").replace("distillation.fit.", "fit.")
    if short in _CHANGED:
        return _CHANGED[short]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return default + 1
    if isinstance(default, str):
        return f"{default} else"
    raise ValueError(f"no other value of {path} follows from {default!r}; give it one in docs/writers/reruns.py")
