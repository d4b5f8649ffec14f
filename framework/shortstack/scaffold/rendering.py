"""Contents of the files of a new distribution."""

from importlib.resources import files
from string import Template

from shortstack.scaffold.kinds import WORDINGS
from shortstack.scaffold.names import Names
from shortstack.version import __version__

_TEMPLATES = files("shortstack.scaffold") / "templates"


def rendered(names: Names) -> dict[str, str]:
    """Render the files of a distribution: path → text.

    The templates have the extension ``.tmpl``, so that tools do not lint, import or collect them as modules.
    """
    module = names.component.replace("-", "_")
    sources = {
        ".github/workflows/test.yml": "workflow.yml",
        ".gitignore": "gitignore",
        "README.md": "README.md",
        "pyproject.toml": "pyproject.toml",
        f"{names.package}.py": f"{names.kind}.py",
        f"tests/test_{module}.py": "test.py",
        f"tests/test_{module}_by_hand.py": f"{names.kind}_by_hand.py",
    }
    words = _words(names)
    return {path: _template(source).substitute(words) for path, source in sources.items()}


def _template(source: str) -> Template:
    return Template((_TEMPLATES / f"{source}.tmpl").read_text(encoding="utf-8"))


def _words(names: Names) -> dict[str, str]:
    wording = WORDINGS[names.kind]
    return {
        "about": wording.about,
        "article": wording.article,
        "article_upper": wording.article[0].upper() + wording.article[1:],
        "camel": names.camel,
        "distribution": names.distribution,
        "kind": names.kind,
        "name": names.component,
        "package": names.package,
        "suite": wording.suite,
        "summary": f"Example to replace: {wording.summary[0].lower()}{wording.summary[1:]}",  # not yet the author's
        "use": Template(wording.use).substitute(name=names.component),
        "version": __version__,
    }
