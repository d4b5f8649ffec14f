"""Imports point one way: cli → run → stages → the parts → models and data → contracts."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "framework" / "shortstack"
PLUGINS = ("shortstack_importance", "shortstack_students", "shortstack_datasets", "shortstack_losses")

FOUNDATION = {"errors", "contracts"}
SETTINGS = FOUNDATION | {"settings", "naming"}
PLUGGED = SETTINGS | {"hooks", "registry", "blame"}
MAY_IMPORT = {
    "errors": set(),
    "contracts": {"errors"},
    "hooks": {"contracts"},
    "settings": {"errors"},
    "naming": {"errors"},
    "blame": {"errors"},
    "overheard": set(),
    "lazy": set(),
    "files": {"errors", "contracts"},
    "forms": FOUNDATION,
    "written": set(),
    "provenance": {"result"},
    "choices": SETTINGS | {"data", "tasks", "selection", "distillation"},
    "registry": FOUNDATION | {"hooks", "settings", "forms", "blame", "overheard", "written"},
    "progress": set(),
    "fetching": FOUNDATION | {"files", "progress"},
    "result": FOUNDATION,
    "data": SETTINGS,
    "models": FOUNDATION | {"files", "lazy"},
    "tasks": SETTINGS | {"data"},
    "importance": PLUGGED | {"forms", "models", "files", "progress"},
    "selection": SETTINGS | {"blame"},
    "students": PLUGGED | {"models", "data"},
    "distillation": PLUGGED | {"models"},
    "evaluation": FOUNDATION | {"models", "data"},
    "audit": FOUNDATION | {"evaluation"},
    "scoring": PLUGGED | {"files", "progress", "models", "tasks", "importance", "__init__"},
    "report": {"errors", "result", "contracts"},
    "testing": PLUGGED
    | {"lazy", "data", "models", "tasks", "importance", "selection", "students", "distillation", "run"},
    "planning": FOUNDATION | {"models", "selection", "registry", "run"},
    "scaffold": FOUNDATION | {"registry", "__init__"},
    "__main__": {"cli"},
    "run_settings": SETTINGS | {"tasks", "distillation", "selection"},
    "run": SETTINGS | {"run_settings", "selection", "files", "registry", "progress", "result", "stages"},
    "cli": SETTINGS
    | {
        "registry",
        "blame",
        "choices",
        "data",
        "fetching",
        "files",
        "planning",
        "progress",
        "provenance",
        "result",
        "run",
        "report",
        "scaffold",
        "scoring",
        "students",
        "testing",
    }
    | {"__init__"},
    "stages": PLUGGED
    | {
        "files",
        "written",
        "progress",
        "provenance",
        "result",
        "data",
        "models",
        "tasks",
        "importance",
        "selection",
        "students",
        "planning",
    }
    | {"distillation", "evaluation", "audit", "report", "run", "run_settings", "__init__"},
}


def parts():
    """The top-level parts of the core, ``__init__`` left out: it re-exports lazily."""
    return sorted({path.stem if path.is_file() else path.name for path in CORE.iterdir()} & set(MAY_IMPORT))


def imports_of(path):
    """The parts of the core, and the plugin packages, that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "shortstack" else [f"shortstack.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            head, *rest = name.split(".")
            if head in PLUGINS:
                yield head
            elif head == "shortstack":
                yield rest[0] if rest and (CORE / rest[0]).exists() | (CORE / f"{rest[0]}.py").exists() else "__init__"


def files_of(part):
    """All source files of a part."""
    return [CORE / f"{part}.py"] if (CORE / f"{part}.py").is_file() else sorted((CORE / part).rglob("*.py"))


def test_every_part_has_its_arrows():
    """A new part of the core must say here what it may import."""
    there = {path.stem if path.is_file() else path.name for path in CORE.iterdir() if path.suffix in {".py", ""}}

    assert there - {"__init__", "__pycache__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_arrows(part):
    """No file imports against the arrows, and the core never imports a plugin."""
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_of(part)
        for name in imports_of(path)
        if name != part and name not in MAY_IMPORT[part]
    }

    assert wrong == set()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_import_public_parts_only(plugin):
    """A built-in plugin has no private door: contracts, hooks, errors, and the documented parts of the core."""
    public = {"contracts", "hooks", "errors", "models"}
    folder = next(ROOT.glob(f"plugins/*/{plugin}"))
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in folder.rglob("*.py")
        for name in imports_of(path)
        if name not in public | {plugin}
    }

    assert wrong == set()


def test_a_gpu_run_needs_neither_polars_nor_datasets():
    """All stages after the data import, and train, where those two are not installed."""
    code = """
import sys
sys.modules["polars"] = sys.modules["datasets"] = None
import shortstack.importance.measure, shortstack.selection.selector, shortstack.students.build, shortstack.distillation.trainer
import shortstack.evaluation.evaluator, shortstack.stages, shortstack.tasks.next_item, shortstack.data.sequences
import shortstack.stages.training, shortstack.stages.recommender
from shortstack.registry import Registry
registry = Registry.from_environment()
assert not registry.failures, registry.failures
for component in registry.components:
    if component.kind != "dataset":
        registry.build(component.kind, component.descriptor.name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
