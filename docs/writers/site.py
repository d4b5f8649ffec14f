"""Hooks of mkdocs: pages and files of the repository that lie outside ``docs/`` join the site.

So each document is written once, with links that work in the repository and in the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "index.md": "README.md",
    "changes.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
"""Page of the site → document of the repository."""
BOOSTS = {"reference": 4.0, "decisions": 0.2}
"""Folder of pages → factor of their scores in the search: the decisions are many, and name every setting."""
_PLACES = {document: page for page, document in PAGES.items()}
_FENCE = re.compile(r"^```(\w+) ([^\n]+)$", re.MULTILINE)
"""A block with the file that it is, or a word for the tests."""
_LINK = re.compile(r"\]\(([\w./-]+)(#[\w-]+)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside ``docs/``."""
    for page, document in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / document)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between files of the site, and blocks' files into titles.

    The page gets its place in the search, too.
    """
    here = page.file.src_uri
    folder = here.split("/")[0]
    if folder in BOOSTS:
        page.meta["search"] = {"boost": BOOSTS[folder]}
    document = PAGES.get(here, f"docs/{here}")

    def linked(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(document), link[1]))
        if not (ROOT / target).is_file():
            return link[0]  # mkdocs says what is wrong with it
        place = _place(target, config, files)
        return f"]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{link[2] or ''})"

    return _FENCE.sub(_titled, _LINK.sub(linked, markdown))


def _titled(fence: re.Match[str]) -> str:
    title = f' title="{fence[2]}"' if "." in fence[2] else ""
    return f"```{fence[1]}{title}"


def _place(target: str, config: MkDocsConfig, files: Files) -> str:
    """Return where a file of the repository is in the site; one from outside ``docs/`` is added to it."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if target in _PLACES:
        return _PLACES[target]
    place = f"files/{target}"
    if place not in files.src_uris:
        files.append(File.generated(config, place, abs_src_path=str(ROOT / target)))
    return place
