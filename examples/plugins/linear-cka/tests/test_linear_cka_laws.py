"""The laws of scorers."""

from shortstack.testing import ScorerSuite


class TestLinearCka(ScorerSuite):
    """Every law that binds ``linear-cka``."""

    component = "linear-cka"
