"""What shortstack asks of every scorer."""

from shortstack.testing import ScorerSuite


class TestLinearCka(ScorerSuite):
    """Every law that binds ``linear-cka``."""

    component = "linear-cka"
