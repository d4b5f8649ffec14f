"""How much of the teacher may remain: so many layers, or so many parameters."""

from collections.abc import Iterable, Sequence
from math import floor

import attrs

from shortstack.errors import ConfigurationError

_RULES = "keep_layers, keep_ratio, parameters or body_parameters"


def _tuple(layers: Iterable[int]) -> tuple[int, ...]:
    return tuple(layers)


@attrs.frozen(kw_only=True)
class Costs:
    """What each layer costs in parameters, and what is there besides.

    Attributes:
        layers: Parameters of each layer.
        fixed: Parameters outside the layers, embeddings and output rows included.
        embeddings: Those of ``fixed`` that are embeddings or output rows.
    """

    layers: tuple[int, ...] = attrs.field(converter=_tuple)
    fixed: int = 0
    embeddings: int = 0

    def total(self, kept: Sequence[int]) -> int:
        """Parameters of a student that keeps these layers."""
        return self.fixed + sum(self.layers[layer] for layer in kept)

    def body(self, kept: Sequence[int]) -> int:
        """The same without embeddings and output rows."""
        return self.total(kept) - self.embeddings


@attrs.frozen(kw_only=True)
class Budget:
    """How much may remain. Give exactly one of the four.

    Attributes:
        keep_layers: This many layers.
        keep_ratio: This share of the layers, in (0, 1]: ``max(1, floor(ratio · layers + 1e-9))`` of them.
        parameters: At most so many parameters in all: a share of the teacher's in (0, 1], or a count above 1.
        body_parameters: The same without embeddings and output rows.

    >>> Budget(keep_ratio=0.25).layers(of=12)
    3
    """

    keep_layers: int | None = None
    keep_ratio: float | None = None
    parameters: int | float | None = None
    body_parameters: int | float | None = None

    def __attrs_post_init__(self) -> None:
        given = [f.name for f in attrs.fields(Budget) if getattr(self, f.name) is not None]
        if len(given) != 1:
            raise ConfigurationError(
                f"a budget is exactly one of {_RULES}; got {' and '.join(given) or 'none of them'}"
            )
        if self.keep_layers is not None and not _is_count(self.keep_layers):
            raise ConfigurationError(f"keep_layers must be a whole number of layers from 1, got {self.keep_layers!r}")
        if self.keep_ratio is not None and not _is_share(self.keep_ratio):
            raise ConfigurationError(f"keep_ratio must be above 0 and at most 1, got {self.keep_ratio!r}")
        for name, amount in (("parameters", self.parameters), ("body_parameters", self.body_parameters)):
            if amount is not None and not (_is_share(amount) or _is_count(amount)):
                raise ConfigurationError(f"{name} must be a share in (0, 1] or a whole count above 1, got {amount!r}")

    @property
    def counts_parameters(self) -> bool:
        """Whether it limits parameters rather than layers."""
        return self.parameters is not None or self.body_parameters is not None

    def layers(self, *, of: int) -> int:
        """The most layers that it allows of a teacher's; all of them where it limits parameters.

        Raises:
            ConfigurationError: It asks for more layers than there are.
        """
        if self.keep_ratio is not None:
            return max(1, floor(self.keep_ratio * of + 1e-9))
        if self.keep_layers is not None and self.keep_layers > of:
            raise ConfigurationError(f"keep_layers is {self.keep_layers}, but the teacher has only {of} layers")
        return of if self.keep_layers is None else int(self.keep_layers)

    def limit(self, costs: Costs) -> int | None:
        """The most parameters that it allows, by ``spent``'s count; None where it limits layers."""
        every = range(len(costs.layers))
        if self.parameters is not None:
            return _absolute(self.parameters, costs.total(every))
        if self.body_parameters is not None:
            return _absolute(self.body_parameters, costs.body(every))
        return None

    def resolved(self, teacher: Costs) -> "Budget":
        """The same as a number of layers or parameters: a share is of this teacher's, whatever it is spent on."""
        limit = self.limit(teacher)
        if limit is None:
            return Budget(keep_layers=self.layers(of=len(teacher.layers)))
        return Budget(parameters=limit) if self.body_parameters is None else Budget(body_parameters=limit)

    def spent(self, costs: Costs, kept: Sequence[int]) -> int:
        """What these layers cost under this budget, in parameters."""
        return costs.total(kept) if self.body_parameters is None else costs.body(kept)

    def describe(self, *, of: int) -> str:
        """The budget in words, for example ``"keep 25% of 12 layers"``."""
        if self.keep_ratio is not None:
            return f"keep {self.keep_ratio * 100:.4g}% of {of} layers"
        if self.keep_layers is not None:
            return f"keep {self.keep_layers} of {of} layers"
        if self.parameters is not None:
            return _describe(self.parameters, "parameters")
        return _describe(self.body_parameters or 0, "body parameters (without embeddings and output rows)")


def _describe(amount: float, what: str) -> str:
    return f"keep {amount * 100:.4g}% of the {what}" if _is_share(amount) else f"keep at most {int(amount):,} {what}"


def _is_share(amount: object) -> bool:
    return isinstance(amount, float) and 0 < amount <= 1


def _is_count(amount: object) -> bool:
    if isinstance(amount, float):
        return amount > 1 and amount.is_integer()
    return isinstance(amount, int) and not isinstance(amount, bool) and amount >= 1


def _absolute(amount: float, whole: int) -> int:
    return floor(amount * whole + 1e-9) if _is_share(amount) else int(amount)
