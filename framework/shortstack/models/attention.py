"""Attention weights, observed in a forward pass: in the attention call, or in the return values of modules."""

import math
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask, sdpa_mask

from shortstack.errors import UnsupportedModelError
from shortstack.models.ghost_norms import wide


@attrs.frozen(kw_only=True)
class Terms:
    """Further terms of attention weights, besides queries, keys and mask.

    Attributes:
        scaling: Multiplies the products; None for ``1/√width``.
        softcap: ``c·tanh(z/c)`` is applied to the logits, before the mask.
        sinks: ``(heads,)`` extra logits that take part in the softmax and are then left out.
        position_bias: Added to the logits, broadcastable to them.
        causal: A missing mask means a causal one.
    """

    scaling: float | None = None
    softcap: float | None = None
    sinks: Tensor | None = None
    position_bias: Tensor | None = None
    causal: bool = True


@torch.no_grad()
def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, terms: Terms) -> tuple[Tensor, Tensor]:
    """Return attention weights in float32 or wider, and the keys visible to each query.

    Args:
        query: ``(batch, heads, queries, width)``.
        key: ``(batch, key heads, keys, width)``; each key head serves ``heads / key heads`` neighbouring heads.
        mask: Bool (True where visible) or additive, broadcastable to ``(batch, heads, queries, keys)``; or None.
        terms: Further terms of the weights.

    Returns:
        Weights ``(batch, heads, queries, keys)``, exactly 0 where invisible, and bool visibility, broadcastable.
    """
    wide = torch.promote_types(query.dtype, torch.float32)
    scale = 1 / math.sqrt(query.shape[-1]) if terms.scaling is None else terms.scaling
    grouped = query.to(wide).unflatten(1, (key.shape[1], -1))
    logits = (grouped * scale @ key.to(wide).unsqueeze(2).mT).flatten(1, 2)
    if terms.softcap is not None:
        logits = torch.tanh(logits / terms.softcap) * terms.softcap
    if terms.position_bias is not None:
        logits = logits + terms.position_bias
    visible = _visible(mask, logits, causal=terms.causal)
    if mask is not None and mask.dtype != torch.bool:
        logits = logits + mask.to(wide)
    invisible = ~visible
    logits.masked_fill_(invisible, torch.finfo(wide).min)  # not −∞, which gives NaN in a row that sees no key
    return _softmax(logits, terms.sinks).masked_fill_(invisible, 0), visible


def _softmax(logits: Tensor, sinks: Tensor | None) -> Tensor:
    if sinks is None:
        return logits.softmax(-1)
    extra = sinks.to(logits.dtype).view(1, -1, 1, 1).expand(*logits.shape[:-1], 1)
    return torch.cat([logits, extra], -1).softmax(-1)[..., :-1].contiguous()


def _visible(mask: Tensor | None, logits: Tensor, *, causal: bool) -> Tensor:
    if mask is None:
        every = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device)
        return (every.tril() if causal else every)[None, None]
    if mask.dtype == torch.bool:
        return mask
    narrow = torch.float32 if mask.dtype == torch.float64 else mask.dtype  # `_finite_eager_mask` stays within float32
    return mask > torch.finfo(narrow).min / 2


Listener = Callable[[Tensor, Tensor], None]
"""Called with weights ``(batch, heads, queries, keys)`` and bool visibility, broadcastable to them."""


@contextmanager
def observing_returned(model: nn.Module, listener: Listener) -> Iterator[None]:
    """Call ``listener`` with the weights of every module that returns ``(output, weights)``, inside the context.

    Weights that an outer module returns again are reported once. A key counts as visible to a query if any head gives
    it
    weight: softmax gives an exact 0 to masked keys.
    """
    hook = _Hearing(listener)
    with ExitStack() as stack:
        for module in model.modules():
            if any(module.children()):
                stack.callback(module.register_forward_hook(hook).remove)
        yield


class _Hearing:
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._last: weakref.ref[Tensor] | None = None

    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> None:
        weights = _weights(output)
        if weights is None or (self._last is not None and self._last() is weights):
            return
        self._last = weakref.ref(weights)  # weak, so that the weights are freed with the model's own reference
        seen = wide(weights.detach())
        self._listener(seen, (seen > 0).any(1, keepdim=True))


def _weights(output: Any) -> Tensor | None:
    """Return the tensor ``(batch, heads, tokens, tokens)`` after hidden states ``(batch, tokens, hidden)``, if any."""
    parts = output[:2] if isinstance(output, tuple) else ()
    if [part.dim() for part in parts if isinstance(part, Tensor)] != [3, 4]:
        return None
    states, weights = parts
    batch, tokens, _ = states.shape
    return weights if (len(weights), *weights.shape[2:]) == (batch, tokens, tokens) else None


_NUMBERS = count()
_WITHOUT_INFLUENCE = frozenset({"position_ids", "cache_position"})
_OWN = frozenset({"eager", "sdpa", None})
"""Implementations under which every family uses its plain attention modules."""


@contextmanager
def observing_attention(model: PreTrainedModel, listener: Listener) -> Iterator[None]:
    """Call ``listener`` with the weights of every attention call inside the context, in the order of the calls.

    The output still comes from the model's own eager function, or from ``sdpa`` if it uses anything else. A family
    without transformers' attention interface runs eagerly, and its modules return their weights.

    Raises:
        UnsupportedModelError: The family has no such interface and was loaded with another attention than its own, or its
            attention has a term unknown to ``attention_weights``.
    """
    implementation = model.config._attn_implementation  # noqa: SLF001 -- the setting has no other public name
    if has_interface(model):
        eager = implementation == "eager"
        with _implementation(model, _heard(listener, eager=eager), _finite_eager_mask if eager else sdpa_mask):
            yield
        return
    if implementation not in _OWN:
        raise UnsupportedModelError(
            f"the attention of {type(model).__name__} cannot be observed as {implementation!r}; load the model with "
            "attn_implementation='eager', or ask for other scorers"
        )
    with observing_returned(model, listener), _implementation(model, _never, _finite_eager_mask):
        yield


def has_interface(model: PreTrainedModel) -> bool:
    """Return True if the family's code uses transformers' attention interface; not all such families set the flag."""
    homes = {type(module).__module__ for module in model.modules()}
    return any("ALL_ATTENTION_FUNCTIONS" in vars(sys.modules[home]) for home in homes)


def _heard(listener: Listener, *, eager: bool) -> Callable[..., Any]:
    """Return an attention function that calls the listener with the weights of its arguments."""

    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **rest: Any
    ) -> Any:
        listener(*attention_weights(query, key, attention_mask, _terms(module, rest)))
        return (eager_attention(module) if eager else _SDPA)(module, query, key, value, attention_mask, **rest)

    return attend


def _never(module: nn.Module, *_args: Any, **_kwargs: Any) -> Any:
    raise UnsupportedModelError(f"the attention of {type(module).__name__} cannot be observed; ask for other scorers")


@contextmanager
def finite_masks(model: PreTrainedModel) -> Iterator[None]:
    """Keep eager masks finite when they are cast to float32, inside the context.

    The eager softmax of several families is float32 even in a float64 model: there a padded query's row becomes
    NaN, and through the next layer's keys every row does.
    """
    if model.dtype != torch.float64 or model.config._attn_implementation != "eager":  # noqa: SLF001 -- as above
        yield
        return

    def attend(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return eager_attention(module)(module, *args, **kwargs)

    with _implementation(model, attend, _finite_eager_mask):
        yield


@contextmanager
def _implementation(
    model: PreTrainedModel, attend: Callable[..., Any], make_mask: Callable[..., Any]
) -> Iterator[None]:
    """Register and use an attention and its mask inside the context; an unregistered name would change the masks."""
    name = f"shortstack-{next(_NUMBERS)}"
    configs = {id(m.config): m.config for m in model.modules() if isinstance(m, PreTrainedModel)}
    configs[id(model.config.get_text_config())] = model.config.get_text_config()
    before = [(config, config._attn_implementation_internal) for config in configs.values()]  # noqa: SLF001 -- as above
    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, make_mask)
    try:
        for config, _ in before:
            config._attn_implementation_internal = name  # noqa: SLF001 -- the public setter checks hub kernels
        yield
    finally:
        for config, implementation in before:
            config._attn_implementation_internal = implementation  # noqa: SLF001 -- as above
        del AttentionInterface._global_mapping[name], AttentionMaskInterface._global_mapping[name]  # noqa: SLF001 -- no public way


def _finite_eager_mask(*args: Any, **kwargs: Any) -> Tensor | None:
    mask: Tensor | None = eager_mask(*args, **kwargs)
    return None if mask is None else mask.clamp_min(max(torch.finfo(t).min for t in (mask.dtype, torch.float32)))


def _sdpa() -> Callable[..., Any]:
    function: Callable[..., Any] = AttentionInterface()["sdpa"]
    return function


_SDPA = _sdpa()


def eager_attention(module: nn.Module) -> Callable[..., Any]:
    """Return the eager function of a family: a public name of the module that defines its attention class."""
    function: Callable[..., Any] = vars(sys.modules[type(module).__module__])["eager_attention_forward"]
    return function


def _terms(module: nn.Module, rest: dict[str, Any]) -> Terms:
    strange = [k for k, v in rest.items() if isinstance(v, Tensor) and k not in {*_WITHOUT_INFLUENCE, *_TENSOR_TERMS}]
    if strange:
        raise UnsupportedModelError(
            f"the attention of {type(module).__name__} takes a tensor {strange[0]!r} whose part in the weights is "
            "unknown; ask for other scorers"
        )
    is_causal = rest.get("is_causal")
    return Terms(
        scaling=rest.get("scaling"),
        softcap=rest.get("softcap"),
        sinks=rest.get("s_aux"),
        position_bias=rest.get("position_bias"),
        causal=bool(vars(module).get("is_causal", True)) if is_causal is None else bool(is_causal),
    )


_TENSOR_TERMS = frozenset({"s_aux", "position_bias"})
