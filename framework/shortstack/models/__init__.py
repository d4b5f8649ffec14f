"""Stock decoders: access to their layers, fresh weights, parameter counts, and logits of selected tokens.

The names in ``__all__`` are for plugins too. They load what they need when they are first used, so that importing this
package imports no torch.
"""

from typing import TYPE_CHECKING

from shortstack.lazy import lazily

if TYPE_CHECKING:
    from shortstack.models.decoder import Decoder as Decoder
    from shortstack.models.decoder import model_inputs as model_inputs
    from shortstack.models.decoder import residual_writers as residual_writers
    from shortstack.models.layer_calls import entering as entering
    from shortstack.models.layer_calls import leaving as leaving
    from shortstack.models.layer_calls import with_entering as with_entering
    from shortstack.models.logits_check import logits_agree as logits_agree
    from shortstack.models.logits_check import uncached_logits as uncached_logits
    from shortstack.models.parameters import ParameterCount as ParameterCount
    from shortstack.models.parameters import count_parameters as count_parameters
    from shortstack.models.partial_passes import skipping as skipping

_HOMES = {
    "Decoder": "decoder",
    "ParameterCount": "parameters",
    "count_parameters": "parameters",
    "entering": "layer_calls",
    "leaving": "layer_calls",
    "logits_agree": "logits_check",
    "model_inputs": "decoder",
    "residual_writers": "decoder",
    "skipping": "partial_passes",
    "uncached_logits": "logits_check",
    "with_entering": "layer_calls",
}

__all__ = [
    "Decoder",
    "ParameterCount",
    "count_parameters",
    "entering",
    "leaving",
    "logits_agree",
    "model_inputs",
    "residual_writers",
    "skipping",
    "uncached_logits",
    "with_entering",
]

__getattr__, __dir__ = lazily(__name__, _HOMES)
