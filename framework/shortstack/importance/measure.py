"""Importance of each layer, by every requested scorer on one model and one set of examples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from shortstack.contracts import Importance
from shortstack.errors import UnsupportedModelError
from shortstack.importance.calibration import Batch, checked_batches
from shortstack.importance.guarded_calls import GuardedCalls
from shortstack.importance.objectives import candidate_objective, next_token
from shortstack.importance.probe import ModelProbe
from shortstack.importance.scorers import Accept, Scorers, require_sound
from shortstack.importance.shared_sweep import shared_sweep
from shortstack.importance.sweep import sweep
from shortstack.models.checks import depends_on_left_padding, require_causal
from shortstack.models.decoder import Decoder, require_head, require_present
from shortstack.models.objectives import Objective
from shortstack.processes import ALONE, World
from shortstack.registry import Registry
from shortstack.registry.expert_rows import unaligned_experts_named

__all__ = ["Objective", "candidate_objective", "measure_importance", "next_token"]


def measure_importance(
    model: PreTrainedModel,
    batches: Iterable[Mapping[str, Tensor]],
    scorers: Sequence[object] | Mapping[str, object] = ("fisher",),
    *,
    objective: Objective | None = None,
    registry: Registry | None = None,
    world: World = ALONE,
) -> dict[str, Importance]:
    """Score every layer of a stock decoder by every scorer; higher means keep.

    One pass over the batches feeds all scorers that are folds over signals; scorers that probe the model run after it,
    and scorers made from other scorers last. The model is left exactly as it was.

    Args:
        model: A stock causal language model.
        batches: ``{"input_ids", "attention_mask", "labels"}``, int64 ``(batch, tokens)`` each, labels aligned with the
            inputs and −100 where unsupervised. Padded on the right; on the left only if the model's output does not
            depend on it, which is tested. Read once, and kept only if a scorer needs more than one pass.
        scorers: Names, scorer objects, or what ``@scorer`` makes; or a mapping of names to settings or to these.
        objective: Each example's log-probability; next-token over the whole vocabulary by default.
        registry: Registry of the names; every installed plugin by default.
        world: The processes that share the batches, each of which gives all of them and gets all scores.

    Raises:
        UnknownNameError: No scorer has a given name.
        ConfigurationError: A setting is invalid, or scorers depend on each other in a cycle.
        EmptyDataError: There are no examples, or no labels for a scorer that needs them.
        DataError: A batch lacks a tensor, or holds another one, such as the ``position_ids`` of packed rows.
        UnsupportedModelError: A signal cannot be observed in this model, it has no output head, its weights are not in
            memory, it is not causal, or its output depends on the left padding of an example.
        PluginError: A scorer failed, returned no scores, or modified the model; names it and its distribution.
        NonFiniteError: A score is NaN or infinite; names the scorer and the layer.
        OutOfMemoryError: A batch is too large; suggests a smaller one.
    """
    with (
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):  # the caller may be in inference mode, under no_grad or autocast, which would change or prevent gradients
        return measured(
            model,
            batches,
            scorers,
            objective=objective,
            registry=registry,
            accept=require_sound,
            watched=True,
            world=world,
        )


@unaligned_experts_named()
def measured(
    model: PreTrainedModel,
    batches: Iterable[Mapping[str, Tensor]],
    scorers: Sequence[object] | Mapping[str, object],
    *,
    objective: Objective | None = None,
    registry: Registry | None = None,
    accept: Accept,
    watched: bool = False,
    world: World = ALONE,
) -> dict[str, Importance]:
    """Run ``measure_importance`` with other checks of the scorers; the conformance kit passes its own."""
    requested, decoder = Scorers.of(scorers, registry), Decoder.of(model)
    require_head(model)
    require_present(model)
    if watched:
        require_causal(model)
    calls = GuardedCalls(requested.components, model if watched else None)
    vocabulary = model.config.get_text_config().vocab_size
    checked: Iterable[Batch] = checked_batches(batches, decoder.device, vocabulary)
    if watched and depends_on_left_padding(model):
        checked = _not_padded_left(checked, model)
    objective = objective or next_token
    if world.size > 1 or len(requested.folds) < len(requested.built):
        checked = list(checked)  # scorers that probe the model read the batches again
    with calls.all():
        if world.size > 1:
            swept = shared_sweep(model, list(checked), requested, objective, calls=calls, world=world)
        else:
            swept = sweep(model, checked, requested.folds, objective, calls=calls)
        probe = ModelProbe(model, checked if isinstance(checked, list) else (), objective, world=world)
        return requested.answers(swept, probe, len(decoder.layers), calls, accept)


def _not_padded_left(batches: Iterable[Batch], model: PreTrainedModel) -> Iterator[Batch]:
    """Yield the batches, for a model whose output depends on left padding; raise if one is padded on the left."""
    for number, batch in enumerate(batches):
        if bool((batch.mask.any(-1) & ~batch.mask[:, 0]).any()):
            raise UnsupportedModelError(
                f"{type(model).__name__} ({model.config.model_type}) gives other logits where an example is padded on the left, as in "
                f"calibration batch {number}, though it is masked; pad on the right"
            )
        yield batch
