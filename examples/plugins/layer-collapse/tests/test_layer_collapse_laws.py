"""The laws of student architectures."""

from shortstack.testing import StudentSuite


class TestLayerCollapse(StudentSuite):
    """Every law that binds ``layer-collapse``."""

    component = "layer-collapse"
