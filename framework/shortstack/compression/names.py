"""Methods by their names in settings: ``int8``, ``wanda-2:4``, ``low-rank-50%``."""

from typing import Final

from shortstack.compression.method import Method
from shortstack.errors import UnknownNameError

FORMS: Final = (
    "int8",
    "int4",
    "magnitude-50%",
    "magnitude-2:4",
    "wanda-50%",
    "wanda-2:4",
    "low-rank-50%",
)
"""Names of all methods; amounts may be others."""
_WITH_AMOUNTS: Final = ("magnitude", "wanda", "low-rank")


def method_named(name: str) -> Method:
    """Return the method of a name; what follows the last hyphen is the share that is removed, or the pattern that stays.

    Raises:
        UnknownNameError: There is no such method.
        ConfigurationError: The amount is not allowed, or the package that the method needs is missing.
    """
    family, _, amount = name.rpartition("-")
    match family if family in _WITH_AMOUNTS else name:
        case "int8":
            from shortstack.compression.int8 import int8

            method = int8()
        case "int4":
            from shortstack.compression.int4 import int4

            method = int4()
        case "magnitude":
            from shortstack.compression.magnitude import magnitude
            from shortstack.compression.sparsity import pattern_of

            method = magnitude(pattern_of(amount, family))
        case "wanda":
            from shortstack.compression.sparsity import pattern_of
            from shortstack.compression.wanda import wanda

            method = wanda(pattern_of(amount, family))
        case "low-rank":
            from shortstack.compression.low_rank import low_rank
            from shortstack.compression.sparsity import share_of

            method = low_rank(share_of(amount, family))
        case _:
            raise UnknownNameError("compression method", name, FORMS)
    return method
