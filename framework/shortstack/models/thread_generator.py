"""Thread-local random draws: threads that train at the same time neither see nor disturb them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


@contextmanager
def thread_generator(seed: int | None = None) -> Iterator[None]:
    """Draw from a generator of its own in this thread, on the CPU, inside the context; the global one is not changed.

    Restoring the global state afterwards would not do: a thread that trains meanwhile would repeat its draws.

    Args:
        seed: Seed of the generator; None to start from the current global state.
    """
    generator = torch.Generator()
    if seed is None:
        generator.set_state(torch.get_rng_state())
    else:
        generator.manual_seed(seed)
    with _Drawing(generator):
        yield


class _Drawing(TorchDispatchMode):
    """Passes a generator to each operation that takes one and was given none; torch keeps such modes per thread."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch is untyped here
        self._generator = generator

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None and _on_cpu(args, kwargs):
            drawing = _with_generator(func)
            if drawing is not None:
                return drawing(*args, **{**kwargs, "generator": self._generator})
        return func(*args, **kwargs)


def _on_cpu(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return True if an operation draws on the CPU, by its tensor arguments or, without any, by ``device``."""
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else kwargs.get("device")
    return device is None or torch.device(device).type == "cpu"


def _with_generator(operation: Any) -> Any | None:
    """Return the operation's overload that takes a generator; None if there is none, as for dropout."""
    name, packet = operation._overloadname, operation._overloadpacket  # noqa: SLF001 -- torch's names
    names = (
        name,
        *("generator" if name == "default" else "", f"{name}_generator", f"generator_{name}"),
        name.replace("low", "low_generator"),
    )
    overloads = (getattr(packet, name) for name in names if name in packet.overloads())
    return next((op for op in overloads if any(a.name == "generator" for a in op._schema.arguments)), None)  # noqa: SLF001 -- as above
