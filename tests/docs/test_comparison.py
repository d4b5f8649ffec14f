"""The comparison says of this project what the code has."""

import re

from documents import ROOT

from shortstack import Registry
from shortstack.cli.built_ins import built_ins

PAGE = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8").partition("## SLMRec")[0]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def ours(kind):
    """Return how many components of a kind are our own."""
    components = Registry.from_environment().components
    return len([one for one in components if one.kind == kind and one.origin.distribution == "shortstack"])


def test_numbers():
    """Scorers, strategies, losses and balancings are counted; families are those of their page."""
    families = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    works = len(re.findall(r"^\| `[^`]+` \| works \|", families, re.MULTILINE))
    size = (ROOT / "docs" / "size.md").read_text(encoding="utf-8")

    assert f"| layer scorers | {ours('scorer')}, " in PAGE
    assert f"| selection | {len(built_ins('strategy'))} strategies " in PAGE
    assert f"| distillation losses | {ours('loss')} over " in PAGE
    assert f"; {len(built_ins('balancing'))} balancings |" in PAGE
    assert f"| models | decoders of {works} types |" in PAGE
    assert f"| scores layers | {ours('scorer')} ways" in README
    assert f"[these {works} types]" in README
    assert f"[{works} model types do]" in size


def test_dates():
    """Both say of when the comparison is."""
    assert "As of 2026-11-29" in README
    assert "As of 2026-11-29" in PAGE
