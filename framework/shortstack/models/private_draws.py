"""Random draws of one thread's own: others that train at the same time neither see nor disturb them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


@contextmanager
def private_draws(seed: int | None = None) -> Iterator[None]:
    """Inside, this thread's draws on the CPU come from a generator of its own; the global one stays as it is.

    To put the global state back afterwards is no way beside a thread that trains: what it drew meanwhile it would draw again.

    Args:
        seed: Where the draws start; None for where the global state is.
    """
    generator = torch.Generator()
    if seed is None:
        generator.set_state(torch.get_rng_state())
    else:
        generator.manual_seed(seed)
    with _Drawing(generator):
        yield


class _Drawing(TorchDispatchMode):
    """Gives a generator to each operation that takes one and was given none; torch keeps such modes for each thread."""

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
    """Whether numbers are drawn there: in a tensor that is given, or in a new one."""
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else kwargs.get("device")
    return device is None or torch.device(device).type == "cpu"


def _with_generator(operation: Any) -> Any | None:
    """The operation itself, or its overload, that takes a generator; None if there is none, as of dropout."""
    own, packet = operation._overloadname, operation._overloadpacket  # noqa: SLF001 -- torch's names
    names = (
        own,
        *("generator" if own == "default" else "", f"{own}_generator", f"generator_{own}"),
        own.replace("low", "low_generator"),
    )
    found = (getattr(packet, name) for name in names if name in packet.overloads())
    return next((one for one in found if any(a.name == "generator" for a in one._schema.arguments)), None)  # noqa: SLF001 -- as above
