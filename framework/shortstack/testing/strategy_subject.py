"""A selection strategy as a component under test; strategies need no hook."""

from collections.abc import Mapping

from shortstack.contracts import Descriptor
from shortstack.registry import Registry
from shortstack.selection.selector import strategy_named
from shortstack.testing.subject import Subject


def strategy_subject(name: str, settings: Mapping[str, object], registry: Registry) -> Subject:
    """The strategy of a name, or of ``module:attribute``.

    Raises:
        UnknownNameError: There is no such strategy or setting.
        ConfigurationError: A setting is wrong, or it is no strategy.
    """
    strategy = strategy_named(name, settings)
    descriptor = Descriptor(
        name=strategy.name,
        summary=(type(strategy).__doc__ or strategy.name).partition("\n")[0],
        build=lambda given: strategy_named(name, given),
        config=type(strategy),
    )
    return Subject(
        kind="strategy",
        name=name,
        descriptor=descriptor,
        traits=strategy.keeps,
        settings=settings,
        registry=registry,
        given=name,
    )
