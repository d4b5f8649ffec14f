"""Errors raised in a third party's code carry the name of its component."""

import statistics

import pytest

from shortstack.errors import DataError, PluginError
from shortstack.registry.isolation import error_message, format_error, plugin_errors


def test_anything_else_becomes_ours():
    """Other exceptions become PluginError, with the original as cause, even StopIteration."""
    for error in (ZeroDivisionError("by zero"), StopIteration("done"), SystemExit(3), GeneratorExit("no")):
        expected = GeneratorExit if isinstance(error, GeneratorExit) else PluginError
        with pytest.raises(expected) as caught, plugin_errors("acme", "fell over"):
            raise error
        assert caught.value is error or (caught.value.__cause__ is error)
    with pytest.raises(PluginError, match=r"^acme fell over: AssertionError \("), plugin_errors("acme", "fell over"):
        raise AssertionError


def test_the_line_is_told():
    """The message names the innermost line of the third party's code, not the library line that raised."""
    expected = rf"^acme failed: StatisticsError: .* \({__file__}, line \d+, in test_the_line_is_told\)$"
    with pytest.raises(PluginError, match=expected), plugin_errors("acme"):
        statistics.mean([])


def test_ours_stay_what_they_are():
    """The core's own errors keep their type and get a note of each component, once."""
    error = DataError("no rows")
    with pytest.raises(DataError) as caught, plugin_errors("bolt"), plugin_errors("acme"), plugin_errors("acme"):
        raise error

    assert caught.value is error
    assert ["in acme", "in bolt"] == error.__notes__


def test_ours_that_name_the_culprit_need_no_note():
    """An error that names the component gets no note."""
    with pytest.raises(PluginError, match=r"^acme is tired$"), plugin_errors("acme"):
        raise PluginError("acme is tired")


def test_ctrl_c_is_nobodys_fault():
    """KeyboardInterrupt passes through unchanged."""
    with pytest.raises(KeyboardInterrupt), plugin_errors("acme"):
        raise KeyboardInterrupt


def test_messages_are_one_line_and_not_too_long():
    """Third-party messages are reduced to one line of 500 characters."""
    assert error_message(ValueError("a\n  b")) == "a b"
    assert format_error(ValueError("x" * 501)) == f"ValueError: {'x' * 500} …"
    assert format_error(ValueError("x" * 500)) == f"ValueError: {'x' * 500}"
