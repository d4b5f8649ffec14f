"""What shortstack asks of every student architecture."""

from shortstack.testing import StudentSuite


class TestLayerCollapse(StudentSuite):
    """Every law that binds ``layer-collapse``."""

    component = "layer-collapse"
