"""A tiny real run: sixty users walk round a ring of thirty items, so the next item can be learnt."""

import random
import shutil

import pytest
from pipeline.little_language_model import llama, tokenizer
from pipeline.prepared import write_run

ITEMS = 30


def write_ring(path, users=60, seed=0):
    """Write ratings of users who mostly step to the next item of the ring."""
    generator = random.Random(seed)
    lines = ["user,item,rating,time,title"]
    for user in range(users):
        item = generator.randrange(ITEMS)
        for step in range(14):
            lines.append(f"u{user},i{item},{generator.randint(1, 5)},{1_000_000 + 100 * step + user},Item {item}")
            item = (item + (1 if generator.random() < 0.8 else generator.randrange(2, 9))) % ITEMS
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def without_times(fields):
    """Return a result's fields that two equal runs share: neither costs, the verdict's line about speed, nor the digest."""
    kept = {name: value for name, value in fields.items() if name not in {"cost", "digest"}}
    lines = kept["verdict"].splitlines()
    kept["verdict"] = [line for line in lines if " as fast as the teacher " not in line]
    assert len(kept["verdict"]) == len(lines) - bool(fields["cost"].get("speed"))
    return kept


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    """A CSV file of realistic ratings."""
    return write_ring(tmp_path_factory.mktemp("data") / "ring.csv")


def ring_tables(source, **changes):
    """Return the tables of a short run over the ring: four layers of width 16, one kept."""
    return {
        "data": {
            "source": str(source),
            "adapter": "table",
            "core": 2,
            "settings": {
                "user": "user",
                "item": "item",
                "rating": "rating",
                "timestamp": "time",
                "timestamp_unit": "s",
                "title": "title",
            },
        },
        "task": {"settings": {"window": 10}},
        "teacher": {
            "config": {
                "model_type": "llama",
                "num_hidden_layers": 4,
                "hidden_size": 16,
                "intermediate_size": 32,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "initializer_range": 0.1,
                "tie_word_embeddings": True,
            },
            "fit": {"steps": 12, "batch_size": 16, "learning_rate": 0.01, "warmup_steps": 2, "evaluate_every": 4},
        },
        "importance": {"scorers": ["fisher", "attention", "gradient", "hybrid"], "examples": 16},
        "selection": {"keep_ratio": 0.25},
        "distillation": {
            "fit": {"steps": 8, "batch_size": 16, "learning_rate": 0.005, "warmup_steps": 2, "evaluate_every": 4}
        },
        "evaluation": {"resamples": 100},
        "device": "cpu",
        **changes,
    }


@pytest.fixture(scope="session")
def tables():
    """Function that returns the tables of a run over a file, with some of them changed."""
    return ring_tables


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A language model and its tokenizer."""
    place = tmp_path_factory.mktemp("language") / "model"
    llama().save_pretrained(place)
    tokenizer().save_pretrained(place)
    return place


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The folder of a tiny finished run, written by hand; read only."""
    root = tmp_path_factory.mktemp("prepared") / "run"
    write_run(root)
    return root


@pytest.fixture
def without(prepared, tmp_path):
    """Copies that folder, except the results of some stages, and returns the copy."""

    def copy(*folders):
        return shutil.copytree(prepared, tmp_path / "run", ignore=shutil.ignore_patterns(*folders))

    return copy
