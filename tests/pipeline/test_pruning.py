"""The pruning stage alone: the student's layers are the teacher's, bit by bit."""

import pytest
import torch
from pipeline.prepared import KEPT, LAYERS, TOKENS, alone, context, weights

from shortstack.data.catalogue import Catalogue
from shortstack.files import read_json, write_json
from shortstack.pipeline.pruning import pruning_stage
from shortstack.planning.schedule import Round
from shortstack.run_layout import PRUNED, SELECTED, SELECTION, TEACHER

STAGE = pruning_stage(Round(number=1, steps=1))
MODEL = {"config.json", "generation_config.json", "model.safetensors", "items.jsonl", "recommender.json"}


def renamed(name, kept):
    """Return the name of a student's tensor in the teacher."""
    parts = name.split(".")
    return ".".join([*parts[:2], str(kept[int(parts[2])]), *parts[3:]]) if parts[1] == "layers" else name


@pytest.mark.parametrize("kept", [KEPT, (0,), (0, 2, 3)])
def test_the_layers_are_bit_equal(without, kept):
    """Layer i of the student is layer kept[i] of the teacher; everything outside the layers is the teacher's."""
    root = without(PRUNED)
    write_json(root / SELECTION / SELECTED, {"kept": kept, "of": LAYERS})

    assert alone(STAGE, context(root)) == MODEL
    teacher, student = weights(root / TEACHER), weights(root / PRUNED)
    assert len(student) == 2 + 9 * len(kept)  # embeddings and norm; nine tensors a layer
    assert all(torch.equal(tensor, teacher[renamed(name, kept)]) for name, tensor in student.items())
    config = read_json(root / PRUNED / "config.json")
    assert config["num_hidden_layers"] == len(kept)
    assert Catalogue.load(root / PRUNED).tokens == list(TOKENS)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"kept": [1, 5], "of": 4}, r"layer 5 is not among the teacher's 4 layers"),
        ({"kept": [3, 1], "of": 4}, "ascending and distinct"),
        ({"kept": [], "of": 4}, "at least one layer"),
        ({"kept": [1, 5], "of": 6}, "the selection is of 6 layers, but the teacher has 4"),
    ],
)
def test_a_selection_of_other_layers_is_refused(without, selection, message):
    """It must be of the teacher's layers; no model is left behind."""
    root = without(PRUNED)
    write_json(root / SELECTION / SELECTED, selection)

    with pytest.raises(ValueError, match=message):
        STAGE.perform(context(root), "a key")
    assert not (root / PRUNED).exists()
