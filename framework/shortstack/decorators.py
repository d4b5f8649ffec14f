"""Plugins made of one function: a scorer that averages a value per token or example, a loss that sums one per position.

Anything beyond that implements the protocols of ``shortstack.contracts`` itself.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from shortstack.contracts import (
    LayerSignals,
    LossBatch,
    LossDescriptor,
    LossTraits,
    MeanScorer,
    ModelOutputs,
    NoSettings,
    Output,
    ScorerDescriptor,
    ScorerTraits,
    Selection,
    Signal,
    Terms,
)

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig

    ScorerFunction = Callable[[LayerSignals], Tensor]
    LossFunction = Callable[[Any, Any, Tensor], Tensor]

_LOGITS: Final = frozenset({Output.STUDENT_LOGITS})
_BOTH_LOGITS: Final = frozenset({Output.STUDENT_LOGITS, Output.TEACHER_LOGITS})


def scorer(
    *needs: Signal | str,
    over: Literal["tokens", "examples"] = "tokens",
    name: str = "",
    summary: str = "",
    reference: str = "",
    **traits: Any,
) -> "Callable[[ScorerFunction], ScorerDescriptor]":
    """Turn a function from the signals of one layer and batch to the values to average into an importance scorer.

    Args:
        needs: The signals that the function reads, such as ``"states"`` or ``"gradients"`` (see ``Signal``).
        over: Unit of a term: the function returns ``(batch, tokens)``, of which padding is left out, or ``(batch,)``.
        name: Name of the component; by default the function's, with ``-`` for ``_``.
        summary: One sentence; by default the first paragraph of the function's docstring.
        reference: The paper or page that defines the method.
        **traits: Its promises, fields of ``ScorerTraits``; ``averages_over`` is ``over``.

    Returns:
        A decorator that returns a descriptor: an entry point may name it, or a hook yield it.

    >>> @scorer("states", needs_labels=False)
    ... def growth(signals):
    ...     "Growth of the hidden states' norm over a layer."
    ...     return signals.output.norm(dim=-1) - signals.input.norm(dim=-1)
    >>> growth.name, growth.summary
    ('growth', "Growth of the hidden states' norm over a layer.")
    """
    signals = frozenset(Signal(need) for need in needs)

    def decorated(function: "ScorerFunction") -> ScorerDescriptor:
        def build(_settings: NoSettings) -> MeanScorer:
            return MeanScorer(needs=signals, terms=lambda given: _terms(function, given, over), over=over)

        return ScorerDescriptor(
            build=_of_module(build, function),
            traits=ScorerTraits(averages_over=over, **traits),
            reference=reference,
            name=name or _kebab_case(function.__name__),
            summary=summary or _summary(function),
        )

    return decorated


def loss(
    *, teacher: bool = True, name: str = "", summary: str = "", reference: str = "", **traits: Any
) -> "Callable[[LossFunction], LossDescriptor]":
    """Turn a function from candidate logits to a value per supervised position into a distillation loss.

    Args:
        teacher: True if the function reads the teacher's logits; else it gets None for them, and no teacher runs.
        name: Name of the component; by default the function's, with ``-`` for ``_``.
        summary: One sentence; by default the first paragraph of the function's docstring.
        reference: The paper or page that defines the method.
        **traits: Its promises, fields of ``LossTraits``.

    Returns:
        A decorator for ``function(student, teacher, labels)``: logits ``(positions, candidates)`` in float32 or wider,
        and int64 ``(positions,)``; it returns ``(positions,)``, which are summed. It returns a descriptor, as
        ``scorer`` does.

    >>> @loss()
    ... def squared_error(student, teacher, labels):
    ...     "Squared differences of the logits."
    ...     return (student - teacher).square().mean(-1)
    >>> squared_error.name
    'squared-error'
    """

    def decorated(function: "LossFunction") -> LossDescriptor:
        def build(_settings: NoSettings) -> _FunctionLoss:
            return _FunctionLoss(function=function, needs=_BOTH_LOGITS if teacher else _LOGITS)

        return LossDescriptor(
            build=_of_module(build, function),
            traits=LossTraits(**traits),
            reference=reference,
            name=name or _kebab_case(function.__name__),
            summary=summary or _summary(function),
        )

    return decorated


def _kebab_case(name: str) -> str:
    return name.replace("_", "-")


def _summary(function: Callable[..., Any]) -> str:
    """Return the first paragraph of the docstring, in one line.

    Raises:
        ValueError: There is no docstring.
    """
    summary = " ".join((function.__doc__ or "").strip().partition("\n\n")[0].split())
    if not summary:
        raise ValueError(f"{function.__name__} needs a docstring: its first sentence is the component's summary")
    return summary


def _of_module(build: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Attribute ``build`` to the function's module: results then depend on its source, and errors name it."""
    while isinstance(function, partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    build.__module__, build.__qualname__ = named.__module__, named.__qualname__
    return build


def _terms(function: "ScorerFunction", signals: LayerSignals, over: str) -> Terms:
    values, mask = function(signals), signals.mask
    kept = mask if over == "tokens" else mask.any(-1)
    if values.shape != kept.shape:
        raise ValueError(
            f"a scorer over {over} gives a value for each, of shape {tuple(kept.shape)}, got {tuple(values.shape)}"
        )
    return Terms(total=values.double()[kept].sum(), count=kept.sum(), examples=mask.any(-1).sum())


@attrs.frozen(kw_only=True, eq=False)
class _FunctionLoss:
    """Loss that sums a function's values over the supervised positions; a module's parameters are trained."""

    function: "LossFunction"
    needs: frozenset[Output]

    def prepare(
        self,
        teacher: "PreTrainedConfig | None",  # noqa: ARG002 -- the contract's signature
        student: "PreTrainedConfig",  # noqa: ARG002
        selection: Selection | None,  # noqa: ARG002
    ) -> "nn.Module | None":
        """Return a copy of the function if it is a module of torch, and otherwise None: there is nothing to train."""
        from torch import nn

        # a copy: the given one is used by other trainings, and its digest must stay
        return copy.deepcopy(self.function) if isinstance(self.function, nn.Module) else None

    def count(self, batch: LossBatch) -> "Tensor":
        """Return the number of supervised positions."""
        return batch.labels.new_tensor(batch.labels.numel())

    def __call__(
        self,
        student: ModelOutputs,
        teacher: ModelOutputs,
        batch: LossBatch,
        module: "nn.Module | None",
    ) -> "Tensor":
        """Return the sum over the positions."""
        guide = _wide(teacher.logits, detached=True) if Output.TEACHER_LOGITS in self.needs else None
        called = self.function if module is None else module
        values = called(_wide(student.logits), guide, batch.labels)
        if values.shape != batch.labels.shape:
            raise ValueError(
                f"a loss gives a value for each position, of shape {tuple(batch.labels.shape)}, got {tuple(values.shape)}"
            )
        return values.sum()


def _wide(logits: "Tensor | None", *, detached: bool = False) -> Any:
    """Return logits in float32 or wider, detached if they are the teacher's."""
    import torch

    if logits is None:
        return None
    return (logits.detach() if detached else logits).to(torch.promote_types(logits.dtype, torch.float32))
