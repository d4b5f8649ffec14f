"""Stock decoders: seen as layers, started afresh, counted, and asked for some logits only.

The names in ``__all__`` are for plugins too. They load what they need when they are first used, so that importing this
package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shortstack.models.decoder import Decoder as Decoder
    from shortstack.models.parameters import ParameterCount as ParameterCount
    from shortstack.models.parameters import count_parameters as count_parameters
    from shortstack.models.partial_passes import skipping as skipping
    from shortstack.models.short_prompt import logits_agree as logits_agree
    from shortstack.models.short_prompt import uncached_logits as uncached_logits

_HOMES = {
    "Decoder": "decoder",
    "ParameterCount": "parameters",
    "count_parameters": "parameters",
    "logits_agree": "short_prompt",
    "skipping": "partial_passes",
    "uncached_logits": "short_prompt",
}

__all__ = [
    "Decoder",
    "ParameterCount",
    "count_parameters",
    "logits_agree",
    "skipping",
    "uncached_logits",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
