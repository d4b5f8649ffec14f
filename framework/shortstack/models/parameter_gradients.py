"""Per-example squared gradients of all parameters of one layer, collected while the backward pass runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers.pytorch_utils import Conv1D

from shortstack.models.elementwise import may_be_elementwise, normalised, scale_of, unit_weight
from shortstack.models.ghost_norms import squared_matrix_gradient, squared_vector_gradient, wide
from shortstack.models.layer_calls import beside, entering, leaving, with_entering

_FLATTENING = frozenset({"OPTDecoderLayer"})
"""Layers that flatten ``(batch, tokens)`` into rows, in order; elsewhere rows may be regathered across examples."""


@attrs.define(eq=False)
class _Call:
    """One call of a module: its input, output and, later, the gradient at the output, all ``(batch, …, width)``.

    The output is kept for channel scales only.
    """

    inputs: "_Kept"
    output: "_Kept | None"
    gradient: Tensor | None = None


@attrs.frozen(eq=False)
class _Kept:
    """Tensor retained for the backward pass, which other code may modify in place before then."""

    values: Tensor
    version: int

    @classmethod
    def of(cls, values: Tensor) -> "_Kept":
        """Record a tensor, detached from its graph."""
        return cls(values.detach(), values._version)  # noqa: SLF001 -- the only way to notice a change in place

    @property
    def intact(self) -> bool:
        """True if the tensor was not modified in place since it was recorded."""
        return self.values._version == self.version  # noqa: SLF001 -- as above

    @property
    def source(self) -> tuple[object, ...]:
        """Key that is equal for tensors over the same unmodified memory, as long as one of them is alive."""
        return (self.values.data_ptr(), self.version, self.values.shape, self.values.stride())


class GradientTape:
    """Records the calls of one layer's modules, and reduces their gradients to squared norms (``squared``).

    Linear maps and channel scales are reduced when their gradient arrives. Everything else (bare parameters, experts,
    modules that were not called, rows regathered across examples) is ``left_over`` for ``squared_by_example``.
    """

    def __init__(self, layer: nn.Module) -> None:
        """Divide the layer's modules, whose weights are plain, into those with a fast rule and those without."""
        self.layer, self.paused = layer, False
        owners = [module for module in layer.modules() if next(module.parameters(recurse=False), None) is not None]
        owned = [p for module in owners for p in module.parameters(recurse=False)]
        # the gradient of a parameter of several modules is a sum, of which each module's rule sees a part
        shared = {id(p) for p in owned if sum(p is other for other in owned) > 1}
        self._linears = {m for m in owners if _is_linear(m)}
        self._biased = {m for m in owners if _has_bias(m)}
        self._units: dict[nn.Module, float] = {}
        self._scales: dict[nn.Module, Tensor | None] = {}
        self._known = [m for m in owners if _has_rule(m) and not shared & {id(p) for p in m.parameters()}]
        self._unknown = [m for m in owners if m not in set(self._known)]
        self.begin(0, 0)

    def hook(self) -> list[RemovableHandle]:
        """Register the forward hooks, and return their handles."""
        # prepended, so that it runs before other hooks change the output
        return [module.register_forward_hook(self._called, prepend=True, with_kwargs=True) for module in self._known]

    def begin(self, batch: int, tokens: int) -> None:
        """Reset the tape for a batch of ``batch`` examples of ``tokens`` tokens."""
        self._shape = (batch, tokens)
        self._calls: dict[nn.Module, list[_Call]] = {}
        self._readers: dict[tuple[object, ...], list[nn.Module]] = {}
        self._irregular: set[nn.Module] = set()
        self._total: Tensor | None = None

    @property
    def pending(self) -> bool:
        """True if a gradient is outstanding, or a parameter is left over."""
        return bool(self._calls) or bool(self.left_over)

    @property
    def left_over(self) -> list[nn.Parameter]:
        """Parameters that no fast rule covered in this batch, without duplicates."""
        modules = [*self._unknown, *self._irregular]
        return list({id(p): p for m in modules for p in m.parameters(recurse=False)}.values())

    @property
    def names_left_over(self) -> list[str]:
        """Names of the left-over parameters within the layer."""
        left = {id(p) for p in self.left_over}
        return [name for name, p in self.layer.named_parameters() if id(p) in left]

    def leave(self) -> None:
        """End the layer's forward pass: a module that was not called may have had its weights used directly."""
        called = set(self._calls) | self._irregular
        self._irregular |= {module for module in self._known if module not in called}
        for module in self._irregular:
            self._calls.pop(module, None)

    def squared(self) -> Tensor:
        """Return the squared norms by the fast rules, float64 ``(batch,)``; gradients that never arrived count as 0."""
        for module in list(self._calls):
            self._reduce([module])
        total = self._total
        return torch.zeros(self._shape[0], dtype=torch.float64) if total is None else total

    def _called(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if self.paused or module in self._unknown:
            return
        inputs = self._by_example(args[0]) if len(args) == 1 and not kwargs else None
        if inputs is None or self._by_example(output) is None:
            self._irregular.add(module)
            return
        linear = module in self._linears
        call = _Call(_Kept.of(inputs), None if linear else _Kept.of(output))
        if linear:
            self._readers.setdefault(call.inputs.source, []).append(module)
        calls = self._calls.setdefault(module, [])
        calls.append(call)
        if not output.requires_grad:
            output.requires_grad_()  # with a constant input and frozen weights, no gradient would arrive
        output.register_hook(self._arrived(module, len(calls) - 1))

    def _arrived(self, module: nn.Module, place: int) -> Callable[[Tensor], None]:
        # the graph lives as long as the batch, so its hooks must not hold references to the call's tensors
        def arrived(gradient: Tensor) -> None:
            if module in self._calls:
                self._calls[module][place].gradient = self._by_example(gradient.detach())
                together = self._together(module)
                if all(c.gradient is not None for m in together for c in self._calls[m]):
                    self._reduce(together)

        return arrived

    def _together(self, module: nn.Module) -> list[nn.Module]:
        """Return the linear maps called once, on the same input as this one: queries, keys and values, for example."""
        calls = self._calls[module]
        readers = self._readers.get(calls[0].inputs.source, []) if len(calls) == 1 else []
        return [m for m in readers if len(self._calls.get(m, ())) == 1] or [module]

    def _by_example(self, states: Tensor) -> Tensor | None:
        """Return states as ``(batch, …, width)``; None if it is not certain which rows belong to which example."""
        batch, tokens = self._shape
        if states.dim() >= 3 and len(states) == batch:
            return states
        if states.dim() == 2 and len(states) == batch * tokens and type(self.layer).__name__ in _FLATTENING:
            return states.reshape(batch, tokens, states.shape[-1])
        return None

    def _reduce(self, modules: Sequence[nn.Module]) -> None:
        """Add the squared gradients of one module, or of several linear maps of one input, to the total."""
        calls = {m: [call for call in self._calls.pop(m) if call.gradient is not None] for m in modules}
        calls = {module: recorded for module, recorded in calls.items() if recorded}
        if not calls:
            return
        if not all(call.inputs.intact for recorded in calls.values() for call in recorded):
            self._irregular.update(calls)
            return
        module = next(iter(calls))
        squared = self._linear(calls) if module in self._linears else self._elementwise(module, calls[module])
        if squared is None:
            self._known.remove(module)
            self._unknown.append(module)
        else:
            self._total = squared if self._total is None else self._total + squared

    def _linear(self, calls: Mapping[nn.Module, Sequence[_Call]]) -> Tensor:
        """Return the squares for linear maps; tokens of several calls are concatenated, since gradients add up."""
        gradients = [_in_a_row([_gradient(call) for call in recorded]) for recorded in calls.values()]
        inputs = _in_a_row([call.inputs.values for call in next(iter(calls.values()))])
        squared = squared_matrix_gradient(inputs, *gradients)
        for module, gradient in zip(calls, gradients, strict=True):
            squared = squared + squared_vector_gradient(gradient) if module in self._biased else squared
        return squared

    def _elementwise(self, module: nn.Module, calls: Sequence[_Call]) -> Tensor | None:
        gradients = [wide(_gradient(call)) for call in calls]
        self.paused = True
        try:
            if module not in self._units:
                unit = unit_weight(module, calls[0].inputs.values)
                if unit is None:
                    return None
                self._units[module], self._scales[module] = unit, scale_of(module, unit)
            scale = self._scales[module]
            outputs = [call.output.values for call in calls if call.output is not None and call.output.intact]
            if scale is not None and len(outputs) == len(calls):
                return squared_vector_gradient(_products(outputs, gradients), scale)
            scaled = [normalised(module, call.inputs.values, self._units[module]) for call in calls]
        finally:
            self.paused = False
        squared = squared_vector_gradient(_products(scaled, gradients))
        return squared + squared_vector_gradient(_in_a_row(gradients)) if module in self._biased else squared


def squared_by_example(
    layer: nn.Module,
    call: tuple[tuple[Any, ...], dict[str, Any]],
    parameters: Sequence[nn.Parameter],
    gradients: Mapping[int, Tensor],
    supervised: Tensor,
) -> Tensor:
    """Return the squared norms by the slow and general path: run the layer again, and differentiate for each example.

    Args:
        layer: The layer.
        call: The positional and keyword arguments of its call.
        parameters: Parameters to differentiate with respect to.
        gradients: Gradients of the objective at the layer's output: ``(batch, tokens, hidden)`` at 0, and ``(batch,
            …)`` at the position of any other value that later layers use.
        supervised: Bool ``(batch,)``: the other examples have no gradient.

    Returns:
        float64 ``(batch,)``.
    """
    args, kwargs = with_entering(*call, entering(*call).detach())
    total = torch.zeros(len(supervised), dtype=torch.float64, device=supervised.device)
    for parameter in parameters:
        parameter.requires_grad_()
    try:
        with torch.enable_grad():
            output = layer(*args, **kwargs)
        parts = {0: leaving(output)} | beside(output)
        ends = [place for place, part in parts.items() if place in gradients and part.requires_grad]
        for example in supervised.nonzero()[:, 0].tolist() if ends else ():  # or else no parameter takes part
            example_gradients = torch.autograd.grad(
                [parts[place][example] for place in ends],
                parameters,
                [gradients[place][example] for place in ends],
                retain_graph=True,
                allow_unused=True,
            )
            total[example] = sum(wide(g).square().sum().double() for g in example_gradients if g is not None)
    finally:
        for parameter in parameters:
            parameter.requires_grad = False
    return total


def _in_a_row(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate ``(batch, …, width)`` tensors into one ``(batch, tokens, width)``."""
    return torch.cat([part.flatten(1, -2) for part in parts], 1) if len(parts) > 1 else parts[0].flatten(1, -2)


def _products(states: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    return _in_a_row([x * g for x, g in zip(states, gradients, strict=True)])


def _gradient(call: _Call) -> Tensor:
    if call.gradient is None:
        raise AssertionError("a call is reduced only once its gradient is there")
    return call.gradient


def _has_rule(module: nn.Module) -> bool:
    return "forward" not in vars(module) and (_is_linear(module) or may_be_elementwise(module))


def _is_linear(module: nn.Module) -> bool:
    """Return True if a module is a linear map with a plain weight, by the class that defines its forward pass."""
    plain = (isinstance(module, nn.Linear) and type(module).forward is nn.Linear.forward) or type(module) is Conv1D
    return plain and set(dict(module.named_parameters())) <= {"weight", "bias"} and "weight" in module._parameters  # noqa: SLF001 -- parametrised weights are elsewhere


def _has_bias(module: nn.Module) -> bool:
    return "bias" in dict(module.named_parameters(recurse=False))
