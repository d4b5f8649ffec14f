"""A model's layers compiled by ``torch.compile``: the same arithmetic in fewer and larger kernels.

What is compiled is the forward pass of a class of layers, not a model: each pass of a training sets it in the copies of
the layers that it runs, so neither the model nor its weights, names and files know of it. Hooks of a layer run outside,
and layers of one class share the code. What lies outside the layers (embeddings, output head, losses) stays as it is.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from traceback import walk_tb
from types import FunctionType
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from shortstack.errors import ConfigurationError
from shortstack.models.decoder import Decoder

_OPTIONS: Final[dict[str, Any]] = {
    "fallback_random": True  # dropout draws what it draws without compilation
}


NO_NORMS: Final = (
    "gradient norms of single losses take a backward pass each, and compiled code frees what it reads in the first; choose another "
    "balancing than 'gradnorm' and leave out log_gradient_norms, or leave out compile"
)
"""Why gradient norms are refused: torch's cache of compiled code may even hold code that frees memory and says nothing."""

SEVERAL: Final = (
    "compile = true is for one process: it was not seen to work with several; start one, or leave out compile"
)
"""Why several processes are refused."""


class CompiledLayers:
    """The compiled forward passes of a model's layers, one for each class of them.

    They are compiled at the first pass, for sizes of any number; a batch of one row, or without padding, is another
    case. ``torch`` compiles at most eight cases, and runs others uncompiled.
    """

    def __init__(self) -> None:
        """Compile nothing yet."""
        self._compiled = dict[type[nn.Module], Callable[..., Any]]()

    def set_in(self, layer: nn.Module) -> None:
        """Let a copy of a layer run the compiled forward pass of its class."""
        kind = type(layer)
        if kind not in self._compiled:
            self._compiled[kind] = compiled(kind.forward)
        run: Callable[..., Any] = partial(self._compiled[kind], layer)
        own: Any = layer
        if isinstance(layer, GradientCheckpointingLayer) and layer.gradient_checkpointing and layer.training:
            # around the compiled code: within it, dropout would draw anew when it runs again on the way back
            run, own.gradient_checkpointing = _checkpointed(run, own._gradient_checkpointing_func), False  # noqa: SLF001
        own.forward = run


def _checkpointed(run: Callable[..., Any], checkpoint: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **keywords: checkpoint(partial(run, **keywords), *args)


def compiled(function: Any) -> Callable[..., Any]:
    """Return a compiled function with a cache of its own: that of ``torch`` is one for each code object, and bounded."""
    own = FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    own.__kwdefaults__ = function.__kwdefaults__
    result: Callable[..., Any] = torch.compile(own, dynamic=True, options=_OPTIONS)
    return result


def check_compilable(
    models: Mapping[str, PreTrainedModel | None], device: torch.device, *, processes: int, gradient_norms: bool
) -> None:
    """Raise if the layers of some models cannot be compiled for a training.

    Args:
        models: Student and teacher, by their part.
        device: The device.
        processes: Number of processes that train together.
        gradient_norms: Gradient norms of single losses are measured.

    Raises:
        ConfigurationError: ``torch.compile`` does not work there; there are several processes; the gradient norms need
            several backward passes; or a layer has a forward pass of its own, which the compiled one would replace.
    """
    if processes > 1:
        raise ConfigurationError(SEVERAL)
    if gradient_norms:
        raise ConfigurationError(NO_NORMS)
    for part, model in models.items():
        for index, layer in enumerate(Decoder.of(model).layers if model is not None else ()):
            if "forward" in vars(layer):
                raise ConfigurationError(
                    f"layer {index} of the {part} has a patched forward(), as accelerate's offloading makes it, and torch.compile would "
                    "leave the patch out; load the model whole, without patches, or leave out compile"
                )
    require_compiler(device.type)


@cache
def require_compiler(device: str) -> None:
    """Raise if ``torch.compile`` does not work on a device: a few operations are compiled, forwards and backwards.

    Args:
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        ConfigurationError: It does not, for example for want of a C++ compiler, or of triton on CUDA.
    """
    values = torch.ones(16, device=device, requires_grad=True)
    try:
        compiled(_tried)(values).backward()
    except RuntimeError as error:
        raise ConfigurationError(
            f"compile = true, but torch.compile does not work on this machine ({_reason(error)}); install a C++ compiler such as g++ "
            "for the CPU, triton for CUDA, or leave out compile"
        ) from error


def _tried(values: Tensor) -> Tensor:
    return (values.sin() * values.exp()).sum()


@contextmanager
def compiled_step() -> Iterator[None]:
    """Run a training step of compiled layers inside the context.

    Raises:
        ConfigurationError: A layer cannot be compiled.
    """
    try:
        with _without_the_tracers_warning():
            yield
    except Exception as error:
        if not _is_of_the_compiler(error):
            raise
        raise ConfigurationError(
            f"torch.compile cannot compile a layer of these models ({_reason(error)}); leave out compile"
        ) from error


@contextmanager
def _without_the_tracers_warning() -> Iterator[None]:
    """Ignore inside the context the warning that ``torch`` provokes, where warnings are errors.

    Its tracer reads ``.grad`` of every input, and a layer's input is no leaf (``torch._dynamo.variables.builder``). It
    keeps the warning from being shown, which does not help where a filter makes an error of it: no layer would compile.
    Filters are left alone elsewhere, for any change of them shows again what was shown once.
    """
    if not any(action == "error" for action, *_ in warnings.filters):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf", UserWarning)
        yield


def _is_of_the_compiler(error: Exception) -> bool:
    """Return True for an error that was raised while code was compiled, not while it ran."""
    from torch._dynamo.exc import TorchDynamoException

    places = [frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)]
    return isinstance(error, TorchDynamoException) or "torch._dynamo.convert_frame" in places


def _reason(error: Exception) -> str:
    from torch._dynamo.exc import BackendCompilerFailed

    inner = error.inner_exception if isinstance(error, BackendCompilerFailed) else error
    return f"{type(inner).__name__}: {' '.join(str(inner).split())[:160]}"
