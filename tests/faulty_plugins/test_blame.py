"""Errors of a stranger's code get the stranger's name."""

import statistics

import pytest

from shortstack.errors import DataError, PluginError
from shortstack.registry.isolation import error_message, format_error, plugin_errors


def test_anything_else_becomes_ours():
    """The error is the cause; even one that ends generators."""
    for error in (ZeroDivisionError("by zero"), StopIteration("done"), SystemExit(3), GeneratorExit("no")):
        expected = GeneratorExit if isinstance(error, GeneratorExit) else PluginError
        with pytest.raises(expected) as caught, plugin_errors("acme", "fell over"):
            raise error
        assert caught.value is error or (caught.value.__cause__ is error)
    with pytest.raises(PluginError, match=r"^acme fell over: AssertionError \("), plugin_errors("acme", "fell over"):
        raise AssertionError


def test_the_line_is_told():
    """The innermost that a stranger wrote, not the library's in which it ended."""
    expected = rf"^acme failed: StatisticsError: .* \({__file__}, line \d+, in test_the_line_is_told\)$"
    with pytest.raises(PluginError, match=expected), plugin_errors("acme"):
        statistics.mean([])


def test_ours_stay_what_they_are():
    """They note where they came from, once for each place."""
    error = DataError("no rows")
    with pytest.raises(DataError) as caught, plugin_errors("bolt"), plugin_errors("acme"), plugin_errors("acme"):
        raise error

    assert caught.value is error
    assert ["in acme", "in bolt"] == error.__notes__


def test_ours_that_name_the_culprit_need_no_note():
    """The name is there already."""
    with pytest.raises(PluginError, match=r"^acme is tired$"), plugin_errors("acme"):
        raise PluginError("acme is tired")


def test_ctrl_c_is_nobodys_fault():
    """It goes through."""
    with pytest.raises(KeyboardInterrupt), plugin_errors("acme"):
        raise KeyboardInterrupt


def test_messages_are_one_line_and_not_too_long():
    """500 characters of a stranger's text are enough."""
    assert error_message(ValueError("a\n  b")) == "a b"
    assert format_error(ValueError("x" * 501)) == f"ValueError: {'x' * 500} …"
    assert format_error(ValueError("x" * 500)) == f"ValueError: {'x' * 500}"
