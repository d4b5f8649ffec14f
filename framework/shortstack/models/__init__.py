"""Stock decoders: seen as layers, started afresh, counted, and asked for some logits only.

The names in ``__all__`` are for plugins too. They load what they need when they are first used, so that importing this
package imports no torch.
"""

from typing import TYPE_CHECKING

from shortstack.lazy import lazily

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

__getattr__, __dir__ = lazily(__name__, _HOMES)
