"""The kit's laws hold for the examples; their own tests say the same once they are installed."""

import pytest

from shortstack.testing import check

COMPONENTS = {
    "dist": ("dist-loss", {}),
    "dist at T = 4": ("dist-loss", {"temperature": 4.0}),
    "layer-collapse": ("layer-collapse", {}),
    "layer-collapse at half": ("layer-collapse", {"strength": 0.5}),
    "linear-cka": ("linear-cka", {}),
    "netflix-prize": ("netflix-prize", {}),
}


SLOW = {"dist", "linear-cka", "netflix-prize"}  # ten seconds or more each


@pytest.mark.parametrize(
    "named",
    [pytest.param(name, marks=pytest.mark.full) if " at " in name or name in SLOW else name for name in COMPONENTS],
)
def test_every_law_that_binds_it(third_parties, named):
    """No law fails, and at least one was tried."""
    folder, settings = COMPONENTS[named]
    outcomes = check(third_parties(folder).DESCRIPTOR, settings=settings, examples=5)

    assert [outcome for outcome in outcomes if outcome.status == "failed"] == []
    assert [outcome.law for outcome in outcomes if outcome.status == "passed"] != []
