"""Shared-weight copies ("doubles") of a model: modules of their own over the same weights.

Several threads may read one model only if none changes what the others see: a hook, a patched ``forward``, a mode or a
setting of the config reaches every thread that calls the module. So a reader changes copies of the modules concerned,
which take a few microseconds each; weights are never copied.
"""

import copy
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar, cast

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from shortstack.models.hook_rebinding import Rebinding

ModuleT = TypeVar("ModuleT", bound=nn.Module)
_REGISTRIES: Final = tuple(name for name, value in vars(nn.Module()).items() if isinstance(value, dict | set))
"""Attributes in which a module keeps its children, tensors and hooks."""
_CORE: Final = frozenset(vars(nn.Module())) - {*_REGISTRIES}
_HOOKS: Final = tuple(name for name in _REGISTRIES if name.endswith("_hooks"))
_COMPILED: Final = "_orig_mod"
"""Name of the only child of a module made by ``torch.compile``: the original module."""
_DIVIDED: Final = "_is_fsdp_managed_module"
"""Attribute by which torch marks modules whose parameters are divided among processes (FSDP2)."""
_REWRITTEN: Final = frozenset({"dynamic", "longrope"})
"""Kinds of rotary positions whose frequencies are recomputed in place for longer texts."""


class Copies:
    """The modules of a shared-weight copy, looked up by the original modules."""

    def __init__(self, known: Mapping[int, Any]) -> None:
        """Store the replacements, keyed by the identity of the original."""
        self._known = known

    def __getitem__(self, module: ModuleT) -> ModuleT:
        return cast("ModuleT", self._known[id(module)])


def copied_modules(model: PreTrainedModel, parts: Collection[nn.Module]) -> Copies:
    """Return a shared-weight copy in which some modules and their parents are copies; all others are the model's own.

    Forward hooks and patched ``forward`` methods are kept, and references in them to copied modules become references
    to the copies; not so through a global variable, so hooks had better know modules by name. A compiled module, if it
    or a module in it is copied, runs uncompiled.

    Args:
        model: Not modified.
        parts: Modules of the model to copy.
    """
    return Copies(_Doubling({id(part) for part in (*parts, model)}).of(model))


def shared_copy(model: PreTrainedModel, *, frozen: bool = False) -> PreTrainedModel:
    """Return a shared-weight copy in which every module and every config is a copy.

    Args:
        model: Not modified.
        frozen: Replace the parameters, too, by ones over the same memory that require no gradient; those that are divided
            among processes are kept.
    """
    doubling = _Doubling(None)
    if frozen:
        doubling.known.update((id(p), _frozen(p)) for p in model.parameters())
    copied: PreTrainedModel = doubling.of(model)[id(model)]
    return copied


def _frozen(parameter: nn.Parameter) -> nn.Parameter:
    """Return a parameter over the same memory without a gradient; integers of a quantised model never have one."""
    plain = parameter.is_floating_point()
    return nn.Parameter(parameter.detach(), requires_grad=False) if plain else parameter


class _Doubling:
    """Builder of one shared-weight copy."""

    def __init__(self, wanted: set[int] | None) -> None:
        """Set the modules to copy, by identity; None for all of them, and the configs too."""
        self._wanted, self.known = wanted, dict[int, Any]()
        self._copies: list[nn.Module] = []
        self._rebound = Rebinding(self.known)

    def of(self, model: nn.Module) -> dict[int, Any]:
        """Return the replacement of each module of a model, keyed by identity."""
        self._module(model)
        if self._wanted is None:
            for copied in self._copies:
                configs = {name: value for name, value in vars(copied).items() if isinstance(value, PreTrainedConfig)}
                vars(copied).update({name: self._config(config) for name, config in configs.items()})
        for copied in self._copies:
            self._rebind(vars(copied))
        return self.known

    def _module(self, module: nn.Module) -> nn.Module:
        """Return the copy of a module, or itself; optimised, since it visits the whole model before each pass."""
        copied: nn.Module | None = self.known.get(id(module))
        if copied is not None:
            return copied
        attributes, changed = vars(module), dict[str, nn.Module]()
        if _COMPILED in attributes["_modules"]:
            self.known[id(module)] = copied = self._uncompiled(module, attributes["_modules"][_COMPILED])
            return copied
        for name, child in attributes["_modules"].items():
            if child is not None and (new := self._module(child)) is not child:
                changed[name] = new
        copied = module
        if changed or self._wanted is None or id(module) in self._wanted or _writes_itself(attributes):
            copied = _shallow(module, {**attributes["_modules"], **changed})
            self._copies.append(copied)
        self.known[id(module)] = copied
        return copied

    def _uncompiled(self, module: nn.Module, before: nn.Module) -> nn.Module:
        """Return a compiled module; or, if a module in it is copied, the original's copy with the hooks of both."""
        if self._wanted is not None and id(module) in self._wanted:
            self._wanted.add(id(before))
        copied = self._module(before)
        if copied is before:
            return module
        for name in _HOOKS:
            vars(copied)[name].update(vars(module)[name])
        return copied

    def _rebind(self, own: dict[str, Any]) -> None:
        """Redirect the attributes and hooks of a copied module to copied modules."""
        for name, value in own.items():
            if name not in _CORE and name not in _REGISTRIES:
                own[name] = self._rebound(value)
        for name in _HOOKS:
            for key, hook in own[name].items():
                own[name][key] = self._rebound(hook)
        if self._wanted is None and not own.get(_DIVIDED):
            for name, parameter in own["_parameters"].items():
                own["_parameters"][name] = self.known.get(id(parameter), parameter)

    def _config(self, config: PreTrainedConfig) -> PreTrainedConfig:
        """Return a copy of a config and of the configs within it."""
        if id(config) in self.known:
            known_copy: PreTrainedConfig = self.known[id(config)]
            return known_copy
        copied = object.__new__(type(config))
        self.known[id(config)] = copied
        for name, value in vars(config).items():
            vars(copied)[name] = self._config(value) if isinstance(value, PreTrainedConfig) else value
        return copied


def _shallow(module: nn.Module, children: dict[str, nn.Module | None]) -> nn.Module:
    """Return a new module of the same class with the same tensors and hooks, and these children."""
    copied = object.__new__(type(module))
    attributes = vars(copied)
    attributes.update(vars(module))
    for name in _REGISTRIES:
        attributes[name] = attributes[name].copy() if attributes[name] else type(attributes[name])()
    if attributes.get(_DIVIDED):  # hooks put gathered and divided parameters into the original's table by turns
        attributes["_parameters"] = vars(module)["_parameters"]
    attributes["_modules"] = children
    attributes["_compiled_call_impl"] = None  # it would run the model's own modules
    if "rope_type" in attributes and _writes_itself(attributes):  # in place, which would reach the model's own buffers
        attributes["_buffers"] = {
            name: None if buffer is None else buffer.clone() for name, buffer in attributes["_buffers"].items()
        }
    if attributes.get("layers_are_rescaled") is False:
        # the weights are the model's, so they must not be rescaled; the function is the same
        attributes["config"] = copy.copy(attributes["config"])
        attributes["config"].rescale_every = 0
    return copied


def is_divided(module: nn.Module) -> bool:
    """Return True if a module's own parameters are divided among processes (FSDP2)."""
    return _DIVIDED in vars(module)


def _writes_itself(own: Mapping[str, Any]) -> bool:
    """Return True if a module with these attributes modifies itself in its forward pass.

    Rotary positions recompute frequencies for longer texts, RecurrentGemma stores its last states, and RWKV halves its
    weights.

    >>> _writes_itself({"rope_type": "dynamic"}), _writes_itself({"rope_type": "default"})
    (True, False)
    """
    if "rope_type" in own:
        kinds = own["rope_type"]
        return not _REWRITTEN.isdisjoint(kinds.values() if isinstance(kinds, dict) else (kinds,))
    return "recurrent_states" in own or "layers_are_rescaled" in own
