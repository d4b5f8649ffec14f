"""What processes of one run give each other, and how they fail together."""

import attrs
import pytest
import torch
from processes.several import Failed, in_processes

from shortstack.config.training import FitSettings
from shortstack.distillation.training_arguments import training_arguments
from shortstack.errors import ConfigurationError
from shortstack.models.devices import device_named
from shortstack.pipeline.runner import _tell_of_idle_gpus
from shortstack.processes import ALONE, World, joined
from shortstack.progress import Silent


def exchanged(world):
    """Every kind of exchange once."""
    return (
        world.first(lambda: f"by {world.rank}"),
        world.gather(world.rank),
        list(world.share(range(7))),
        world.map(lambda item: item * item, range(7)),
        world.map(len, []),
    )


@pytest.mark.parametrize("size", [1, 2, 3])
def test_exchanges(size):
    """Each process gets the same; shares are parts without overlap, and results are in the order of the items."""
    results = in_processes(size, exchanged)

    assert [list(range(size))] * size == [gathered for _, gathered, *_ in results]
    assert sorted(range(7)) == sorted(item for _, _, share, *_ in results for item in share)
    for by, _, _, squares, nothing in results:
        assert by == "by 0"
        assert [0, 1, 4, 9, 16, 25, 36] == squares
        assert nothing == []


def counted(world):
    """How often a function is called for three items, in step, and its results."""
    calls = []
    results = attrs.evolve(world, in_step=True).map(lambda item: calls.append(item) or item, range(3))
    return len(calls), results


def test_in_step():
    """Of three items one process has two, and the other calls the function twice as well."""
    assert [(2, [0, 1, 2])] * 2 == in_processes(2, counted)
    assert [(3, [0, 1, 2])] == in_processes(1, counted)


def refusing(world):
    """The first process refuses what all asked it for."""

    def refuse():
        raise ConfigurationError("a setting is wrong")

    return world.first(refuse)


def test_the_first_process_fails():
    """It keeps its error, with its place; the others refer to it."""
    first, *others = in_processes(3, refusing)

    assert (first.kind, first.message) == ("ConfigurationError", "a setting is wrong")
    assert first.notes[0].startswith("this was process 0 of 0 to 2, on ")
    assert {"OtherProcessError"} == {other.kind for other in others}


def one_fails(world):
    """Process 1 fails while the others wait for it."""
    if world.rank == 1:
        raise ValueError("here")
    return world.gather(world.rank)


def test_another_process_fails():
    """Its error is kept, and those who wait for it end too, without an error of their own."""
    zero, one, two = in_processes(3, one_fails)

    assert (one.kind, one.message) == ("ValueError", "here")
    assert one.notes[0].startswith("this was process 1 of 0 to 2, on ")
    assert [Failed("OtherProcessError", "another process of this run has failed; its message says why")] * 2 == [
        zero,
        two,
    ]


def ends(world):
    """Process 1 ends without a word."""
    if world.rank == 1:
        return "ended"
    return world.gather(world.rank)


def test_another_process_ends():
    """Those who wait for it say so; of two, it is one."""
    zero, one = in_processes(2, ends)

    assert one == "ended"
    assert zero.kind == "OtherProcessError"
    assert zero.message == (
        "another process of this run has ended, or has not answered for 1 day, 0:00:00; start the same command again, and it goes on "
        "from there"
    )


def test_alone(monkeypatch):
    """Without a launcher there is one process, and no group."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as world:
        assert world == ALONE == World(rank=0, size=1)
        assert not torch.distributed.is_initialized()


def test_half_an_environment(monkeypatch):
    """A process of several must know where the others are."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.delenv("MASTER_PORT", raising=False)

    with (
        pytest.raises(ConfigurationError, match=r"WORLD_SIZE is 2.* MASTER_ADDR and MASTER_PORT are not set"),
        joined(),
    ):
        pass


def test_devices(monkeypatch):
    """Each process of a machine has a GPU of its own; more processes than GPUs are refused."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    world = World(rank=3, size=4, local_rank=1, local_size=2)

    assert device_named("auto", world) == torch.device("cuda", 1)
    assert device_named("cpu", World(size=8, local_size=8)) == torch.device("cpu")
    assert device_named("auto") == torch.device("cuda")
    with pytest.raises(ConfigurationError, match=r"3 processes run on this machine, and torch finds 2 GPU\(s\)"):
        device_named("cuda", World(size=3, local_size=3))


def test_one_process_takes_one_gpu(monkeypatch, tmp_path):
    """It says that others are idle, and transformers does not divide its batches among threads for them."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    notes = []

    class Kept(Silent):
        def note(self, text):
            notes.append(text)

    for device, world in (("cuda", ALONE), ("cpu", ALONE), ("cuda:1", World(rank=1, size=4))):
        _tell_of_idle_gpus(torch.device(device), world, Kept())
    settings = FitSettings(steps=1, batch_size=2, warmup_steps=0, precision="float32")
    arguments = training_arguments(tmp_path, settings, seed=0, device="cuda", validated=False)

    assert ["one of this machine's 4 GPUs is used; --processes 4 shares the work among all of them"] == notes
    assert (1, 2) == (arguments.n_gpu, arguments.train_batch_size)
