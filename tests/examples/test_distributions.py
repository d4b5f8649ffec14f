"""Each example is what a third party would publish: a separate distribution that uses public names only."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import shortstack.models

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "examples" / "plugins"
NAMES = {
    "dist-loss": "dist",
    "layer-collapse": "layer-collapse",
    "linear-cka": "linear-cka",
    "netflix-prize": "netflix-prize",
}
"""Folder → component."""
PUBLIC = ("", ".contracts", ".errors", ".hooks", ".models", ".testing", ".testing.strategies")


def private_imports(path):
    """Yield a file's non-public imports of shortstack: other modules, or names that their module does not list."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] == "shortstack"]
            yield from (name for name in names if name.removeprefix("shortstack") not in PUBLIC)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "shortstack":
            if node.module.removeprefix("shortstack") not in PUBLIC:
                yield node.module
            else:
                public = _public(node.module)
                yield from (f"{node.module}.{a.name}" for a in node.names if a.name not in public)


def _public(module):
    """Return the names that a public module offers: ``__all__``, or all without an underscore."""
    loaded = importlib.import_module(module)
    listed = vars(loaded).get("__all__", [name for name in vars(loaded) if not name.startswith("_")])
    return {*listed, *(name.removeprefix(".") for name in PUBLIC)} if module == "shortstack" else set(listed)


def test_there_is_one_of_each_kind(registry):
    """Four distributions, each with one component, together all four kinds."""
    kinds = {c.full_name: c.kind for c in registry.components if c.origin.distribution != "shortstack"}

    assert kinds == {
        "shortstack-dist-loss/dist": "loss",
        "shortstack-layer-collapse/layer-collapse": "student",
        "shortstack-linear-cka/linear-cka": "scorer",
        "shortstack-netflix-prize/netflix-prize": "dataset",
    }
    assert sorted(path.parent.name for path in PLUGINS.glob("*/pyproject.toml")) == sorted(NAMES)


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_import_public_names_only(path):
    """Third-party code depends on no private name."""
    assert list(private_imports(path)) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/*/*/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_built_ins_have_no_private_door(path):
    """The built-in plugins import only public names of the core, which third parties may import too."""
    assert list(private_imports(path)) == []


def test_private_imports_are_found(tmp_path):
    """The check above can fail: private modules, private names, wherever they stand."""
    path = tmp_path / "plugin.py"
    path.write_text(
        "import shortstack.models.decoder\n"
        "from shortstack import Registry, errors, registry\n"
        "def later():\n"
        "    from shortstack.data.hashing import mixed\n"
        "    from shortstack.models import Decoder, planned\n",
        encoding="utf-8",
    )

    assert sorted(private_imports(path)) == [
        "shortstack.data.hashing",
        "shortstack.models.decoder",
        "shortstack.models.planned",
        "shortstack.registry",
    ]


def test_public_names_of_models_are_sorted_and_there():
    """``shortstack.models`` lists what plugins may use, none of it a module in disguise."""
    names = shortstack.models.__all__

    assert names == sorted(names)
    assert [name for name in names if not callable(getattr(shortstack.models, name))] == []


def test_unknown_name_of_models():
    """A name that is not there is an ordinary AttributeError."""
    with pytest.raises(AttributeError, match=r"module 'shortstack\.models' has no attribute 'planned_decoder'"):
        shortstack.models.planned_decoder  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_importing_is_light(name):
    """Listing a plugin must not load torch, transformers or polars."""
    package = f"shortstack_{name.replace('-', '_')}"
    code = f"import sys, {package}; heavy = {{'torch', 'transformers', 'polars'}} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], cwd=PLUGINS / name, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("folder", "name"), NAMES.items(), ids=NAMES)
def test_readme_names_component_paper_and_settings(folder, name, registry):
    """The README says what it is, whose it is, how to get it, and names every setting."""
    import attrs

    text = (PLUGINS / folder / "README.md").read_text(encoding="utf-8")
    (component,) = [c for c in registry.components if c.descriptor.name == name]
    settings = [f"`{field.name}`" for field in attrs.fields(component.descriptor.config)] or ["no settings"]

    assert [
        word for word in (f"pip install shortstack-{folder}", f"show {component.kind} {name}") if word not in text
    ] == []
    assert [setting for setting in settings if setting not in text] == []
    assert component.descriptor.reference.rpartition(" ")[2] in text


@pytest.mark.parametrize("folder", NAMES)
def test_readme_settings_can_be_used(folder, registry, tmp_path):
    """The README's TOML, put into the example's run, is accepted before anything is computed."""
    from shortstack import Run
    from shortstack.pipeline.preflight import check

    (block,) = re.findall(r"```toml\n(.*?)```", (PLUGINS / folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    run = tomllib.loads((PLUGINS / "netflix.toml").read_text(encoding="utf-8"))
    for table, settings in tomllib.loads(block).items():
        run[table] |= settings
    run["data"]["source"] = str(tmp_path)

    device = check(Run.from_mapping(run | {"device": "cpu"}), registry)  # raises what is wrong

    assert device.type == "cpu"
