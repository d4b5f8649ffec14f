"""Code that a result depends on."""

import sys

import pytest

from shortstack.registry.source_digest import source_digest, source_digest_of_name


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules, imported."""
    folder = tmp_path / "acme_written"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "plugin.py").write_text("from acme_written import depth\n")
    (folder / "depth.py").write_text("DEPTH = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("acme_written")]:
        del sys.modules[name]


def test_any_file_of_the_package_counts(package):
    """An edit beside the plugin's own module is an edit too; the same code has the same hash."""
    before = source_digest_of_name("acme_written.plugin:DEPTH")
    assert before == source_digest("acme_written.depth") == source_digest("acme_written")
    (package / "depth.py").write_text("DEPTH = 3\n")

    assert source_digest("acme_written.plugin") != before


def test_a_module_without_a_package(tmp_path, monkeypatch):
    """A module without a package counts with its one file alone."""
    (tmp_path / "acme_alone.py").write_text("DEPTH = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = source_digest_of_name("acme_alone:DEPTH")
    (tmp_path / "other.py").write_text("DEPTH = 2\n")
    assert source_digest("acme_alone") == before
    (tmp_path / "acme_alone.py").write_text("DEPTH = 3\n")

    assert source_digest("acme_alone") != before
    del sys.modules["acme_alone"]


def test_what_has_no_file():
    """A built-in's name, a module made by hand."""
    assert not source_digest_of_name("strategic")
    assert not source_digest("no_such_module_is_loaded")
