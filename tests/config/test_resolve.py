"""Names of the form ``module:attribute``."""

import pytest

from shortstack.config.resolve import module_named
from shortstack.errors import ConfigurationError


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("unclosed", "a = {\n", r"SyntaxError: '\{' was never closed \(unclosed\.py, line 1\)"),
        ("raising", "raise KeyError('a')\n", "KeyError: 'a'"),
    ],
)
def test_a_module_that_raises(tmp_path, monkeypatch, name, source, message):
    """It is named with its own error."""
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(
        ConfigurationError, match=f"strategy '{name}:Mine' cannot be imported, for its module raises {message}"
    ):
        module_named("strategy", f"{name}:Mine")
