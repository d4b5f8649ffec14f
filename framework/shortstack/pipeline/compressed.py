"""Models of a run whose weights are compressed after training, beside which its students are evaluated."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from shortstack.pipeline.calibration import calibration_batches
from shortstack.pipeline.stage import Context
from shortstack.run_layout import TEACHER

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from shortstack.config.run_tables import CompressedSettings
    from shortstack.pipeline.stage_model import StageModel


@attrs.frozen
class EvaluatedModel:
    """A model that the evaluation loads: as a folder of the run holds it, or compressed.

    Attributes:
        folder: Name of the folder.
        method: Name of the compression method; empty for the model itself.
    """

    folder: str
    method: str = ""

    def load(self, context: Context) -> "StageModel":
        """Load it, and compress it with the run's calibration examples."""
        from shortstack.compression.compressing import compress
        from shortstack.compression.names import method_named
        from shortstack.pipeline.stage_model import StageModel

        if self.folder == TEACHER and not self.method:
            return StageModel.run_together(context, self.folder)
        # whole, as it is served
        loaded = StageModel.on_device(context, self.folder)
        if self.method:
            compress(loaded.model, method_named(self.method), calibration_batches(context))
        return loaded

    def sizes(self, model: "PreTrainedModel", folder: Path) -> dict[str, int]:
        """Return what the compressed model takes; see ``compression.sizes``."""
        from shortstack.compression.names import method_named
        from shortstack.compression.sizes import sizes_of

        return sizes_of(model, method_named(self.method), folder)


def compressed_models(settings: "CompressedSettings") -> dict[str, EvaluatedModel]:
    """Return the compressed models of a run by their names in the result, such as ``"teacher int8"``."""
    return {name: EvaluatedModel(folder, method) for name, (folder, method) in settings.models.items()}


def rehearse_compression(context: Context, models: "Mapping[str, PreTrainedModel]") -> None:
    """Check, before the teacher is trained, that the models can be compressed.

    Args:
        context: The run.
        models: An untrained teacher and a student of it, by the names of the run's folders.

    Raises:
        UnsupportedModelError: One cannot; the message names the weights.
    """
    from shortstack.compression.compressing import require_compressible
    from shortstack.compression.names import method_named

    for folder, method in context.run.evaluation.compressed.models.values():
        require_compressible(models[folder], method_named(method))
