"""A model's double: modules of its own over the same weights, so that what is done to the double is not done to the model.

Reading a model from several threads is right only if no reader changes what the others see: a hook, a patched ``forward``,
a mode or a setting of the config reaches every thread that calls the module. So whatever a reader must change it changes
in copies of the modules concerned, which take a few microseconds each; weights are never copied.
"""

import copy
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar, cast

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from shortstack.models.rebinding import Rebinding

ModuleT = TypeVar("ModuleT", bound=nn.Module)
_REGISTRIES: Final = tuple(name for name, value in vars(nn.Module()).items() if isinstance(value, dict | set))
"""Where a module keeps its children, tensors and hooks."""
_CORE: Final = frozenset(vars(nn.Module())) - {*_REGISTRIES}
_HOOKS: Final = tuple(name for name in _REGISTRIES if name.endswith("_hooks"))
_COMPILED: Final = "_orig_mod"
"""The only child of a module that ``torch.compile`` made: what it was before."""
_REWRITTEN: Final = frozenset({"dynamic", "longrope"})
"""Rotary positions whose frequencies are written anew for longer texts."""


class Copies:
    """The modules of a double, by those that they were copied from."""

    def __init__(self, known: Mapping[int, Any]) -> None:
        """Keep them by identity."""
        self._known = known

    def __getitem__(self, module: ModuleT) -> ModuleT:
        return cast("ModuleT", self._known[id(module)])


def copied_modules(model: PreTrainedModel, parts: Collection[nn.Module]) -> Copies:
    """A double in which some modules, and all that hold them, are copies; all others are the model's own.

    Forward hooks and patched ``forward`` methods of others come along, and those that refer to copied modules refer to the
    copies; not so through a global variable, so hooks had better know modules by name. A compiled module, if it or what is in
    it is copied, runs as it was before.

    Args:
        model: Left as it is.
        parts: Modules of it.
    """
    return Copies(_Doubling({id(part) for part in (*parts, model)}).of(model))


def shared_copy(model: PreTrainedModel, *, frozen: bool = False) -> PreTrainedModel:
    """A double in which every module and every config is a copy.

    Args:
        model: Left as it is.
        frozen: Whether parameters are others too, over the same memory, that ask for no gradient.
    """
    doubling = _Doubling(None)
    if frozen:
        doubling.known.update((id(p), _frozen(p)) for p in model.parameters())
    copied: PreTrainedModel = doubling.of(model)[id(model)]
    return copied


def _frozen(parameter: nn.Parameter) -> nn.Parameter:
    """The same memory; integers of a quantised model have no gradient anyway."""
    plain = parameter.is_floating_point()
    return nn.Parameter(parameter.detach(), requires_grad=False) if plain else parameter


class _Doubling:
    """The making of one double."""

    def __init__(self, wanted: set[int] | None) -> None:
        """Name the modules that are wanted by their identity; None for all, and the configs too."""
        self._wanted, self.known = wanted, dict[int, Any]()
        self._copies: list[nn.Module] = []
        self._rebound = Rebinding(self.known)

    def of(self, model: nn.Module) -> dict[int, Any]:
        """What stands for what, by identity."""
        self._module(model)
        if self._wanted is None:
            for copied in self._copies:
                configs = {name: one for name, one in vars(copied).items() if isinstance(one, PreTrainedConfig)}
                vars(copied).update({name: self._config(config) for name, config in configs.items()})
        for copied in self._copies:
            self._rebind(vars(copied))
        return self.known

    def _module(self, module: nn.Module) -> nn.Module:
        """The copy of a module, or itself; written for speed, since it visits a whole model before each pass."""
        found: nn.Module | None = self.known.get(id(module))
        if found is not None:
            return found
        own, changed = vars(module), dict[str, nn.Module]()
        if _COMPILED in own["_modules"]:
            self.known[id(module)] = found = self._uncompiled(module, own["_modules"][_COMPILED])
            return found
        for name, child in own["_modules"].items():
            if child is not None and (new := self._module(child)) is not child:
                changed[name] = new
        found = module
        if changed or self._wanted is None or id(module) in self._wanted or _writes_itself(own):
            found = _shallow(module, {**own["_modules"], **changed})
            self._copies.append(found)
        self.known[id(module)] = found
        return found

    def _uncompiled(self, module: nn.Module, before: nn.Module) -> nn.Module:
        """A compiled module itself, or, if something in it is copied, the copy of what it was, with the hooks of both."""
        if self._wanted is not None and id(module) in self._wanted:
            self._wanted.add(id(before))
        copied = self._module(before)
        if copied is before:
            return module
        for name in _HOOKS:
            vars(copied)[name].update(vars(module)[name])
        return copied

    def _rebind(self, own: dict[str, Any]) -> None:
        """Let what hangs on a copy speak of copies."""
        for name, value in own.items():
            if name not in _CORE and name not in _REGISTRIES:
                own[name] = self._rebound(value)
        for name in _HOOKS:
            for key, hook in own[name].items():
                own[name][key] = self._rebound(hook)
        if self._wanted is None:
            for name, parameter in own["_parameters"].items():
                own["_parameters"][name] = self.known.get(id(parameter), parameter)

    def _config(self, config: PreTrainedConfig) -> PreTrainedConfig:
        """A copy, and copies of the configs within it."""
        if id(config) in self.known:
            found: PreTrainedConfig = self.known[id(config)]
            return found
        copied = object.__new__(type(config))
        self.known[id(config)] = copied
        for name, value in vars(config).items():
            vars(copied)[name] = self._config(value) if isinstance(value, PreTrainedConfig) else value
        return copied


def _shallow(module: nn.Module, children: dict[str, nn.Module | None]) -> nn.Module:
    """Another module of the same class, with the same tensors and hooks, and these children."""
    copied = object.__new__(type(module))
    own = vars(copied)
    own.update(vars(module))
    for name in _REGISTRIES:
        own[name] = own[name].copy() if own[name] else type(own[name])()
    own["_modules"] = children
    own["_compiled_call_impl"] = None  # it would run the model's own modules
    if "rope_type" in own and _writes_itself(own):  # in place
        own["_buffers"] = {name: None if one is None else one.clone() for name, one in own["_buffers"].items()}
    if own.get("layers_are_rescaled") is False:
        own["config"] = copy.copy(own["config"])
        own["config"].rescale_every = 0  # weights, which are the model's, stay as they are; the function is the same
    return copied


def _writes_itself(own: Mapping[str, Any]) -> bool:
    """Whether the family changes a module with these attributes as it runs.

    Frequencies of rotary positions for longer texts; the last states of RecurrentGemma; RWKV, which halves its weights.
    """
    if "rope_type" in own:
        kinds = own["rope_type"]
        return not _REWRITTEN.isdisjoint(kinds.values() if isinstance(kinds, dict) else (kinds,))
    return "recurrent_states" in own or "layers_are_rescaled" in own
