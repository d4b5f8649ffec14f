"""What the layers of a run's student would cost, by the measure that its budget limits."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from shortstack.contracts import Selection
from shortstack.pipeline.stage import Context
from shortstack.planning.schedule import Round
from shortstack.run_layout import TEACHER
from shortstack.selection.selector import selector_for

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from shortstack.config.budget import Cost


def costs_for(
    context: Context, step: Round, source: "PreTrainedModel", batch: "Mapping[str, Tensor]"
) -> "dict[str, Cost]":
    """What the layers of a student cost that the run's architecture would make of a model, beside the run's teacher.

    An architecture may make them narrower. Milliseconds are measured, on the model itself, where they are the budget.
    """
    from transformers import AutoConfig

    from shortstack.pipeline.stage_model import StageModel
    from shortstack.planning.costs import costs_of
    from shortstack.planning.latency import measured_latency

    settings = step.settings(context.run.selection)
    if selector_for(settings).budget.measure == "latency_ms":
        measured = measured_latency(source, batch, settings.latency_batch_size)
        if step.before is None:
            return {"latency_ms": measured}
        teacher = StageModel.load(context, TEACHER).model
        whole = measured_latency(teacher, batch, settings.latency_batch_size).teacher
        return {"latency_ms": attrs.evolve(measured, whole=whole)}
    layers = source.config.get_text_config().num_hidden_layers
    architecture = context.registry.build("student", context.run.student.architecture, context.run.student.settings)
    everything = architecture.shrink(source.config, Selection(kept=range(layers), of=layers))
    first = costs_of(AutoConfig.from_pretrained(context.root / TEACHER), dtype=source.dtype)
    return costs_of(everything, dtype=source.dtype, teacher=first)


def timed(
    found: Selection, model: "PreTrainedModel", batch: "Mapping[str, Tensor]", batch_size: int, planned: "Cost"
) -> Selection:
    """The selection with what it really takes, beside what the layers' times add up to."""
    from shortstack.models.decoder import Decoder
    from shortstack.models.partial_passes import skipping
    from shortstack.planning.latency import measured_latency

    pruned = skipping(Decoder.of(model), set(range(found.of)) - {*found.kept}).model
    measured = measured_latency(pruned, batch, batch_size).teacher
    told = (
        f"{measured:.3g} ms a user in batches of {batch_size} were measured, {planned.of(found.kept):.3g} were expected"
    )
    return attrs.evolve(found, reason=f"{found.reason}; {told}")
