"""How much each layer matters: every requested scorer on one model and one set of examples."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

import attrs
import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.blame import blaming, written_in
from shortstack.contracts import DerivedScorer, FoldScorer, Importance, Probe, ProbeScorer, Signal
from shortstack.errors import ConfigurationError, EmptyDataError, NonFiniteError, PluginError
from shortstack.forms import FORMS
from shortstack.importance.calibration import Batch, checked_batches
from shortstack.importance.calls import Calls
from shortstack.importance.objectives import Objective, candidate_objective, next_token
from shortstack.importance.probe import ModelProbe
from shortstack.importance.sweep import Swept, sweep
from shortstack.models.decoder import Decoder
from shortstack.registry import Registry

__all__ = ["Objective", "candidate_objective", "measure_importance", "next_token"]


def measure_importance(
    model: PreTrainedModel,
    batches: Iterable[Mapping[str, Tensor]],
    scorers: Sequence[str] | Mapping[str, object] = ("fisher",),
    *,
    objective: Objective | None = None,
    registry: Registry | None = None,
) -> dict[str, Importance]:
    """Score every layer of a stock decoder by every scorer; higher means keep.

    One pass over the batches feeds all scorers that are folds over signals; scorers that probe the model run after it,
    and scorers made from other scorers last. The model is left exactly as it was.

    Args:
        model: A stock causal language model.
        batches: ``{"input_ids", "attention_mask", "labels"}``, int64 ``(batch, tokens)`` each, labels aligned with the
            inputs and −100 where unsupervised. Read once, and kept only if a scorer needs more than one pass.
        scorers: Names; or names to settings, where a value may also be a scorer itself.
        objective: Each example's log-probability; next-token over the whole vocabulary by default.
        registry: Where names are looked up; every installed plugin by default.

    Raises:
        UnknownNameError: No scorer goes by a name.
        ConfigurationError: A setting is wrong, or scorers need each other in a circle.
        EmptyDataError: There are no examples, or no labels for a scorer that needs them.
        UnsupportedModelError: A signal cannot be observed in this model.
        PluginError: A scorer failed, gave no scores, or changed the model; names it and its distribution.
        NonFiniteError: A score is NaN or infinite; names the scorer and the layer.
    """
    return measured(
        model, batches, scorers, objective=objective, registry=registry, accept=_require_sound, watched=True
    )


Accept = Callable[[str, Importance, int], None]
"""``(scorer, importance, layers)``: raises if the importance is of no use."""


def measured(
    model: PreTrainedModel,
    batches: Iterable[Mapping[str, Tensor]],
    scorers: Sequence[str] | Mapping[str, object],
    *,
    objective: Objective | None = None,
    registry: Registry | None = None,
    accept: Accept,
    watched: bool = False,
) -> dict[str, Importance]:
    """``measure_importance`` with other checks of what the scorers give and do: the conformance kit looks for itself."""
    asked = dict(scorers) if isinstance(scorers, Mapping) else dict.fromkeys(_listed(scorers))
    built, culprits = _build(asked, registry)
    work = _Work(
        model=model,
        objective=objective or next_token,
        layers=len(Decoder.of(model).layers),
        calls=Calls(culprits, model if watched else None),
        accept=accept,
    )
    checked: Iterable[Batch] = checked_batches(batches, Decoder.of(model).device)
    folds = {name: scorer for name, scorer in built.items() if isinstance(scorer, FoldScorer)}
    if len(folds) < len(built):
        checked = list(checked)
    with work.calls.all():
        scores = _fold(work, checked, folds)
        if isinstance(checked, list):
            probe = ModelProbe(model, checked, work.objective)
            scores |= _probe(work, probe, {n: s for n, s in built.items() if isinstance(s, ProbeScorer)})
            scores |= _derive(work, probe, {n: s for n, s in built.items() if isinstance(s, DerivedScorer)}, scores)
    return {name: scores[name] for name in asked}


@attrs.frozen(kw_only=True, eq=False)
class _Work:
    """What all scorers work on."""

    model: PreTrainedModel
    objective: Objective
    layers: int
    calls: Calls
    accept: Accept

    def accepted(self, name: str, ask: Callable[[], Importance]) -> Importance:
        """What a scorer answers, if it is of use."""

        def answer() -> Importance:
            importance = ask()
            _require_importance(name, importance)
            self.accept(name, importance, self.layers)
            return importance

        return self.calls.to(name, answer)


def _listed(scorers: Sequence[str]) -> Sequence[str]:
    if isinstance(scorers, str):
        raise ConfigurationError(f"scorers takes a list of names, got the text {scorers!r}; write ({scorers!r},)")
    return scorers


def _build(asked: Mapping[str, object], registry: Registry | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Every scorer asked for, and every scorer that those are made from; and who each of them is."""
    built, culprits = dict[str, Any](), dict[str, str]()
    waiting = dict(asked)
    while waiting:
        name, settings = next(iter(waiting.items()))
        del waiting[name]
        if isinstance(settings, FORMS["scorer"]):
            scorer, culprit = settings, f"importance scorer {name!r} ({written_in(settings)})"
        else:
            registry = registry or Registry.from_environment()
            scorer, culprit = registry.build("scorer", name, settings), str(registry.find("scorer", name))
        with blaming(culprit):
            _require_needs(name, scorer)
        built[name], culprits[name] = scorer, culprit
        if isinstance(scorer, DerivedScorer):
            waiting |= {n: None for n in scorer.needs_scores if n not in built and n not in waiting}
    return built, culprits


def _require_needs(name: str, scorer: object) -> None:
    if isinstance(scorer, FoldScorer) and not _is_all(scorer.needs, AbstractSet, Signal):
        raise PluginError(f"scorer {name!r} needs {scorer.needs!r:.80}, which is no set of shortstack.contracts.Signal")
    if isinstance(scorer, DerivedScorer) and not _is_all(scorer.needs_scores, tuple, str):
        raise PluginError(f"scorer {name!r} needs the scores {scorer.needs_scores!r:.80}, which is no tuple of names")


def _is_all(value: Any, container: type[Any], member: type) -> bool:
    return isinstance(value, container) and all(isinstance(item, member) for item in value)


def _fold(work: _Work, batches: Iterable[Batch], scorers: Mapping[str, FoldScorer[Any]]) -> dict[str, Importance]:
    if not scorers:
        return {}
    swept = sweep(work.model, batches, scorers, work.objective, work.calls)
    for name, scorer in scorers.items():
        _require_data(name, scorer, swept)
    return {name: work.accepted(name, partial(s.finish, swept.states[name])) for name, s in scorers.items()}


def _require_data(name: str, scorer: FoldScorer[Any], swept: Swept) -> None:
    if scorer.needs and not swept.examples:
        raise EmptyDataError(f"scorer {name!r} has no calibration examples; give at least one batch with a token")
    if scorer.needs & {Signal.GRADIENTS, Signal.PARAMETER_GRADIENTS} and not swept.supervised:
        raise EmptyDataError(
            f"scorer {name!r} needs labels, but none of the {swept.examples} calibration examples has one"
        )


def _probe(work: _Work, probe: Probe, scorers: Mapping[str, ProbeScorer]) -> dict[str, Importance]:
    return {name: work.accepted(name, partial(scorer.measure, probe)) for name, scorer in scorers.items()}


def _derive(
    work: _Work, probe: Probe, scorers: Mapping[str, DerivedScorer], found: Mapping[str, Importance]
) -> dict[str, Importance]:
    scores, waiting = dict(found), dict(scorers)
    while waiting:
        ready = [name for name, scorer in waiting.items() if set(scorer.needs_scores) <= set(scores)]
        if not ready:
            raise ConfigurationError(f"scorers {', '.join(sorted(waiting))} need each other in a circle")
        for name in ready:
            scores[name] = work.accepted(name, partial(waiting.pop(name).combine, _copied(scores), probe))
    return scores


def _copied(scores: Mapping[str, Importance]) -> dict[str, Importance]:
    """For a scorer to fuse as it likes: what it does in place must not change what others said."""
    return {name: attrs.evolve(found, scores=found.scores.clone()) for name, found in scores.items()}


def _require_importance(name: str, importance: object) -> None:
    if not isinstance(importance, Importance) or not isinstance(importance.scores, Tensor):
        raise PluginError(
            f"scorer {name!r} gave {importance!r:.80}; it must give an Importance whose scores are a tensor"
        )


def _require_sound(name: str, importance: Importance, layers: int) -> None:
    """It must be one finite float64 a layer."""
    scores = importance.scores
    if scores.dtype != torch.float64 or tuple(scores.shape) != (layers,):
        raise PluginError(
            f"scorer {name!r} gave scores of type {scores.dtype} and shape {tuple(scores.shape)}; "
            f"it must give float64 of shape ({layers},)"
        )
    bad = (~scores.isfinite()).nonzero()
    if len(bad):
        layer = int(bad[0])
        raise NonFiniteError(f"scorer {name!r} gave {scores[layer].item()} for layer {layer}")
