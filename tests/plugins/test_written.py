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


def test_a_module_and_what_it_imports(tmp_path, monkeypatch):
    """A helper beside it counts, and the helper's helper; a file that nothing imports does not."""
    (tmp_path / "acme_metric.py").write_text(
        "def ours(ranks):\n    from acme_helper import half\n    return half(ranks)\n"
    )
    (tmp_path / "acme_helper.py").write_text(
        "import torch\nimport acme_deep\n\ndef half(x):\n    return acme_deep.HALF * x\n"
    )
    (tmp_path / "acme_deep.py").write_text("HALF = 0.5\n")
    (tmp_path / "acme_unused.py").write_text("HALF = 0.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = source_digest_of_name("acme_metric:ours")
    (tmp_path / "acme_unused.py").write_text("HALF = 1.0\n")
    assert source_digest_of_name("acme_metric:ours") == before
    (tmp_path / "acme_deep.py").write_text("HALF = 1.0\n")

    assert source_digest_of_name("acme_metric:ours") != before
    assert "acme_deep" not in sys.modules  # it was read, not imported
    del sys.modules["acme_metric"]


def test_a_package_in_several_folders(tmp_path, monkeypatch):
    """Where it has no ``__init__.py``: what ``sys.path`` holds besides, or twice, is not the module's code."""
    for distribution in ("ours", "theirs"):
        (tmp_path / distribution / "acme_shared").mkdir(parents=True)
        (tmp_path / distribution / "acme_shared" / f"{distribution}.py").write_text("DEPTH = 2\n")
    monkeypatch.syspath_prepend(tmp_path / "ours")
    before = source_digest_of_name("acme_shared.ours:DEPTH")
    for folder in ("ours", "theirs"):
        sys.path.append(str(tmp_path / folder))
    assert len(list(sys.modules["acme_shared"].__path__)) > 1  # which it takes over from sys.path

    assert source_digest("acme_shared.ours") == before
    assert source_digest_of_name("acme_shared.theirs:DEPTH") != before
    for name in ("acme_shared.ours", "acme_shared.theirs", "acme_shared"):
        del sys.modules[name]


def test_what_has_no_file():
    """A built-in's name, a module made by hand."""
    assert not source_digest_of_name("strategic")
    assert not source_digest("no_such_module_is_loaded")
