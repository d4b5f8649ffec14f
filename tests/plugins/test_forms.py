"""Objects that lack part of a protocol are refused when they are built."""

import pytest

from shortstack.errors import PluginError
from shortstack.registry.validation import require_protocol


class Unfinished:
    """A fold without an end."""

    needs = frozenset()

    def start(self, model):
        """Nothing."""

    def update(self, state, signals):
        """Nothing."""

    def merge(self, left, right):
        """Nothing."""


@pytest.mark.parametrize(
    ("kind", "component", "lacks"),
    [
        (
            "scorer",
            Unfinished(),
            "a Unfinished, which lacks finish; a FoldScorer or a ProbeScorer or a DerivedScorer of",
        ),
        ("scorer", 3.0, "a float, which lacks measure;"),
        (
            "student",
            object(),
            "an? object, which lacks shrink and count_parameters and transfer; a StudentArchitecture",
        ),
        ("dataset", print, "which lacks detect and read; a DatasetAdapter of shortstack.contracts is needed"),
        ("loss", print, "which lacks needs and prepare and count; a DistillationLoss of"),
    ],
)
def test_what_is_missing_is_named(kind, component, lacks):
    """The error names what is missing of the nearest protocol."""
    with pytest.raises(PluginError, match=f"^this {kind} is .*{lacks}"):
        require_protocol(kind, component)
