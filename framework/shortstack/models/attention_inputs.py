"""Queries, keys and values of a model's layers, read in the attention call, which is the same for every family."""

import copy
import sys
from collections.abc import Callable
from typing import Any, Final

import attrs
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedConfig, PreTrainedModel

from shortstack.contracts import AttentionInputs
from shortstack.errors import UnsupportedModelError
from shortstack.models.attention import eager_attention, has_interface

READING: Final = "shortstack-reading"
"""Name under which the attention that reads its inputs is registered."""
_RECORD: Final = "_shortstack_record"
"""Attribute of a copied module that holds where its attention's inputs go, and how it goes on from there."""


@attrs.define(kw_only=True, eq=False)
class AttentionRecord:
    """The inputs of the attention calls of one forward pass, by layer; only a layer's first call counts.

    Attributes:
        inputs: Layer index → queries, keys and values.
        layer: The layer that is running.
    """

    inputs: dict[int, AttentionInputs] = attrs.field(factory=dict)
    layer: int = 0

    def entering(self, layer: int) -> Callable[..., None]:
        """Return a forward pre-hook of a layer: modules that several layers share do not know which one is running."""

        def hook(*_: object) -> None:
            self.layer = layer

        return hook

    def keep(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        """Keep the inputs of a layer's first call: a checkpointed layer runs again on the way back."""
        self.inputs.setdefault(self.layer, AttentionInputs(queries=query, keys=key, values=value))


def require_interface(model: PreTrainedModel) -> None:
    """Raise if a model's attention cannot be read.

    Raises:
        UnsupportedModelError: The family has no attention, or does not call it through transformers' interface.
    """
    if not has_interface(model):
        raise UnsupportedModelError(
            f"{type(model).__name__} ({model.config.model_type}) has no attention that goes through transformers' "
            "AttentionInterface, so its queries, keys and values cannot be read; use a loss that needs none, such as "
            "'hidden-states'"
        )


def configured(layer: nn.Module) -> list[nn.Module]:
    """Return the modules in a layer that hold a config; its attention is one, for there it looks up how to attend."""
    return [module for module in layer.modules() if isinstance(vars(module).get("config"), PreTrainedConfig)]


def read_into(module: nn.Module, record: AttentionRecord) -> None:
    """Make the attention of a copied module, if it is one, tell the record its inputs; what it computes is the same.

    The module gets a config of its own, so nothing that other threads see is changed. Masks are made outside the layers,
    for the attention that the model uses.
    """
    # not removed afterwards: checkpointed layers run again on the way back, and the function knows no model
    AttentionInterface.register(READING, _attend)
    own = vars(module)
    before = own["config"]
    own["config"] = copy.copy(before)
    own["config"]._attn_implementation_internal = READING  # noqa: SLF001 -- the public setter checks hub kernels
    own[_RECORD] = _Reading(record=record, implementation=before._attn_implementation)  # noqa: SLF001 -- no public name


@attrs.frozen(kw_only=True, eq=False)
class _Reading:
    record: AttentionRecord
    implementation: str | None


@torch.compiler.disable  # type: ignore[untyped-decorator]  # in a compiled layer it runs as it is, between two compiled parts
def _attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Keep the inputs, and attend as the family does under the model's own implementation."""
    reading: _Reading = vars(module)[_RECORD]
    reading.record.keep(query, key, value)
    functions: AttentionInterface = vars(sys.modules[type(module).__module__])["ALL_ATTENTION_FUNCTIONS"]
    attend = functions.get_interface(reading.implementation, eager_attention(module))
    return attend(module, query, key, value, *args, **kwargs)
