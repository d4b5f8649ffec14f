"""How much of the teacher may remain: so many layers, or so much of what layers cost."""

from collections.abc import Iterable, Mapping
from math import floor
from typing import Final

import attrs

from shortstack.errors import ConfigurationError

MEASURES: Final[Mapping[str, str]] = {
    "parameters": "parameters",
    "body_parameters": "body parameters (without embeddings and output rows)",
    "bytes": "bytes on disk",
    "cache_bytes": "bytes of cache a token",
    "latency_ms": "milliseconds a user",
}
"""What a budget may limit, beside layers, and how it is spoken of."""


def _tuple(layers: Iterable[float]) -> tuple[float, ...]:
    return tuple(layers)


@attrs.frozen(kw_only=True)
class Cost:
    """What a model costs by one measure: what is there whatever stays, and what each layer adds.

    Attributes:
        layers: Of each layer.
        fixed: Besides.
        whole: What the teacher costs, of which a share is a share; by default ``fixed`` and all layers.

    >>> Cost(layers=(10, 10, 20), fixed=60).of([0, 2])
    90
    """

    layers: tuple[float, ...] = attrs.field(converter=_tuple)
    fixed: float = 0
    whole: float | None = None

    def of(self, kept: Iterable[int]) -> float:
        """What a model with these layers costs."""
        return self.fixed + sum(self.layers[layer] for layer in kept)

    @property
    def teacher(self) -> float:
        """What a share is a share of."""
        return self.of(range(len(self.layers))) if self.whole is None else self.whole


@attrs.frozen(kw_only=True, repr=False)
class Budget:
    """How much may remain. Give exactly one.

    All but the first two limit a cost: a share of the teacher's, a float in (0, 1], or an amount.

    Attributes:
        keep_layers: This many layers.
        keep_ratio: This share of the layers, in (0, 1]: ``max(1, floor(ratio · layers + 1e-9))`` of them.
        parameters: All parameters.
        body_parameters: The same without embeddings and output rows.
        bytes: Of the weights' file, its header of some kilobytes aside.
        cache_bytes: By which the cache of keys and values grows with each token.
        latency_ms: Milliseconds a user, measured.

    >>> Budget(keep_ratio=0.25).layers(of=12)
    3
    """

    keep_layers: int | None = None
    keep_ratio: float | None = None
    parameters: int | float | None = None
    body_parameters: int | float | None = None
    bytes: int | float | None = None
    cache_bytes: int | float | None = None
    latency_ms: float | None = None

    def __attrs_post_init__(self) -> None:
        given = [name for name, value in attrs.asdict(self).items() if value is not None]
        if len(given) != 1:
            raise ConfigurationError(f"a budget is exactly one of {RULES}; got {' and '.join(given) or 'none of them'}")
        if self.keep_layers is not None and not _is_count(self.keep_layers):
            raise ConfigurationError(f"keep_layers must be a whole number of layers from 1, got {self.keep_layers!r}")
        if self.keep_ratio is not None and not _is_share(self.keep_ratio):
            raise ConfigurationError(f"keep_ratio must be above 0 and at most 1, got {self.keep_ratio!r}")
        if self.measure is not None and not (_is_share(self.amount) or _is_amount(self.measure, self.amount)):
            allowed = "an amount above 1" if self.measure == "latency_ms" else "a whole count above 1"
            raise ConfigurationError(f"{self.measure} must be a share in (0, 1] or {allowed}, got {self.amount!r}")

    def __repr__(self) -> str:
        given = {name: value for name, value in attrs.asdict(self).items() if value is not None}
        return f"Budget({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    @property
    def measure(self) -> str | None:
        """The cost that it limits; None where it limits layers."""
        return next(
            (name for name, value in attrs.asdict(self).items() if value is not None and name in MEASURES), None
        )

    @property
    def amount(self) -> float:
        """How much, or what share, of whatever it limits."""
        found: float = next(value for value in attrs.asdict(self).values() if value is not None)
        return int(found) if _is_count(found) else found

    def layers(self, *, of: int) -> int:
        """The most layers that it allows of a teacher's; all of them where it limits a cost.

        Raises:
            ConfigurationError: It asks for more layers than there are.
        """
        if self.keep_ratio is not None:
            return max(1, floor(self.keep_ratio * of + 1e-9))
        if self.keep_layers is not None and self.keep_layers > of:
            raise ConfigurationError(f"keep_layers is {self.keep_layers}, but the teacher has only {of} layers")
        return of if self.keep_layers is None else int(self.keep_layers)

    def limit(self, cost: Cost) -> float:
        """The most that it allows of the cost that it limits."""
        if not _is_share(self.amount):
            return self.amount
        share = self.amount * cost.teacher
        return share if self.measure == "latency_ms" else floor(share + 1e-9)

    def describe(self, *, of: int) -> str:
        """The budget in words, for example ``"keep 25% of 12 layers"``."""
        if self.measure is None:
            kept = f"{self.amount * 100:.4g}%" if self.keep_ratio is not None else self.keep_layers
            return f"keep {kept} of {of} layers"
        if _is_share(self.amount):
            return f"keep {self.amount * 100:.4g}% of the {MEASURES[self.measure]}"
        return f"keep at most {self.amount:,} {MEASURES[self.measure]}"


RULES: Final = " or ".join([", ".join([f.name for f in attrs.fields(Budget)][:-1]), attrs.fields(Budget)[-1].name])
"""The names of all budgets, in words."""


def _is_share(amount: object) -> bool:
    return isinstance(amount, float) and 0 < amount <= 1


def _is_count(amount: object) -> bool:
    if isinstance(amount, float):
        return amount > 1 and amount.is_integer()
    return isinstance(amount, int) and not isinstance(amount, bool) and amount >= 1


def _is_amount(measure: str, amount: object) -> bool:
    """Milliseconds come in fractions, the rest is counted."""
    return _is_count(amount) or (measure == "latency_ms" and isinstance(amount, float) and 1 < amount < float("inf"))


def costs_by_measure(costs: "Mapping[str, Cost] | Cost | None", budget: Budget, layers: int) -> Cost | None:
    """The cost that a budget limits.

    Raises:
        ConfigurationError: It is not among them, or is of another number of layers.
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
