"""What Liger replaces in a model, found on a copy over the same weights.

Liger patches models in place, and functions of transformers for the whole process. Here it patches a copy, once; what it
has set in transformers is set back at once, and what it has set in the copy is kept by module. Each pass of a training
then sets that in the copies of the modules that it runs, so neither the model nor its weights, names and files know of
it, and nothing is left in the process.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from types import FunctionType, MethodType
from typing import Any, Final

import attrs
from torch import nn
from transformers import PreTrainedModel

from shortstack.errors import UnsupportedModelError
from shortstack.models.shared_weights import Copies, shared_copy

_PATCHING: Final = Lock()
"""Held while Liger patches, which sets functions of transformers for an instant."""


@attrs.frozen(kw_only=True, eq=False)
class Replaced:
    """What Liger replaces in one module.

    Attributes:
        module: The module of the model.
        attributes: Numbers and names that its kernels read.
        methods: Functions that become methods of the module, ``forward`` among them.
        children: Modules in the place of children.
    """

    module: nn.Module
    attributes: Mapping[str, Any]
    methods: Mapping[str, Callable[..., Any]]
    children: Mapping[str, nn.Module]

    def set_in(self, copied: nn.Module) -> None:
        """Let a copy of the module run the kernels."""
        own = vars(copied)
        own.update(self.attributes)
        own.update({name: MethodType(method, copied) for name, method in self.methods.items()})
        own["_modules"].update(self.children)


@attrs.frozen(eq=False)
class LigerKernels:
    """What Liger replaces in one model.

    Attributes:
        replaced: One entry for each module that is replaced.
    """

    replaced: Sequence[Replaced]

    @property
    def modules(self) -> list[nn.Module]:
        """The modules of the model of which a pass needs copies."""
        return [one.module for one in self.replaced]

    def set_in(self, copies: Copies) -> None:
        """Let the copies of the modules run the kernels."""
        for one in self.replaced:
            one.set_in(copies[one.module])


def replaced_by_liger(model: PreTrainedModel) -> LigerKernels:
    """Have Liger patch a copy of a model, and return what it has replaced in it.

    Args:
        model: Not modified.

    Raises:
        UnsupportedModelError: Liger's code for the family fails.
    """
    double = shared_copy(model)
    pairs = list(zip(model.modules(), double.modules(), strict=True))
    before = [(dict(vars(copied)), dict(vars(copied)["_modules"])) for _, copied in pairs]
    functions = _patch(double)
    found = [_difference(module, copied, *was, functions) for (module, copied), was in zip(pairs, before, strict=True)]
    return LigerKernels([one for one in found if one.methods or one.children])


def _patch(double: PreTrainedModel) -> dict[str, dict[str, FunctionType]]:
    """Let Liger patch a model, and return what it set among the functions of each module of transformers meanwhile."""
    from liger_kernel.transformers.monkey_patch import _apply_liger_kernel_to_instance

    with _restored_modules() as changed:
        try:
            # the losses are ours, so no cross entropy
            _apply_liger_kernel_to_instance(model=double, cross_entropy=False, fused_linear_cross_entropy=False)
        except Exception as error:  # its code for each family reads attributes that another version may not have
            raise UnsupportedModelError(
                f"Liger cannot patch {named(double)}: {line_of(error)}; leave out kernels"
            ) from error
        return {
            module: {name: value for name, value in values.items() if isinstance(value, FunctionType)}
            for module, values in changed().items()
        }


@contextmanager
def _restored_modules() -> Iterator[Callable[[], dict[str, dict[str, Any]]]]:
    """Set the modules of transformers and torch that Liger writes to back to what they hold; gives what was changed."""
    with _PATCHING:
        before = {name: dict(vars(module)) for name, module in tuple(sys.modules.items()) if _is_written(name)}

        def changed() -> dict[str, dict[str, Any]]:
            now = {name: vars(sys.modules[name]) for name in before}
            return {
                name: {key: now[name][key] for key, value in values.items() if now[name][key] is not value}
                for name, values in before.items()
            }

        try:
            yield changed
        finally:
            for name, values in changed().items():
                vars(sys.modules[name]).update({key: before[name][key] for key in values})


def _is_written(name: str) -> bool:
    return name.startswith("transformers.models.") or name in {"torch.nn", "torch.nn.functional"}


def _difference(
    module: nn.Module,
    copied: nn.Module,
    before: Mapping[str, Any],
    children: Mapping[str, nn.Module | None],
    functions: Mapping[str, Mapping[str, FunctionType]],
) -> Replaced:
    """Return what was set in the copy of a module, and its forward pass if that calls one of some functions."""
    added = {name: value for name, value in vars(copied).items() if name not in before or before[name] is not value}
    methods = {name: value.__func__ for name, value in added.items() if isinstance(value, MethodType)}
    calling = _calling(type(module).forward, functions.get(type(module).__module__, {}))
    return Replaced(
        module=module,
        attributes={name: value for name, value in added.items() if name not in methods},
        methods=({} if calling is None else {"forward": calling}) | methods,
        children={name: child for name, child in vars(copied)["_modules"].items() if children.get(name) is not child},
    )


def _calling(forward: Any, functions: Mapping[str, FunctionType]) -> FunctionType | None:
    """Return a function that calls others in the place of some of its module; None if it calls none of them."""
    if not isinstance(forward, FunctionType) or functions.keys().isdisjoint(forward.__code__.co_names):
        return None
    own = FunctionType(
        forward.__code__,
        {**forward.__globals__, **functions},
        forward.__name__,
        forward.__defaults__,
        forward.__closure__,
    )
    own.__kwdefaults__ = forward.__kwdefaults__
    return own


def named(model: PreTrainedModel) -> str:
    """Return a model's class and family, for messages."""
    return f"{type(model).__name__} ({model.config.model_type})"


def line_of(error: Exception) -> str:
    """Return an error as one line, for messages."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
