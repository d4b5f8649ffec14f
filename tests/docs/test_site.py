"""The documentation site: it builds without a warning, its links lead somewhere, and it loads nothing from elsewhere."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from documents import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}


class Tags(HTMLParser):
    """All links, loaded addresses and anchors of a page."""

    def __init__(self, page):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Note one tag."""
        given = dict(attributes)
        self.anchors.update(given[name] for name in ("id", "name") if given.get(name))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        is_loaded = tag != "link" or given.get("rel") not in {"canonical", "next", "prev"}
        self.loaded += [given[name] for of, name in LOADED if of == tag and is_loaded and given.get(name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_document(page):
    """Every link to a file of the repository leads to one, and every anchor of a document to a heading there."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([^)\s]+))?\)", text):
        path = (page.parent / target) if target else page
        assert path.exists(), f"{target} of {page.name}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, anchor


def test_every_page_is_in_the_navigation():
    """A new page is put where readers look."""
    listed = set(re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    decisions = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    listed |= {f"decisions/{path}" for path in re.findall(r"\]\(([\w/-]+\.md)\)$", decisions, re.MULTILINE)}
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}

    assert pages - listed == set()
    assert listed - pages == {
        "index.md",
        "changes.md",
        "contributing.md",
        "security.md",
    }  # docs/writers/site.py brings them


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, strictly."""
    if importlib.util.find_spec("material") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("needs the dependency group 'docs'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.full
def test_it_loads_nothing_from_another_host(site):
    """Scripts, styles, fonts and pictures are the site's own."""
    pages = [*site.rglob("*.html")]
    assert len(pages) > 30
    for page in pages:
        assert [address for address in Tags(page).loaded if urlsplit(address).netloc] == []
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", style.read_text(encoding="utf-8")) == []


@pytest.mark.full
def test_its_links(site):
    """Every link within the site leads to a page, and to an anchor that it has."""
    tags = {page: Tags(page) for page in site.rglob("*.html")}
    for page, its_tags in tags.items():
        if page.name == "404.html":
            continue  # its links are from the root of the host
        for link in its_tags.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{link} of {page.name}"
            if parts.fragment and target in tags and not parts.fragment.startswith("__"):
                assert unquote(parts.fragment) in tags[target].anchors, f"{link} of {page.name}"


@pytest.mark.full
def test_its_search_has_every_setting(site):
    """The index that the page searches in is a file of the site, and leads from a setting to its entry."""
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    entries = {re.sub("<[^>]+>", "", entry["title"]): entry["location"] for entry in index["docs"]}

    for setting in (
        "data.core",
        "selection.keep_ratio",
        "teacher.fit.lora.rank",
        "evaluation.seen",
        "distillation.cache",
    ):
        assert entries[setting].startswith("reference/settings.html#")
    assert Path(site / "reference" / "settings.html").is_file()


@pytest.mark.full
def test_its_search_puts_the_reference_first(site):
    """Decisions name every setting as well, and count less."""
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    boosts = {entry["location"].split("/")[0]: entry.get("boost") for entry in index["docs"]}

    assert boosts["reference"] > 1 > boosts["decisions"]
