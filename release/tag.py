"""Whether a tag is that of the version which the sources hold, and all that names the version agrees.

python -m release.tag v0.1.0
"""

import re
import sys
import tomllib

from release.dependencies import ROOT


def problems(tag: str) -> list[str]:
    """Return what is wrong, a sentence each; nothing if the tag may be released."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    checks = {
        f"the tag {tag!r} is not 'v{version}', the version in pyproject.toml; move the one or change the other": (
            tag == f"v{version}"
        ),
        f"CHANGELOG.md has no heading '## {version} (YYYY-MM-DD)'; write the day of the release into it": (
            re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changes, re.MULTILINE)
        ),
        f"CITATION.cff does not say 'version: {version}'; change it": (
            re.search(rf"^version: {re.escape(version)}$", citation, re.MULTILINE)
        ),
    }
    return [problem for problem, holds in checks.items() if not holds]


if __name__ == "__main__":
    sys.exit("\n".join(problems(sys.argv[1])) or None)
