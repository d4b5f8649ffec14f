"""The laws of dataset adapters."""

from shortstack.testing import DatasetSuite


class TestNetflixPrize(DatasetSuite):
    """Every law that binds ``netflix-prize``."""

    component = "netflix-prize"
