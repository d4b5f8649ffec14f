"""Budgets: limits on the number of the teacher's layers that remain, or on their cost."""

from collections.abc import Iterable, Mapping
from math import floor
from typing import Final

import attrs

from shortstack.config.amounts import share_in, written
from shortstack.errors import ConfigurationError

MEASURES: Final[Mapping[str, str]] = {
    "parameters": "parameters",
    "body_parameters": "body parameters (without embeddings and output rows)",
    "bytes": "bytes on disk",
    "cache_bytes": "bytes of cache a token",
    "latency_ms": "milliseconds a user",
}
"""Costs that a budget may limit, besides the number of layers, with their names in messages."""


def _tuple(layers: Iterable[float]) -> tuple[float, ...]:
    return tuple(layers)


@attrs.frozen(kw_only=True)
class Cost:
    """Cost of a model by one measure: a fixed part, and a part per layer.

    Attributes:
        layers: Cost of each layer.
        fixed: Cost of all that is not a layer.
        whole: Cost of the whole teacher, to which shares refer; by default ``fixed`` plus all layers.

    >>> Cost(layers=(10, 10, 20), fixed=60).of([0, 2])
    90
    """

    layers: tuple[float, ...] = attrs.field(converter=_tuple)
    fixed: float = 0
    whole: float | None = None

    def of(self, kept: Iterable[int]) -> float:
        """Return the cost of a model with these layers."""
        return self.fixed + sum(self.layers[layer] for layer in kept)

    @property
    def teacher(self) -> float:
        """Cost of the whole teacher, to which shares refer."""
        return self.of(range(len(self.layers))) if self.whole is None else self.whole


def as_ratio(given: object) -> object:
    """Return a ratio as a number: ``0.25``, also from ``"25%"`` or ``"0.25"``; all of it is ``1.0``."""
    share = share_in(given)
    ratio = written(given) if share is None else share
    return float(ratio) if isinstance(ratio, int) and not isinstance(ratio, bool) else ratio


@attrs.frozen(kw_only=True, repr=False)
class Budget:
    """Limit on what remains of the teacher. Set exactly one.

    All but the first two limit a cost: an amount, ``2_000_000`` or ``"2M"``, or a share of the teacher's, ``"25%"``.
    The percent sign makes it a share, never the type of the number.

    Attributes:
        keep_layers: Number of layers.
        keep_ratio: Share of the layers, in (0, 1]: ``max(1, floor(ratio · layers + 1e-9))`` of them.
        parameters: All parameters.
        body_parameters: The same without embeddings and output rows.
        bytes: Bytes of the weights' file, without its header of some kilobytes.
        cache_bytes: Bytes by which the cache of keys and values grows with each token.
        latency_ms: Measured milliseconds per user.

    >>> Budget(keep_ratio=0.25).layers(of=12)
    3
    """

    keep_layers: int | None = attrs.field(default=None, converter=written)
    keep_ratio: float | None = attrs.field(default=None, converter=as_ratio)
    parameters: int | float | str | None = attrs.field(default=None, converter=written)
    body_parameters: int | float | str | None = attrs.field(default=None, converter=written)
    bytes: int | float | str | None = attrs.field(default=None, converter=written)
    cache_bytes: int | float | str | None = attrs.field(default=None, converter=written)
    latency_ms: int | float | str | None = attrs.field(default=None, converter=written)

    def __attrs_post_init__(self) -> None:
        names = [name for name, value in attrs.asdict(self).items() if value is not None]
        if len(names) != 1:
            raise ConfigurationError(f"a budget is exactly one of {RULES}; got {' and '.join(names) or 'none of them'}")
        if self.keep_layers is not None and not _is_count(self.keep_layers):
            raise ConfigurationError(f"keep_layers must be a whole number of layers from 1, got {self.keep_layers!r}")
        if self.keep_ratio is not None and not _is_ratio(self.keep_ratio):
            raise ConfigurationError(f"keep_ratio must be above 0 and at most 1, got {self.keep_ratio!r}")
        if self.measure is not None:
            _check_amount(self.measure, self.given)

    def __repr__(self) -> str:
        settings = {name: value for name, value in attrs.asdict(self).items() if value is not None}
        return f"Budget({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    @property
    def measure(self) -> str | None:
        """Name of the cost that the budget limits; None if it limits layers."""
        return next(
            (name for name, value in attrs.asdict(self).items() if value is not None and name in MEASURES), None
        )

    @property
    def given(self) -> int | float | str:
        """Value of the one setting that is set."""
        value_set: int | float | str = next(value for value in attrs.asdict(self).values() if value is not None)
        return value_set

    def layers(self, *, of: int) -> int:
        """Return the largest number of a teacher's layers that the budget allows; all of them if it limits a cost.

        Raises:
            ConfigurationError: The budget asks for more layers than there are.
        """
        if self.keep_ratio is not None:
            # 1e-9 against rounding: 0.29 * 100 is 28.999999999999996
            return max(1, floor(self.keep_ratio * of + 1e-9))
        if self.keep_layers is not None and self.keep_layers > of:
            raise ConfigurationError(f"keep_layers is {self.keep_layers}, but the teacher has only {of} layers")
        return of if self.keep_layers is None else int(self.keep_layers)

    def limit(self, cost: Cost) -> float:
        """Return the largest allowed value of the cost that the budget limits."""
        share = share_in(self.given)
        if share is None:
            return float(self.given) if self.measure == "latency_ms" else int(self.given)
        return share * cost.teacher if self.measure == "latency_ms" else floor(share * cost.teacher + 1e-9)

    def describe(self, *, of: int) -> str:
        """Return the budget in words.

        >>> Budget(keep_ratio=0.25).describe(of=12), Budget(parameters="2M").describe(of=12)
        ('keep 25% of 12 layers', 'keep at most 2,000,000 parameters')
        """
        if self.keep_ratio is not None:
            return f"keep {self.keep_ratio * 100:.4g}% of {of} layers"
        if self.measure is None:
            return f"keep {self.keep_layers} of {of} layers"
        share = share_in(self.given)
        if share is not None:
            return f"keep {share * 100:.4g}% of the {MEASURES[self.measure]}"
        amount = self.given if self.measure == "latency_ms" else int(self.given)
        return f"keep at most {amount:,} {MEASURES[self.measure]}"


BUDGETS: Final = tuple(field.name for field in attrs.fields(Budget))
RULES: Final = " or ".join([", ".join(BUDGETS[:-1]), BUDGETS[-1]])
"""The names of all budgets, in words."""
SHORT_NAMES: Final[Mapping[str, str]] = {
    "layers": "keep_layers",
    "ratio": "keep_ratio",
    "params": "parameters",
    "body": "body_parameters",
    "cache": "cache_bytes",
    "latency": "latency_ms",
}
"""Short names of the budgets, in ``[selection]`` and for ``plan --budget``."""


def with_full_names(settings: Mapping[str, object]) -> dict[str, object]:
    """Return settings with the budgets' short names replaced by the full ones.

    Raises:
        ConfigurationError: A budget is given under both names.

    >>> with_full_names({"scorer": "fisher", "params": "25%"})
    {'scorer': 'fisher', 'parameters': '25%'}
    """
    full_settings: dict[str, object] = {}
    for name, value in settings.items():
        full = SHORT_NAMES.get(name, name)
        if full in full_settings:
            short = next(short for short, other in SHORT_NAMES.items() if other == full)
            raise ConfigurationError(f"{full} is given twice, once as {short}; give one of them")
        full_settings[full] = value
    return full_settings


def _is_ratio(amount: object) -> bool:
    return isinstance(amount, int | float) and not isinstance(amount, bool) and 0 < amount <= 1


def _is_count(amount: object) -> bool:
    whole = isinstance(amount, int) or (isinstance(amount, float) and amount.is_integer())
    return whole and not isinstance(amount, bool) and amount >= 1  # type: ignore[operator]


def _check_amount(measure: str, given: object) -> None:
    """Raise unless an amount is a share, a whole count or, for latencies, a number of milliseconds.

    Raises:
        ConfigurationError: It is neither, or a share in the former notation (a bare ratio).
    """
    share = share_in(given)
    if share is not None and 0 < share <= 1:
        return
    in_time = measure == "latency_ms" and isinstance(given, int | float) and not isinstance(given, bool)
    if share is None and (_is_count(given) or (in_time and 0 < float(given) < float("inf"))):  # type: ignore[arg-type]
        return
    allowed = "a number of milliseconds above 0" if measure == "latency_ms" else "a whole count from 1, such as 35M"
    percent = f"{float(given) * 100:.12g}%" if _is_ratio(given) else ""  # type: ignore[arg-type]
    hint = f'; for that share write "{percent}"' if percent else ""
    raise ConfigurationError(f'{measure} must be {allowed}, or a share such as "25%", got {given!r}{hint}')


def costs_by_measure(costs: "Mapping[str, Cost] | Cost | None", budget: Budget, layers: int) -> Cost | None:
    """Return the cost that a budget limits.

    Raises:
        ConfigurationError: It is not among ``costs``, or is for another number of layers.
    """
    if budget.measure is None:
        return None
    known = {budget.measure: costs} if isinstance(costs, Cost) else costs or {}
    if budget.measure not in known:
        raise ConfigurationError(f"a budget of {budget.measure} needs to know what each layer costs: give costs")
    cost = known[budget.measure]
    if len(cost.layers) != layers:
        raise ConfigurationError(
            f"there are {layers} scores but costs of {len(cost.layers)} layers; both must be one a layer"
        )
    return cost
