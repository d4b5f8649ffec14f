"""Seeing attention weights inside the attention call, while the model's own path makes the output."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask, sdpa_mask

from shortstack.errors import UnsupportedModelError
from shortstack.models.attention_weights import Terms, attention_weights
from shortstack.models.returned_attention import Listener, hearing_returned

_NUMBERS = count()
_WITHOUT_INFLUENCE = frozenset({"position_ids", "cache_position"})
_OWN = frozenset({"eager", "sdpa", None})
"""Implementations with which every family's attention modules are its plain ones."""


@contextmanager
def observing_attention(model: PreTrainedModel, listener: Listener) -> Iterator[None]:
    """Inside, ``listener`` is told the weights of every attention call, in the order of the calls.

    The output still comes from the model's own eager function, or from ``sdpa`` if it uses anything else. A family
    without transformers' attention interface runs eagerly, and its modules return their weights.

    Raises:
        UnsupportedModelError: The family has no such interface and was loaded with another attention than its own, or its
            attention uses something unknown to ``attention_weights``.
    """
    asked = model.config._attn_implementation  # noqa: SLF001 -- the setting has no other public name
    if _has_interface(model):
        eager = asked == "eager"
        with _implementation(model, _heard(listener, eager=eager), _finite_eager_mask if eager else sdpa_mask):
            yield
        return
    if asked not in _OWN:
        raise UnsupportedModelError(
            f"the attention of {type(model).__name__} cannot be observed as {asked!r}; load the model with "
            "attn_implementation='eager', or ask for other scorers"
        )
    with hearing_returned(model, listener), _implementation(model, _never, _finite_eager_mask):
        yield


def _has_interface(model: PreTrainedModel) -> bool:
    """Whether its family's attention goes through transformers' interface; its flag for that is not set by all that do."""
    homes = {type(module).__module__ for module in model.modules()}
    return any("ALL_ATTENTION_FUNCTIONS" in vars(sys.modules[home]) for home in homes)


def _heard(listener: Listener, *, eager: bool) -> Callable[..., Any]:
    """An attention function that tells the listener what it is given."""

    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **rest: Any
    ) -> Any:
        listener(*attention_weights(query, key, attention_mask, _terms(module, rest)))
        return (_eager(module) if eager else _SDPA)(module, query, key, value, attention_mask, **rest)

    return attend


def _never(module: nn.Module, *_args: Any, **_kwargs: Any) -> Any:
    raise UnsupportedModelError(f"the attention of {type(module).__name__} cannot be observed; ask for other scorers")


@contextmanager
def finite_masks(model: PreTrainedModel) -> Iterator[None]:
    """Inside, eager masks never overflow to −∞ when they are cast to float32.

    The eager softmax of several families is float32 even in a float64 model: there a padded query's row becomes
    NaN, and through the next layer's keys every row does.
    """
    if model.dtype != torch.float64 or model.config._attn_implementation != "eager":  # noqa: SLF001 -- as above
        yield
        return

    def attend(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return _eager(module)(module, *args, **kwargs)

    with _implementation(model, attend, _finite_eager_mask):
        yield


@contextmanager
def _implementation(
    model: PreTrainedModel, attend: Callable[..., Any], make_mask: Callable[..., Any]
) -> Iterator[None]:
    """Register an attention and its mask under a fresh name and use it; an unknown name would change the masks."""
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


def _eager(module: nn.Module) -> Callable[..., Any]:
    """The eager function of a family: a public name of the module that defines its attention class."""
    function: Callable[..., Any] = vars(sys.modules[type(module).__module__])["eager_attention_forward"]
    return function


def _terms(module: nn.Module, rest: dict[str, Any]) -> Terms:
    strange = [k for k, v in rest.items() if isinstance(v, Tensor) and k not in {*_WITHOUT_INFLUENCE, *_TENSOR_TERMS}]
    if strange:
        raise UnsupportedModelError(
            f"the attention of {type(module).__name__} takes a tensor {strange[0]!r} whose part in the weights is "
            "unknown; ask for other scorers"
        )
    given = rest.get("is_causal")
    return Terms(
        scaling=rest.get("scaling"),
        softcap=rest.get("softcap"),
        sinks=rest.get("s_aux"),
        position_bias=rest.get("position_bias"),
        causal=bool(vars(module).get("is_causal", True)) if given is None else bool(given),
    )


_TENSOR_TERMS = frozenset({"s_aux", "position_bias"})
