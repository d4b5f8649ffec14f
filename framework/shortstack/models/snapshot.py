"""Snapshots of a model, to detect and undo changes by third-party code that must not modify it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import attrs
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.errors import PluginError
from shortstack.models.shared_weights import is_divided

_HOOKS: Final = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_WORDS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32}
_NONE: Final[dict[int, Any]] = {}
_SHOWN: Final = 3
"""Largest number of changes listed in a message."""


class _ChangedError(PluginError):
    """A component modified the model."""


@attrs.frozen(kw_only=True, eq=False)
class ModelSnapshot:
    """Fingerprint of a model at one moment.

    Weights are kept as checksums of their rows: taking a fingerprint costs about as much as reading the weights, and
    hardly any memory. A quick snapshot uses torch's version counters instead, which costs almost nothing and misses
    writes through ``.data``. Buffers that are not saved are left out, for some models change them as they run.

    Attributes:
        model: The model.
        mark: Fingerprint of a tensor: a checksum, or its version counter.
        certain: Checksums that confirm a change seen by version counters before it is reported; None for a full
            snapshot.
        facts: State that cannot be restored, by the name for messages.
        settings: State that can be restored.
    """

    model: PreTrainedModel
    mark: Callable[[Tensor], object]
    facts: Mapping[str, object]
    settings: Sequence["_Flags | _Gradient"]
    certain: Mapping[str, object] | None = None

    @classmethod
    def of(cls, model: PreTrainedModel) -> "ModelSnapshot":
        """Take a snapshot of a model as it is now."""
        return cls(model=model, mark=_checksum, facts=dict(_facts(model, _checksum)), settings=tuple(_settings(model)))

    def at_a_glance(self) -> "ModelSnapshot":
        """Return a quick snapshot of the same moment, by version counters, without reading the weights again."""
        return attrs.evolve(self, mark=_writes, facts=dict(_facts(self.model, _writes)), certain=self.facts)

    def complaint(self, component: object) -> str:
        """Restore what can be restored, and return a message that names the changes; empty if there are none.

        Weights that were changed and changed back count as unchanged.

        Args:
            component: Component that is named as the cause.
        """
        lasting = _different(self.facts, dict(_facts(self.model, self.mark)))
        # version counters also move if weights are changed and restored, as an ablation does: only checksums decide
        if lasting and self.certain is not None:
            lasting = _different(self.certain, dict(_facts(self.model, _checksum)))
        changed = [*lasting, *(name for setting in self.settings for name in setting.put_back())]
        if not changed:
            return ""
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        advice = "load the model again, for this cannot be undone" if lasting else "this was undone"
        return f"{component} changed the model, which it must leave as it was: {', '.join(changed[:_SHOWN])}{more}; {advice}"


@contextmanager
def assert_unmodified(before: ModelSnapshot, component: object) -> Iterator[None]:
    """Raise if the model differs after the context from a snapshot.

    Args:
        before: Snapshot of the model.
        component: Component whose code runs inside, for messages.

    Raises:
        PluginError: The model was modified; names the changes and a remedy. Another error is kept, with this as a note.
    """
    try:
        yield
    except _ChangedError:
        before.complaint(component)  # the error inside names a change already; restore the rest
        raise
    except BaseException as error:
        with suppress(RuntimeError):  # a device that has failed answers no more
            if complaint := before.complaint(component):
                error.add_note(complaint)
        raise
    if complaint := before.complaint(component):
        raise _ChangedError(complaint)


def _facts(model: PreTrainedModel, mark: Callable[[Tensor], object]) -> Iterator[tuple[str, object]]:
    # of a layer that is divided among processes, what is gathered is thrown away after each pass, with any change of it
    divided = {id(parameter) for module in model.modules() if is_divided(module) for parameter in module.parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) in divided:
            continue
        yield f"the weights {name}", mark(parameter)
        if parameter.grad is not None:
            yield f"the gradient of {name}", mark(parameter.grad)
    for path, module in model.named_modules():
        yield f"the module {path}", id(module)
        buffers = vars(module)["_buffers"]
        for name in buffers and buffers.keys() - vars(module)["_non_persistent_buffers_set"]:
            if buffers[name] is not None:
                yield f"the buffer {path}.{name}", mark(buffers[name])
    yield "the config", model.config.to_dict()


def _writes(tensor: Tensor) -> tuple[int, int]:
    """Return a tensor's address and its version counter."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version  # noqa: SLF001 -- torch's name


def _checksum(tensor: Tensor) -> Tensor | int:
    """Return int64 sums of each row's bits, which other values hardly ever share."""
    if type(tensor) not in {Tensor, nn.Parameter}:
        return id(tensor)  # quantised or sharded: its bytes are its own affair
    plain = tensor.detach().contiguous()
    plain = plain if plain.ndim else plain.reshape(1)
    aligned = (plain.shape[-1] | int(plain.storage_offset())) * plain.element_size() % 8 == 0
    return plain.view(torch.int64 if aligned else _WORDS[plain.element_size()]).sum(-1, dtype=torch.int64)


def _different(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    return [name for name in {**before, **now} if not _same(before.get(name), now.get(name))]


def _same(before: object, now: object) -> bool:
    if isinstance(before, Tensor) and isinstance(now, Tensor):
        return before.shape == now.shape and torch.equal(before, now)
    return before == now


def _settings(model: PreTrainedModel) -> Iterator["_Flags | _Gradient"]:
    for name, module in model.named_modules():
        yield _Flags.of(name or "the model", module)
    for name, parameter in model.named_parameters():
        yield _Gradient(name=name, parameter=parameter, wanted=parameter.requires_grad, value=parameter.grad)


@attrs.frozen(kw_only=True, eq=False)
class _Flags:
    """Mode, hooks and ``forward`` of a module."""

    name: str
    module: nn.Module
    training: bool
    hooks: tuple[dict[int, Any], ...]
    forward: Any

    @classmethod
    def of(cls, name: str, module: nn.Module) -> "_Flags":
        attributes = vars(module)
        hooks = tuple(dict(attributes[kind]) if attributes[kind] else _NONE for kind in _HOOKS)
        return cls(name=name, module=module, training=module.training, hooks=hooks, forward=attributes.get("forward"))

    def put_back(self) -> Iterator[str]:
        """Undo what was changed, and name it."""
        attributes = vars(self.module)
        if self.module.training != self.training:
            self.module.training = self.training
            yield f"the mode of {self.name}"
        for kind, hooks in zip(_HOOKS, self.hooks, strict=True):
            if attributes[kind].keys() != hooks.keys():
                attributes[kind].clear()
                attributes[kind].update(hooks)
                yield f"the hooks of {self.name}"
        if attributes.get("forward") is not self.forward:
            attributes["forward"] = self.forward
            if self.forward is None:
                del attributes["forward"]
            yield f"the method forward of {self.name}"


@attrs.frozen(kw_only=True, eq=False)
class _Gradient:
    """A parameter's ``requires_grad`` and gradient."""

    name: str
    parameter: nn.Parameter
    wanted: bool
    value: Tensor | None

    def put_back(self) -> Iterator[str]:
        """Undo what was changed, and name it."""
        if self.parameter.requires_grad != self.wanted:
            self.parameter.requires_grad = self.wanted
            yield f"requires_grad of {self.name}"
        if self.parameter.grad is not self.value:
            self.parameter.grad = self.value
            yield f"the gradient of {self.name}"
