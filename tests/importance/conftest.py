"""Fixtures shared by the tests of importance."""

import pytest
from importance.plain_loop import by_definition, make_batch, tiny_model

import shortstack_importance
from shortstack.registry import Origin, Registry


@pytest.fixture(scope="session")
def tiny():
    """``tiny(family, dtype)``: see ``tiny_model``."""
    return tiny_model


@pytest.fixture
def batch():
    """See ``make_batch``."""
    return make_batch()


@pytest.fixture(scope="session")
def registry():
    """The built-in scorers alone, under the core's name."""
    registry = Registry()
    registry.register(shortstack_importance, Origin("shortstack", "importance", "0"))
    assert registry.failures == ()
    return registry


@pytest.fixture(scope="session")
def reference():
    """The plain loop: see ``by_definition``."""
    return by_definition
