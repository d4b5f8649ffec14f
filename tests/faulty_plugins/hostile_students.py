"""Student architectures with a fault, each in one method."""

import attrs
import torch

from shortstack.contracts import StudentDescriptor
from shortstack.hooks import hookimpl
from shortstack.models import Decoder
from shortstack_students.layer_subset import LayerSubset


@attrs.frozen
class Where:
    """Setting that selects the method with the fault."""

    at: str = "transfer"


@attrs.frozen
class Hostile:
    """``layer-subset`` with a fault in one method."""

    at: str
    subset = LayerSubset()

    def shrink(self, config, selection):
        """Return the student's config, or the fault."""
        if self.at == "shrink":
            raise KeyError("num_layers")
        return None if self.at == "no-config" else self.subset.shrink(config, selection)

    def count_parameters(self, config):
        """Count the parameters, or raise."""
        if self.at == "count":
            raise ZeroDivisionError("no layers")
        return self.subset.count_parameters(config) + (self.at == "miscount")

    def transfer(self, teacher, student, selection, calibration):
        """Copy the weights, with the selected fault."""
        if self.at == "teacher":
            Decoder.of(teacher).layers[0].mlp.up_proj.weight.data.mul_(2)
        copies = self.subset.transfer(teacher, student, selection, calibration)
        ours = Decoder.of(student).layers[0].mlp.up_proj.weight
        if self.at == "transfer":
            raise RuntimeError("size mismatch")
        if self.at == "shares":
            ours.data = Decoder.of(teacher).layers[selection.kept[0]].mlp.up_proj.weight.data
        if self.at == "forgets":
            ours.data.fill_(torch.nan)
            return {name: source for name, source in copies.items() if "layers.0.mlp.up_proj" not in name}
        return None if self.at == "no-map" else copies


@hookimpl
def shortstack_students():
    """Yield the architecture."""
    yield StudentDescriptor(name="hostile", summary="Hostile.", build=lambda config: Hostile(config.at), config=Where)
