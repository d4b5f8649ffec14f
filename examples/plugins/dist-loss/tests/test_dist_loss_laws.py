"""The laws of losses."""

from shortstack.testing import LossSuite


class TestDist(LossSuite):
    """Every law that binds ``dist``."""

    component = "dist"
