"""Settings of a component away from their defaults, one at a time."""

import attrs

from shortstack.contracts import ScorerDescriptor
from shortstack.registry import Registry
from shortstack.testing.subject import subject_of
from shortstack.testing.variants import variants


@attrs.frozen(kw_only=True)
class Sizes:
    """A setting that follows another, and one that its constructor calls otherwise."""

    width: int = 3
    depth: int = attrs.field(default=attrs.Factory(lambda self: 2 * self.width, takes_self=True))
    _exact: bool = False


def test_every_way_to_a_default():
    """A default of other settings, and a name of the constructor's, are settings like all others."""
    built = Registry.from_environment().build("scorer", "block-influence")
    descriptor = ScorerDescriptor(name="sized", summary="Made up.", config=Sizes, build=lambda _settings: built)

    tried = [dict(variant.settings) for variant in variants(subject_of(descriptor, "scorer", {}))]

    assert tried == [{"width": 4}, {"width": 2}, {"depth": 7}, {"depth": 5}, {"exact": True}]
