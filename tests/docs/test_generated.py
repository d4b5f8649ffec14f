"""Generated pages agree with the code."""

import importlib.util
from pathlib import Path

import attrs
import pytest

from shortstack import contracts, hooks
from shortstack.testing.laws import FOLDERS, laws_of

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate():
    """``docs/generate.py`` as a module."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("page", "function"), [("plugins.md", "plugins_page"), ("mutants.md", "mutants_page")])
def test_pages_are_up_to_date(generate, page, function):
    """``python docs/generate.py`` was run after the last change."""
    assert (DOCS / page).read_text(encoding="utf-8") == vars(generate)[function]()


def test_every_hook_descriptor_trait_and_law_is_there():
    """The page holds every hook, descriptor, trait and law."""
    page = (DOCS / "plugins.md").read_text(encoding="utf-8")
    names = [name for name in vars(hooks) if name.startswith("shortstack_")]
    classes = [cls for name, cls in vars(contracts).items() if name.endswith(("Descriptor", "Traits"))]
    names += [field.name for cls in classes for field in attrs.fields(cls)]
    names += [law.name for kind in FOLDERS for law in laws_of(kind)]

    assert [name for name in names if f"`{name}`" not in page] == []


def test_a_field_without_an_entry_is_an_error(generate):
    """A trait without documentation is an error when the page is generated."""

    @attrs.frozen
    class Undocumented:
        """What a thing promises.

        Attributes:
            told: Documented.
        """

        told: bool = False
        untold: bool = False

    with pytest.raises(ValueError, match=r"Undocumented\.untold has no entry under Attributes"):
        generate._fields(Undocumented)


def test_a_law_without_a_statement_is_an_error(generate):
    """A law without a docstring is an error when the page is generated."""

    def silent():
        pass

    with pytest.raises(ValueError, match="has no docstring"):
        generate._statement(silent)
