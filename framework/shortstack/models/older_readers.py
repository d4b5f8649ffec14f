"""Folders that transformers 4 reads as transformers 5 does: rotary positions and tokenizers under their former names.

transformers 5 writes ``rope_parameters`` alone. Version 4 does not know it, takes its defaults (a base of 10,000 instead of 500,000, say),
and answers otherwise without an error. A tokenizer of its general class version 4 does not load at all.
"""

import json
from pathlib import Path
from typing import Final

from transformers import PreTrainedConfig

FORMER: Final = frozenset({"rope_theta", "rope_scaling", "partial_rotary_factor", "rotary_emb_base", "rotary_pct"})
"""Names in version 4 for the entries of ``rope_parameters``."""
_SAME_FIELDS: Final = frozenset({"default", "linear", "dynamic", "yarn", "llama3"})
"""Kinds of scaling whose fields are called the same in both; of others version 4 refuses fields that it does not know."""


def write_former_names(config: PreTrainedConfig) -> None:
    """Add the former names of rotary position fields to a config, in place; transformers 5 reads it as before.

    Positions that differ by kind of layer, as in Gemma 3, and other kinds of scaling have no former names.
    """
    text = config.get_text_config()
    rope = vars(text).get("rope_parameters") or {}
    if rope.get("rope_type") not in _SAME_FIELDS or "rope_theta" not in rope:
        return
    # not by setattr: rope_scaling is a property that renames what it is given
    vars(text)["rope_theta"] = rope["rope_theta"]
    if rope["rope_type"] != "default":
        vars(text)["rope_scaling"] = {name: value for name, value in rope.items() if name != "rope_theta"}
    if "partial_rotary_factor" in rope:
        vars(text)["partial_rotary_factor"] = rope["partial_rotary_factor"]
    if text.model_type.startswith("gpt_neox"):
        vars(text)["rotary_emb_base"] = rope["rope_theta"]
        vars(text)["rotary_pct"] = rope.get("partial_rotary_factor", 1.0)


def write_former_tokenizer(folder: Path) -> None:
    """Rename, in the config of a saved tokenizer, what only transformers 5 knows by that name; both read the former names."""
    path = folder / "tokenizer_config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    if fields.get("tokenizer_class") == "TokenizersBackend":
        fields["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(fields.get("extra_special_tokens"), list):  # version 4 has a table of that name
        fields["additional_special_tokens"] = fields.pop("extra_special_tokens")
    path.write_text(json.dumps(fields, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
