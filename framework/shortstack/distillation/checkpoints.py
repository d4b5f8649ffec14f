"""Training state as safetensors and JSON: nothing is pickled, so loading executes no code."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from shortstack.digests import damage, seal
from shortstack.distillation.lora import adapter_state
from shortstack.errors import DataError
from shortstack.files import write_through
from shortstack.models.saving import save_model
from shortstack.models.sharding import place_like

LEARNING = "learning.safetensors"
"""File of the trained parameters of a model with adapters."""

STATE = "trainer_state.json"
"""File of the trainer's state, which transformers writes."""

DIGESTS = "digests.json"
"""File with the digests of all others, written last: a checkpoint without it is incomplete."""

_LOG = logging.getLogger(__name__)


def save_tree(path: Path, tree: object) -> None:
    """Write nested dicts, lists and tuples of tensors and plain values to one safetensors file.

    Tensors are stored as such, everything else as JSON in the file's header.

    Raises:
        TypeError: A value is neither a tensor nor a plain value.
    """
    tensors: dict[str, Tensor] = {}
    layout = json.dumps(_flattened(tree, tensors))
    save_file(tensors, path, metadata={"layout": layout})


def load_tree(path: Path) -> Any:
    """Read what ``save_tree`` wrote; tensors are on the CPU.

    Raises:
        DataError: There is no such file.
    """
    if not path.is_file():
        raise DataError(
            f"{path} is not there: training cannot go on from a checkpoint without it (save_only_model leaves it out, and so does a "
            "process that was killed as it wrote); resume from another checkpoint"
        )
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- it is no dict
        return _restored(json.loads(file.metadata()["layout"]), tensors)


def save_weights(model: PreTrainedModel, folder: Path) -> None:
    """Write a model; for one with adapters only the trained parameters, as the others are the base model's."""
    learning = adapter_state(model)
    if learning:
        folder.mkdir(parents=True, exist_ok=True)
        save_tree(folder / LEARNING, learning)
    else:
        save_model(model, folder)


def load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Fill a model with the weights that ``save_weights`` wrote; safetensors only.

    The model's own loader is used because some families store their weights under other names than they hold them.
    """
    if (folder / LEARNING).is_file():
        model.load_state_dict(load_tree(folder / LEARNING), strict=False)
        return
    stored = type(model).from_pretrained(folder, dtype=model.dtype, use_safetensors=True)
    fill(model, stored.state_dict())


def fill(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Fill a module, whole or divided among processes, from whole tensors, which every process has."""
    own = module.state_dict()
    module.load_state_dict({name: place_like(value, own[name]) for name, value in state.items()})


def seal_checkpoint(folder: Path, step: int) -> None:
    """Write the checkpoint of a step through to the disk, then a digest of each of its files, which makes it complete."""
    seal(folder / f"checkpoint-{step}", DIGESTS, {})
    write_through(folder)


def last_checkpoint(folder: Path, tell: Callable[[str], None] = _LOG.warning) -> Path | None:
    """Return the newest checkpoint in a trainer's folder that is as it was written; None if there is none.

    Args:
        folder: The trainer's folder.
        tell: Receives a sentence on each newer one that is passed over.
    """
    checkpoints = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    # by number: as text, checkpoint-10 comes before checkpoint-9
    newest_first = sorted(checkpoints, key=lambda path: int(path.name.removeprefix("checkpoint-")), reverse=True)
    for checkpoint in newest_first:
        found = _damage(checkpoint) or _damage(_best(checkpoint))
        if not found:
            return checkpoint
        tell(f"{found}; training does not go on from {checkpoint.name}, but from the one before, or from its start")
    return None


def _damage(checkpoint: Path) -> str:
    """Return what is not as it was written, in words; empty if all is."""
    if not (checkpoint / DIGESTS).is_file():
        return f"{checkpoint} was not written to its end"
    return damage(checkpoint, DIGESTS)


def _best(checkpoint: Path) -> Path:
    """Return the checkpoint whose weights training ends with, as things stood at another; that one itself if it keeps none."""
    state = read_state(checkpoint) or {}
    if not state.get("best_model_checkpoint"):
        return checkpoint
    return checkpoint.with_name(f"checkpoint-{state['best_global_step']}")


def has_ended(checkpoint: Path) -> bool:
    """Return True if training had ended at a complete checkpoint, by its steps or by early stopping."""
    state = read_state(checkpoint) or {}
    return bool(state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"])


def read_state(checkpoint: Path) -> dict[str, Any] | None:
    """Return the trainer's state in a checkpoint; None if the checkpoint is incomplete."""
    try:
        state: dict[str, Any] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return state if isinstance(state, dict) and "stateful_callbacks" in state else None


def _flattened(tree: object, tensors: dict[str, Tensor]) -> object:
    match tree:
        case Tensor():
            name = str(len(tensors))
            tensors[name] = tree.detach().to("cpu", copy=True).contiguous()
            return {"tensor": name}
        case Mapping():
            # pairs, because JSON objects turn keys into text, and an optimiser's state has integer keys
            return {"mapping": [[key, _flattened(value, tensors)] for key, value in tree.items()]}
        case list():
            return {"list": [_flattened(value, tensors) for value in tree]}
        case tuple():
            return {"tuple": [_flattened(value, tensors) for value in tree]}
        case None | bool() | int() | float() | str():
            return tree
    raise TypeError(f"a checkpoint holds tensors and plain values only, not {type(tree).__name__}")


def _restored(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "mapping":
        return {key: _restored(value, tensors) for key, value in content}
    values = [_restored(value, tensors) for value in content]
    return tuple(values) if kind == "tuple" else values


def random_state() -> dict[str, Any]:
    """Return the state of every global random number generator that training uses: on GPUs, that of this process's own."""
    import random

    import numpy as np

    _, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 -- transformers draws from the legacy one
    return {
        "python": random.getstate(),
        "numpy": ("MT19937", [int(key) for key in keys], *(int(rest[0]), int(rest[1]), float(rest[2]))),
        "cpu": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
    }


def begin_random_state(seed: int, step: int, rank: int) -> None:
    """Seed every global generator for a rank that is not in the checkpoint, with a seed of its own."""
    import numpy as np
    from transformers import set_seed

    set_seed(int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0]))


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restore every global random number generator from a saved state."""
    import random

    import numpy as np

    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and state["cuda"]:
        # the first: earlier versions saved those of all devices, of which the first process had the first
        torch.cuda.set_rng_state(state["cuda"][0])
