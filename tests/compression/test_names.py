"""Methods by name."""

import pytest

from shortstack.compression.names import FORMS, method_named
from shortstack.errors import ConfigurationError, UnknownNameError


@pytest.mark.parametrize("name", [*FORMS, "wanda-1:4", "low-rank-33.3%", "magnitude-99.9%"])
def test_a_method_has_its_name(name):
    """As settings write it."""
    assert method_named(name).name == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [("int9", "int8"), ("wnda-2:4", "wanda-2:4"), ("int8-50%", "int8"), ("", ""), ("low-rnk-50%", "low-rank-50%")],
)
def test_a_name_that_does_not_exist(name, expected):
    """The nearest is suggested."""
    with pytest.raises(UnknownNameError, match=rf"^unknown compression method '{name}'.*{expected}"):
        method_named(name)


@pytest.mark.parametrize("amount", ["0%", "100%", "4:2", "2:2", "0:4", "50", "1e1%", ""])
@pytest.mark.parametrize("method", ["magnitude", "wanda"])
def test_amounts_of_sparsity(method, amount):
    """Shares lie between, patterns keep fewer than all and more than none."""
    with pytest.raises(ConfigurationError, match=rf"^{method} takes .* such as {method}-50%"):
        method_named(f"{method}-{amount}")


@pytest.mark.parametrize("amount", ["0%", "100%", "2:4", "half"])
def test_amounts_of_rank(amount):
    """Low rank has shares alone."""
    with pytest.raises(ConfigurationError, match=r"^low-rank takes a share between 0% and 100% that is removed"):
        method_named(f"low-rank-{amount}")
