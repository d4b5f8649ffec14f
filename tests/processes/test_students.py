"""Whichever of several processes builds or saves a model has all of it, as a script under ``torchrun`` does in each."""

import torch
from processes.several import in_processes
from processes.test_training import tiny

import shortstack_students
from shortstack import CompactStudentModel, Registry, build_student
from shortstack.data.catalogue import Catalogue, Item
from shortstack.distillation.checkpoints import load_weights, save_weights
from shortstack.registry import Origin


def built(world, folder):
    """Build a student, save it as a recommender and as a checkpoint's weights, and return the ten tensors that come back."""
    registry = Registry()
    registry.register(shortstack_students, Origin("shortstack", "students", "0.1.0"))
    student = build_student(tiny(4, 16).float(), [0, 2], registry=registry)
    own = folder / str(world.rank)
    catalogue = Catalogue(items=[Item(id=str(n), title="", token=n) for n in range(1, 13)])
    CompactStudentModel(model=student, catalogue=catalogue, window=4).save_pretrained(own / "recommender")
    save_weights(student, own / "weights")
    empty = tiny(2, 16).float()
    load_weights(empty, own / "weights")
    loaded = CompactStudentModel.from_pretrained(own / "recommender")
    same = [torch.equal(a, b) for a, b in zip(student.parameters(), loaded.model.parameters(), strict=True)]
    return same, apart(student, empty), loaded.recommend(["1", "2"], 3)


def apart(first, second):
    """Return the largest difference of two models' weights."""
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return max(float((ours - theirs).detach().abs().max()) for ours, theirs in pairs)


def test_each_process_has_its_own(tmp_path):
    """Every process's folder holds the whole model, and recommends the same."""
    first, second = in_processes(2, built, tmp_path)
    assert all(first[0])
    assert all(second[0])
    assert (first[1], second[1]) == (0.0, 0.0)
    assert first[2] == second[2]
