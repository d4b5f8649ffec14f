"""Imports point downwards: four layers, each of packages that import what is below them, and no circle anywhere."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "framework" / "shortstack"
PLUGINS = ("shortstack_importance", "shortstack_students", "shortstack_datasets", "shortstack_losses")

LAYERS = (
    {
        "version",
        "boundaries",
        "lazy",
        "run_layout",
        "errors",
        "contracts",
        "decorators",
        "hooks",
        "progress",
        "digests",
        "files",
        "processes",
        "ray_cluster",
        "full_disk",
        "html_table",
        "fetching",
        "frames",
        "own_code",
        "posix",
        "terminal_text",
        "config",
    }
    | {"registry"},
    {
        "data",
        "models",
        "tasks",
        "importance",
        "selection",
        "teachers",
        "students",
        "distillation",
        "evaluation",
        "compression",
        "audit",
    }
    | {"recommender", "recommender_folder", "report", "result"},
    {"planning", "pipeline", "batch", "drafting", "exporting", "hub", "scoring", "serving", "testing", "scaffold"},
    {"run", "studies", "cli", "__init__", "__main__"},
)
"""From the lowest: what all share; the work itself, which knows of no runs; what composes it; what users hold."""


def modules():
    """Dotted name → file, of the core."""
    names = {}
    for path in CORE.rglob("*.py"):
        parts = path.relative_to(CORE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports_of(path):
    """Dotted names of all that a file imports anywhere in it, for types alone too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def graph():
    """Module → the modules of the core that it imports."""
    known = modules()
    return {
        name: {found if found in known else found.rpartition(".")[0] for found in imports_of(path)} & known.keys()
        for name, path in known.items()
    }


def part_of(module):
    """The package or file right below ``shortstack`` that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def layer_of(part):
    """Its place among the layers, from 0."""
    return next(place for place, parts in enumerate(LAYERS) if part in parts)


def test_every_part_has_a_layer():
    """A new part of the core must say here where it belongs."""
    assert {part_of(module) for module in modules()} == set().union(*LAYERS)


def test_no_module_is_in_a_circle():
    """Modules can be sorted so that each comes after all that it imports."""
    assert len(list(TopologicalSorter(graph()).static_order())) == len(modules())


def test_no_part_is_in_a_circle():
    """So can packages: no two of them are one that was cut in half."""
    parts = {}
    for module, found in graph().items():
        parts.setdefault(part_of(module), set()).update({part_of(other) for other in found} - {part_of(module)})

    assert set(TopologicalSorter(parts).static_order()) == set().union(*LAYERS)


def test_layers_import_downwards():
    """No part imports one of a higher layer."""
    upwards = {
        f"{module} imports {other}"
        for module, found in graph().items()
        for other in found
        if layer_of(part_of(other)) > layer_of(part_of(module))
    }

    assert upwards == set()


def test_the_core_imports_no_plugin():
    """Ours are found as a stranger's are."""
    found = {f"{path} imports {name}" for path in modules().values() for name in imports_of(path)}

    assert not {one for one in found if one.split(" imports ")[1].split(".")[0] in PLUGINS}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_import_public_parts_only(plugin):
    """A built-in plugin has no private door: contracts, hooks, errors, and the documented parts of the core."""
    public = {"contracts", "hooks", "errors", "models"}
    folder = next(ROOT.glob(f"plugins/*/{plugin}"))
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in folder.rglob("*.py")
        for name in imports_of(path)
        if name.startswith("shortstack.") and name.split(".")[1] not in public
    }

    assert wrong == set()


def test_a_gpu_run_needs_neither_polars_nor_datasets():
    """All stages after the data import, and train, where those two are not installed."""
    code = """
import sys
sys.modules["polars"] = sys.modules["datasets"] = None
import shortstack.importance.measure, shortstack.selection.selector, shortstack.students.build, shortstack.distillation.trainer
import shortstack.evaluation.evaluator, shortstack.pipeline.runner, shortstack.tasks.next_item, shortstack.data.sequences
import shortstack.pipeline.training, shortstack.pipeline.stage_model
from shortstack.registry import Registry
registry = Registry.from_environment()
assert not registry.failures, registry.failures
for component in registry.components:
    if component.kind != "dataset":
        registry.build(component.kind, component.descriptor.name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
