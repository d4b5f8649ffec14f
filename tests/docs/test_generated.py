"""Generated pages agree with the code."""

import importlib.util
import re
import sys
from importlib.metadata import version
from pathlib import Path

import attrs
import pytest

from shortstack import contracts, hooks
from shortstack.config.reader import validated
from shortstack.testing.laws import FOLDERS, laws_of

DOCS = Path(__file__).parents[2] / "docs"
CONSTRAINTS = DOCS.with_name("constraints.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generate():
    """``docs/generate.py`` as a module."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(DOCS))  # its own modules lie beside it
    spec.loader.exec_module(module)
    sys.path.remove(str(DOCS))
    return module


@pytest.mark.parametrize(
    ("page", "function"),
    [
        ("plugins.md", "plugins_page"),
        ("mutants.md", "mutants_page"),
        ("decisions/README.md", "decisions_page"),
        ("reference/settings.md", "settings_page"),
        ("reference/commands.md", "commands_page"),
        ("reference/python.md", "python_page"),
    ],
)
def test_pages_are_up_to_date(generate, page, function):
    """``python docs/generate.py`` was run after the last change."""
    if page.endswith("commands.md") and f"\ntyper=={version('typer')}\n" not in CONSTRAINTS:
        pytest.skip("another version of typer writes the page in other words")
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


def test_every_setting_is_there(generate):
    """By its path, with the stages that run again as the tested table of settings has them."""
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    paths = re.findall(r"^### `([a-z_.]+)`$", page, re.MULTILINE)

    assert "teacher.fit.lora.rank" in paths
    assert "selection.latency_ms" in paths
    assert len(paths) == len({*paths}) > 80
    seen = page.partition("### `evaluation.seen`\n")[2].partition("###")[0]
    assert seen.rstrip().endswith("*runs again:* `teacher`, `scratch`, `evaluation`")
    assert '*allowed:* `"exclude"`, `"include"`' in seen


def test_a_number_without_a_unit_is_an_error(generate):
    """A new setting that is a number needs a unit; one that is a text does not."""
    from writers.settings import all_settings, unit_of

    @attrs.frozen(kw_only=True, field_transformer=validated("new"))
    class New:
        """Settings.

        Attributes:
            width: How wide.
            name: Its name.
        """

        width: int = attrs.field(default=3, validator=attrs.validators.ge(1))
        name: str = "a"

    width, name = all_settings(New, "new.")

    assert unit_of(name) == ""
    with pytest.raises(
        ValueError, match=r"new\.width is a number without a unit; give it one in docs/writers/units\.py"
    ):
        unit_of(width)
