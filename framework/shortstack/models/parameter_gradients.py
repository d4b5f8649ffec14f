"""Per-example squared gradients of all parameters of one layer, collected while the backward pass runs."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers.pytorch_utils import Conv1D

from shortstack.errors import UnsupportedModelError
from shortstack.models.elementwise import may_be_elementwise, normalised, unit_weight
from shortstack.models.ghost_norms import squared_matrix_gradient, squared_vector_gradient, wide
from shortstack.models.layer_calls import entering, leaving, with_entering

_FLATTENING = frozenset({"OPTDecoderLayer"})
"""Layers that flatten ``(batch, tokens)`` into rows, in order; elsewhere rows may be regathered across examples."""


@attrs.define(eq=False)
class _Call:
    """One call of a module: its input and, later, the gradient at its output, both ``(batch, …, width)``."""

    inputs: Tensor
    version: int
    gradient: Tensor | None = None


class GradientTape:
    """Follows the modules of one layer through batches; the results are read with ``squared``.

    Linear maps and channel scales are reduced when their gradient arrives. Everything else (bare parameters, experts,
    modules that were not called, rows regathered across examples) is ``left_over`` for ``squared_by_example``.
    """

    def __init__(self, layer: nn.Module, name: str) -> None:
        """Sort the layer's modules into those with a fast rule and those without.

        Raises:
            UnsupportedModelError: A parameter is not of a floating type.
        """
        self.layer, self.paused = layer, False
        owners = _owners(layer, name)
        owned = [p for module in owners for p in module.parameters(recurse=False)]
        shared = {id(p) for p in owned if sum(p is other for other in owned) > 1}
        self._units: dict[nn.Module, float] = {}
        self._known = [m for m in owners if _has_rule(m) and not shared & {id(p) for p in m.parameters()}]
        self._unknown = [m for m in owners if m not in set(self._known)]
        self.begin(0, 0)

    def hook(self) -> list[RemovableHandle]:
        """Start to follow the modules."""
        return [module.register_forward_hook(self._called) for module in self._known]

    def begin(self, batch: int, tokens: int) -> None:
        """Forget the last batch."""
        self._shape = (batch, tokens)
        self._calls: dict[nn.Module, list[_Call]] = {}
        self._irregular: set[nn.Module] = set()
        self._total: Tensor | None = None

    @property
    def pending(self) -> bool:
        """Whether a gradient has yet to arrive, or something is left over."""
        return bool(self._calls) or bool(self.left_over)

    @property
    def left_over(self) -> list[nn.Parameter]:
        """The parameters that no fast rule covered in this batch, each once."""
        modules = [*self._unknown, *self._irregular]
        return list({id(p): p for m in modules for p in m.parameters(recurse=False)}.values())

    @property
    def names_left_over(self) -> list[str]:
        """Their names within the layer."""
        left = {id(p) for p in self.left_over}
        return [name for name, p in self.layer.named_parameters() if id(p) in left]

    def leave(self) -> None:
        """The layer's forward pass is over: a module that was not called may have had its weights used directly."""
        called = set(self._calls) | self._irregular
        self._irregular |= {module for module in self._known if module not in called}
        for module in self._irregular:
            self._calls.pop(module, None)

    def squared(self) -> Tensor:
        """float64 ``(batch,)``: what the fast rules found; gradients that never arrived are 0."""
        for module in list(self._calls):
            self._reduce(module)
        total = self._total
        return torch.zeros(self._shape[0], dtype=torch.float64) if total is None else total

    def _called(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self.paused or module in self._unknown:
            return
        inputs = self._by_example(args[0]) if args else None
        if inputs is None or self._by_example(output) is None:
            self._irregular.add(module)
            return
        call = _Call(inputs.detach(), inputs._version)  # noqa: SLF001 -- the only way to notice a change in place
        self._calls.setdefault(module, []).append(call)
        if not output.requires_grad:
            output.requires_grad_()  # a module of constants: its parameters have gradients nonetheless
        output.register_hook(self._arrived(module, call))

    def _arrived(self, module: nn.Module, call: _Call) -> Callable[[Tensor], None]:
        def arrived(gradient: Tensor) -> None:
            if module in self._calls:
                call.gradient = self._by_example(gradient.detach())
                if all(c.gradient is not None for c in self._calls[module]):
                    self._reduce(module)

        return arrived

    def _by_example(self, states: Tensor) -> Tensor | None:
        """The same numbers as ``(batch, …, width)``, if it is certain which rows are whose."""
        batch, tokens = self._shape
        if states.dim() >= 3 and len(states) == batch:
            return states
        if states.dim() == 2 and len(states) == batch * tokens and type(self.layer).__name__ in _FLATTENING:
            return states.reshape(batch, tokens, states.shape[-1])
        return None

    def _reduce(self, module: nn.Module) -> None:
        calls = [call for call in self._calls.pop(module) if call.gradient is not None]
        if not calls:
            return
        if any(call.inputs._version != call.version for call in calls):  # noqa: SLF001 -- as above
            self._irregular.add(module)
            return
        found = self._linear(module, calls) if _is_linear(module) else self._elementwise(module, calls)
        if found is None:
            self._known.remove(module)
            self._unknown.append(module)
        else:
            self._total = found if self._total is None else self._total + found

    def _linear(self, module: nn.Module, calls: Sequence[_Call]) -> Tensor:
        """A module called twice has one gradient, the sum: its tokens are taken together."""
        inputs = _in_a_row([call.inputs for call in calls])
        gradients = _in_a_row([_gradient(call) for call in calls])
        found = squared_matrix_gradient(inputs, gradients)
        return found + squared_vector_gradient(gradients) if _has_bias(module) else found

    def _elementwise(self, module: nn.Module, calls: Sequence[_Call]) -> Tensor | None:
        self.paused = True
        try:
            if module not in self._units:
                unit = unit_weight(module, calls[0].inputs)
                if unit is None:
                    return None
                self._units[module] = unit
            scaled = [normalised(module, call.inputs, self._units[module]) for call in calls]
        finally:
            self.paused = False
        gradients = [wide(_gradient(call)) for call in calls]
        found = squared_vector_gradient(_in_a_row([x * g for x, g in zip(scaled, gradients, strict=True)]))
        return found + squared_vector_gradient(_in_a_row(gradients)) if _has_bias(module) else found


def squared_by_example(
    layer: nn.Module,
    call: tuple[tuple[Any, ...], dict[str, Any]],
    parameters: Sequence[nn.Parameter],
    gradient: Tensor,
    supervised: Tensor,
) -> Tensor:
    """The slow and general path: the layer is run again, and differentiated once for each example.

    Args:
        layer: The layer.
        call: The arguments it was called with.
        parameters: Which to differentiate by.
        gradient: ``(batch, tokens, hidden)``: of the objective at the layer's output.
        supervised: Bool ``(batch,)``: the other examples have no gradient.

    Returns:
        float64 ``(batch,)``.
    """
    args, kwargs = with_entering(*call, entering(*call).detach())
    total = torch.zeros(len(gradient), dtype=torch.float64, device=gradient.device)
    for parameter in parameters:
        parameter.requires_grad_()
    try:
        with torch.enable_grad():
            output = leaving(layer(*args, **kwargs))
        for example in supervised.nonzero()[:, 0].tolist():
            found = torch.autograd.grad(
                output[example], parameters, gradient[example], retain_graph=True, allow_unused=True
            )
            total[example] = sum(wide(g).square().sum().double() for g in found if g is not None)
    finally:
        for parameter in parameters:
            parameter.requires_grad = False
    return total


def _in_a_row(parts: Sequence[Tensor]) -> Tensor:
    """``(batch, …, width)`` tensors as one ``(batch, tokens, width)``."""
    return torch.cat([part.flatten(1, -2) for part in parts], 1) if len(parts) > 1 else parts[0].flatten(1, -2)


def _gradient(call: _Call) -> Tensor:
    if call.gradient is None:
        raise AssertionError("a call is reduced only once its gradient is there")
    return call.gradient


def _owners(layer: nn.Module, name: str) -> list[nn.Module]:
    """The modules of a layer that have parameters of their own."""
    for parameter_name, parameter in layer.named_parameters():
        if not parameter.is_floating_point():
            raise UnsupportedModelError(
                f"parameter {name}.{parameter_name} is of type {parameter.dtype} and has no gradient; "
                "load the model without quantisation"
            )
    return [module for module in layer.modules() if next(module.parameters(recurse=False), None) is not None]


def _has_rule(module: nn.Module) -> bool:
    return "forward" not in vars(module) and (_is_linear(module) or may_be_elementwise(module))


def _is_linear(module: nn.Module) -> bool:
    """Whether the class, or the one it inherits its forward pass from, is a plain linear map with a plain weight."""
    plain = (isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward) or type(module) is Conv1D
    return plain and set(dict(module.named_parameters())) <= {"weight", "bias"} and "weight" in module._parameters  # noqa: SLF001 -- parametrised weights are elsewhere


def _has_bias(module: nn.Module) -> bool:
    return "bias" in dict(module.named_parameters(recurse=False))
