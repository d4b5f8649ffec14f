"""Costs of the layers of a run's student, by the measure that its budget limits."""

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
    context: Context, round_: Round, source: "PreTrainedModel", batch: "Mapping[str, Tensor]"
) -> "dict[str, Cost]":
    """Return the layer costs of the student that the run's architecture makes of a model, relative to the run's teacher.

    An architecture may make layers narrower. For a budget of milliseconds, latency is measured on the model itself.
    """
    from transformers import AutoConfig

    from shortstack.pipeline.stage_model import StageModel
    from shortstack.planning.costs import costs_of
    from shortstack.planning.latency import measured_latency

    settings = round_.settings(context.run.selection)
    if selector_for(settings).budget.measure == "latency_ms":
        measured = measured_latency(source, batch, settings.latency_batch_size)
        if round_.before is None:
            return {"latency_ms": measured}
        teacher = StageModel.load(context, TEACHER).model
        # shares of a budget are relative to the run's teacher, not to the last student
        whole = measured_latency(teacher, batch, settings.latency_batch_size).teacher
        return {"latency_ms": attrs.evolve(measured, whole=whole)}
    layers = source.config.get_text_config().num_hidden_layers
    architecture = context.registry.build("student", context.run.student.architecture, context.run.student.settings)
    # a student of all layers has the widths of the real one, and gives the cost of every layer
    everything = architecture.shrink(source.config, Selection(kept=range(layers), of=layers))
    first = costs_of(AutoConfig.from_pretrained(context.root / TEACHER), dtype=source.dtype)
    return costs_of(everything, dtype=source.dtype, teacher=first)


def timed(
    selection: Selection, model: "PreTrainedModel", batch: "Mapping[str, Tensor]", batch_size: int, planned: "Cost"
) -> Selection:
    """Return the selection with its measured latency in its reason, beside the sum of the layers' latencies."""
    from shortstack.models.decoder import Decoder
    from shortstack.models.partial_passes import skipping
    from shortstack.planning.latency import measured_latency

    pruned = skipping(Decoder.of(model), set(range(selection.of)) - {*selection.kept}).model
    measured = measured_latency(pruned, batch, batch_size).teacher
    latency = f"{measured:.3g} ms a user in batches of {batch_size} were measured, {planned.of(selection.kept):.3g} were expected"
    return attrs.evolve(selection, reason=f"{selection.reason}; {latency}")
