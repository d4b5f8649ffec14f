"""Balancings by name: from a configuration to an object."""

from collections.abc import Mapping
from typing import Any, Final

from shortstack.config.given import Given, value_of
from shortstack.config.reader import structure
from shortstack.config.resolve import attribute_named
from shortstack.distillation.balancing.contract import AnyBalancing, Balancing, StepBalancing
from shortstack.distillation.balancing.dwa import Dwa
from shortstack.distillation.balancing.ema import Ema
from shortstack.distillation.balancing.fixed import Fixed
from shortstack.distillation.balancing.gradnorm import GradNorm
from shortstack.distillation.balancing.linear import Linear
from shortstack.distillation.balancing.uncertainty import Uncertainty
from shortstack.errors import ConfigurationError, UnknownNameError

BALANCINGS: Final[Mapping[str, type[Any]]] = {
    "fixed": Fixed,
    "ema": Ema,
    "uncertainty": Uncertainty,
    "dwa": Dwa,
    "gradnorm": GradNorm,
    "linear": Linear,
}


def make_balancing(given: "str | Mapping[str, object] | AnyBalancing") -> AnyBalancing:
    """Build the balancing of a configuration.

    >>> make_balancing({"name": "ema", "decay": 0.9})
    Ema(decay=0.9, floor=1e-06)

    Args:
        given: A name such as ``"ema"``, or ``"module:attribute"``; a table of ``name`` and settings, for example
            ``{"name": "ema", "decay": 0.9}``; or any object of one of the protocols.

    Raises:
        UnknownNameError: The balancing, or a setting, does not exist.
        ConfigurationError: A setting is out of range, or the object is not a balancing.
    """
    if isinstance(given, str) and not isinstance(given, Given):
        given = {"name": given}
    if not isinstance(given, Mapping):
        return _checked(value_of(given), repr(given))
    settings = dict(given)
    name = str(settings.pop("name", ""))
    if name in BALANCINGS:
        built: AnyBalancing = structure(BALANCINGS[name], settings, f"balancing {name!r}")
        return built
    if ":" not in name:
        raise UnknownNameError("balancing", name, BALANCINGS)
    if settings:
        raise ConfigurationError(f"balancing {name!r} is an object of its own and takes no settings, got {settings!r}")
    return _checked(attribute_named("balancing", name), name)


def _checked(candidate: object, name: str) -> AnyBalancing:
    if isinstance(candidate, type) or not isinstance(candidate, Balancing | StepBalancing):
        raise ConfigurationError(
            f"balancing {name} is no object with the methods multipliers and remember, or with multipliers, learn "
            "and measures_gradients (see shortstack.distillation.balancing)"
        )
    return candidate
