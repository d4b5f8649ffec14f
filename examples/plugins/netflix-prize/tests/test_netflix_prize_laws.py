"""What shortstack asks of every dataset adapter."""

from shortstack.testing import DatasetSuite


class TestNetflixPrize(DatasetSuite):
    """Every law that binds ``netflix-prize``."""

    component = "netflix-prize"
