"""The folder of a tiny run, written by hand, so that each stage can be carried out alone.

Nothing here is written by the code of a stage: the names come from ``run_layout``, the contents from this file.
"""

import hashlib
import json

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from shortstack.config.run import RunConfig
from shortstack.pipeline.stage import Context
from shortstack.progress import Silent
from shortstack.registry import Registry
from shortstack.run_layout import BATCHES, FACTS, METRICS, RECORD, RUN, SCORES, SELECTED, SEQUENCES, TRAINING

ITEMS = 9
TOKENS = tuple(range(ITEMS, 0, -1))
"""Token of each item: not the items' own order, so that the two cannot be taken for each other."""
LENGTHS = (7, 6, 5, 8, 4, 6, 7, 3)
"""Interactions of each user; the last is test and the one before it validation."""
WINDOW, LAYERS = 4, 4
SCORE = {"fisher": [0.3, 0.9, 0.1, 0.5], "attention": [0.4, 0.1, 0.2, 0.9]}
"""Scores in the folder: two of four layers by ``fisher`` and ``top-k`` are 1 and 3."""
KEPT = (1, 3)
FIT = {"steps": 3, "batch_size": 4, "learning_rate": 0.01, "warmup_steps": 0, "evaluate_every": 3}
WORK = {"seconds": 1.0, "steps": 3, "examples": 12, "tokens_per_second": 40.0, "floating_point_operations": 9.0}


def histories():
    """Return each user's items, oldest first; no item follows itself, and some targets are in the history."""
    generator = np.random.default_rng(3)
    walks = [np.cumsum(generator.integers(1, ITEMS, size)) % ITEMS for size in LENGTHS]
    return [walk.astype(np.int64) for walk in walks]


def splits():
    """Return the split of each of the users' items: 0 train, 1 valid, 2 test."""
    return [np.array([0] * (length - 2) + [1, 2], dtype=np.int8) for length in LENGTHS]


def llama(layers, seed):
    """Return a model with random weights of every matrix, over padding and the items' tokens."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2}
    ids = {"vocab_size": ITEMS + 1, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
    config = LlamaConfig(num_hidden_layers=layers, initializer_range=0.3, tie_word_embeddings=True, **shape, **ids)
    return LlamaForCausalLM(config).eval()


def write_model(folder, layers, seed, **training):
    """Write a model with its items, and the record of its training if there is one."""
    llama(layers, seed).save_pretrained(folder)
    write_items(folder, TOKENS)
    write_json(folder / "recommender.json", {"schema": 1, "window": WINDOW, "seen": "exclude"})
    if training:
        write_json(folder / TRAINING, {"precision": "float32", "curve": [], **training})


def write_items(folder, tokens):
    """Write a catalogue."""
    lines = [json.dumps({"id": f"i{n}", "title": f"Item {n}", "token": token}) for n, token in enumerate(tokens)]
    (folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_json(path, value):
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_data(folder):
    """Write what the data stage leaves: histories, items and counts."""
    items, parts = histories(), splits()
    offsets = np.cumsum([0, *LENGTHS]).astype(np.int64)
    write_json(folder / FACTS, {"interactions": sum(LENGTHS), "users": len(LENGTHS), "items": ITEMS})
    write_items(folder, range(1, ITEMS + 1))
    arrays = {"items": np.concatenate(items), "offsets": offsets, "splits": np.concatenate(parts)}
    save_file(arrays, folder / SEQUENCES, metadata={"catalogue_size": str(ITEMS)})


def write_batches(folder):
    """Write calibration batches of the users with two training items: four, then three."""
    folder.mkdir(parents=True)
    rows = [[TOKENS[item] for item in train_items(user)[-WINDOW - 1 :]] for user in range(7)]
    batches = (batch(rows[:4]), batch(rows[4:]))
    named = {f"{number}.{name}": array for number, parts in enumerate(batches) for name, array in parts.items()}
    save_file(named, folder / BATCHES)


def batch(rows):
    """Return lists of tokens as one batch, padded on the right, with the last of each as its only label."""
    inputs = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask, labels = np.zeros_like(inputs), np.full_like(inputs, -100)
    for number, tokens in enumerate(rows):
        inputs[number, : len(tokens)], mask[number, : len(tokens)] = tokens, 1
        labels[number, len(tokens) - 1] = tokens[-1]
    return {"input_ids": inputs, "attention_mask": mask, "labels": labels}


def write_run(root):
    """Write the results of all stages, as a finished run leaves them."""
    write_data(root / "data")
    write_model(root / "teacher", LAYERS, seed=0, **WORK)
    write_batches(root / "calibration")
    scores = {name: {"scores": values, "examples": 8, "details": {}} for name, values in SCORE.items()}
    write_json(root / "importance" / SCORES, scores)
    kept = {"kept": KEPT, "of": LAYERS, "strategy": "top-k", "budget": "keep 2 of 4 layers", "reason": "a reason"}
    write_json(root / "selection" / SELECTED, kept)
    write_model(root / "pruned", len(KEPT), seed=1)
    write_model(root / "student", len(KEPT), seed=2, **WORK)
    write_model(root / "scratch", len(KEPT), seed=3, **WORK)
    write_json(root / "evaluation" / METRICS, evaluation())


def evaluation():
    """Return an evaluation with figures made up for the purpose."""
    metrics = ("hr@10", "ndcg@10", "mrr@10")
    methods = {"popularity": 0.2, "scratch": 0.3, "teacher": 0.5, "pruned": 0.1, "student": 0.4}
    pairs = {"student/teacher": [0.8, 0.7, 0.9], "student-scratch": [0.1, 0.05, 0.15]}
    speed = {"ms_per_user_1": 2.0, "ms_per_user_32": 1.0, "users_per_second": 1000.0}
    return {
        "headlines": {"metrics": metrics, "selected_by": "ndcg@10"},
        "metrics": {name: dict.fromkeys(metrics, value) | {"loss": 2.0} for name, value in methods.items()},
        "intervals": {
            name: {metric: [value / 2, value * 2] for metric in metrics} | {"loss": [1.5, 2.5]}
            for name, value in methods.items()
        },
        "comparisons": {pair: dict.fromkeys(metrics, estimate) for pair, estimate in pairs.items()},
        "speed": dict.fromkeys(("teacher", "pruned", "student"), speed),
        "cases": {
            "evaluated": 40,
            "users": 40,
            "repeats": 0,
            "left_out": 0,
            "without_history": 0,
            "seen": "exclude",
        },
        "calibration": {},
    }


def tables(**changes):
    """Return the settings of the run: two of four layers by ``fisher`` and ``top-k``."""
    shape = {"num_hidden_layers": LAYERS, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    usual = {
        "data": {"source": "ratings.csv", "adapter": "table"},
        "task": {"settings": {"window": WINDOW}},
        "teacher": {"config": {"model_type": "llama", **shape}, "fit": FIT},
        "importance": {"scorers": ["fisher", "attention"], "examples": 8, "batch_size": 4},
        "selection": {"scorer": "fisher", "strategy": "top-k", "keep_layers": 2},
        "distillation": {"fit": FIT},
        "evaluation": {"resamples": 100, "seen": "exclude"},
        "seed": 5,
        "device": "cpu",
    }
    return usual | changes


def context(root, **changes):
    """Return what a stage works with, over a folder that a run has begun in; None for none."""
    if root is not None:
        root.mkdir(parents=True, exist_ok=True)
        (root / RUN).write_text("{}\n")
    run = RunConfig.from_mapping(tables(**changes))
    return Context(
        run=run, registry=Registry.from_environment(), root=root, device=torch.device("cpu"), progress=Silent()
    )


def contents(root):
    """Return a hash of every file below a folder."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def alone(stage, of):
    """Carry out one stage whose result is missing; return its files, its own record aside.

    Raises:
        AssertionError: It has changed something outside its own folder.
    """
    before = contents(of.root)
    assert not any(name.startswith(f"{stage.folder}/") for name in before)  # else it would be shown nothing
    stage.perform(of, "a key")
    after = contents(of.root)
    written = {name for name in after if name.startswith(f"{stage.folder}/")}
    assert {name: after[name] for name in after.keys() - written} == before
    assert f"{stage.folder}/{RECORD}" in written
    return {name.removeprefix(f"{stage.folder}/") for name in written} - {RECORD}


def weights(folder):
    """Return a stored model's tensors by name."""
    return load_file(folder / "model.safetensors")


def train_items(user):
    """Return a user's training items."""
    return histories()[user][: LENGTHS[user] - 2]
