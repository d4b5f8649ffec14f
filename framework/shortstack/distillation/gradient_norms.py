"""The gradient norm of each loss by itself, with respect to parameters that all losses share."""

import math
from collections.abc import Callable, Mapping, Sequence

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.errors import ConfigurationError, NonFiniteError
from shortstack.models.decoder import Decoder


@attrs.define(kw_only=True, eq=False)
class GradientNorms:
    """Gradients of the losses' sums, added up over the micro-batches of one optimiser step.

    Attributes:
        parameters: The shared parameters.
        total: ``(losses, parameters' entries)``, in float32 or wider.
    """

    parameters: Sequence[nn.Parameter]
    total: Tensor

    @classmethod
    def of(cls, student: PreTrainedModel, losses: int) -> "GradientNorms":
        """Return the gradients before the first micro-batch.

        Args:
            student: The model that is trained.
            losses: Number of losses.

        Raises:
            ConfigurationError: No parameter of the student's first layer is trained.
        """
        parameters = shared_parameters(student)
        dtype = torch.promote_types(parameters[0].dtype, torch.float32)
        size = sum(parameter.numel() for parameter in parameters)
        return cls(parameters=parameters, total=torch.zeros(losses, size, dtype=dtype, device=parameters[0].device))

    def add(self, sums: Sequence[Tensor]) -> None:
        """Add the gradients of a micro-batch, one backward pass for each loss; the graph is kept.

        Args:
            sums: The losses' sums over the micro-batch; one without terms may be a constant.
        """
        for index, value in ((index, value) for index, value in enumerate(sums) if value.requires_grad):
            found = torch.autograd.grad(value, self.parameters, retain_graph=True, materialize_grads=True)
            self.total[index] += torch.cat([gradient.flatten() for gradient in found])

    def norms(
        self, names: Sequence[str], counts: Sequence[float], reduce: Callable[[Tensor], Tensor], *, step: int
    ) -> Mapping[str, float]:
        """Return the norm of the gradient of each loss's mean; losses without terms are left out.

        Args:
            names: Names of the losses.
            counts: Number of terms of each, over all micro-batches and ranks.
            reduce: Returns the sum of a tensor over all ranks.
            step: Number of the optimiser step.

        Raises:
            NonFiniteError: A norm is NaN or infinite.
        """
        lengths = torch.linalg.vector_norm(reduce(self.total), dim=1).tolist()
        norms = {name: length / count for name, length, count in zip(names, lengths, counts, strict=True) if count}
        for name, norm in norms.items():
            if not math.isfinite(norm):
                raise NonFiniteError(
                    f"the gradient norm of the loss {name!r} is {norm} at step {step}; lower the learning rate, or check the "
                    "teacher"
                )
        return norms


def shared_parameters(student: PreTrainedModel) -> tuple[nn.Parameter, ...]:
    """Return the trained parameters of the first layer: logits and all layers' states depend on it, so every loss does.

    Raises:
        ConfigurationError: None is trained.
    """
    parameters = tuple(p for p in Decoder.of(student).layers[0].parameters() if p.requires_grad)
    if not parameters:
        raise ConfigurationError(
            "gradient norms are those of the student's first layer, of which no parameter is trained; train one, leave out "
            "log_gradient_norms, or choose another balancing than 'gradnorm'"
        )
    return parameters
