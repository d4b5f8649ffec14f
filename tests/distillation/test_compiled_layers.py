"""Compiled layers: the same training within rounding, in any precision of their own, and no trace in the models."""

from functools import partial

import pytest
import torch
from distillation.test_resuming import Kill, Killed, timeless
from torch._dynamo.utils import counters
from transformers import TrainerCallback

from shortstack import Registry, Run
from shortstack.config.training import FitSettings, LoraSettings
from shortstack.distillation import compiled_layers
from shortstack.distillation.fitting import fit
from shortstack.distillation.lora import adapted
from shortstack.errors import ConfigurationError
from shortstack.pipeline.preflight import check
from shortstack.processes import World

pytestmark = [
    # torch's compiler imports what it deprecates
    pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"),
]

ALL = {"labels": 1.0, "soft-targets": 2.0, "hidden-states": 0.5, "attention-relations": 1.0}
SIX = {"steps": 6, "batch_size": 8, "warmup_steps": 0, "evaluate_every": 3, "learning_rate": 1e-2}


@pytest.fixture
def traced(monkeypatch):
    """Layers are traced and split into forward and backward graphs as ever, but no kernels are written: seconds less."""
    torch._dynamo.reset()
    counters.clear()
    compiled_layers.require_compiler.cache_clear()
    compiling = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **_: compiling(function, dynamic=True, backend="aot_eager"))
    yield
    compiled_layers.require_compiler.cache_clear()


class Watch(TrainerCallback):
    """Keeps what compilation has left in the student's modules at each step."""

    def __init__(self):
        self.left = []

    def on_step_end(self, args, state, control, model, **_):
        """Look for patched and compiled modules."""
        for module in model.modules():
            self.left += [name for name in ("forward", "_orig_mod") if name in vars(module)]
            self.left += ["compiled"] * (module._compiled_call_impl is not None)


def trained(stage, name, *, dropout=0.0, lora=None, kills=(), **changed):
    """Return a trainer after its training, through kills, and the history; the same draws in each."""
    settings = FitSettings(**{**SIX, **changed.pop("settings", {})})
    for after in (*kills, None):
        watch = Watch()
        student = stage.tiny(2, seed=1, dropout=dropout)
        with torch.random.fork_rng(devices=[]), adapted(torch.manual_seed(1) and student, lora, trained=[]):
            callbacks = [watch, *([Kill(after)] if after else [])]
            folder = stage.folder / name
            trainer = stage.trainer(student, settings=settings, folder=folder, callbacks=callbacks, **changed)
            try:
                history = fit(trainer)
            except Killed:
                continue
    assert watch.left == []
    return trainer, timeless(history)


def the_same(first, second, *, within):
    """Check that two trainings have the same records, and state dicts with the same names and near weights."""
    (one, expected), (other, actual) = first, second
    for record, again in zip(expected, actual, strict=True):
        assert again == pytest.approx(record, rel=within)
    weights, others = one.student.state_dict(), other.student.state_dict()
    assert list(weights) == list(others)
    for name, value in weights.items():
        assert torch.allclose(value, others[name], rtol=0, atol=within), name


CASES = {
    "all losses": {"losses": ALL},
    "dropout": {"dropout": 0.3},
    "layers computed again, with dropout": {"dropout": 0.3, "settings": {"gradient_checkpointing": True}},
    "layers computed again, without a teacher": {
        "dropout": 0.3,
        "settings": {"gradient_checkpointing": True},
        "losses": {"labels": 1.0},
        "teacher": False,
    },
    "micro-batches": {"settings": {"accumulate": 2}, "losses": {"labels": 1.0}, "teacher": False},
    "adapters": {"lora": LoraSettings(rank=2), "losses": {"labels": 1.0, "soft-targets": 1.0}},
}

SHORTEST = "layers computed again, without a teacher"


@pytest.mark.parametrize(
    "case", [case if case == SHORTEST else pytest.param(case, marks=pytest.mark.full) for case in CASES]
)
def test_tracing_changes_nothing(stage, traced, case):
    """Six steps: losses within 1e-5 of themselves, weights within 1e-5; no loss, dropout or adapter is passed over."""
    plain = trained(stage, "plain", **CASES[case])
    compiled = trained(stage, "compiled", compiled=True, **CASES[case])

    assert counters["stats"]["unique_graphs"] >= (1 if case == SHORTEST else 2)
    the_same(plain, compiled, within=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("case", CASES)
def test_kernels_change_the_last_bits_alone(stage, case):
    """The same with the compiler's kernels, whose sums are in another order."""
    plain = trained(stage, "plain", **CASES[case])
    counters.clear()
    compiled = trained(stage, "compiled", compiled=True, **CASES[case])

    assert counters["stats"]["unique_graphs"] >= 1
    the_same(plain, compiled, within=1e-5)


@pytest.mark.full
def test_resuming_with_kernels(stage):
    """A training that was interrupted twice, whose code was compiled anew, ends with the weights of one that was not."""
    changed = {"dropout": 0.3, "compiled": True}
    whole, parts = (trained(stage, name, kills=kills, **changed) for name, kills in (("whole", ()), ("parts", (4, 5))))

    the_same(whole, parts, within=1e-6)


@pytest.mark.full
def test_lengths_are_no_new_case(stage, traced):
    """Batches of twelve shapes take one graph: sizes are variables."""
    rows = [torch.arange(length) % 12 + 1 for length in range(2, 14)]
    cut = [{"input_ids": row, "attention_mask": torch.ones_like(row), "labels": row} for row in rows]

    def collate(batch):
        length = max(len(row["input_ids"]) for row in batch)
        padded = {"input_ids": 0, "attention_mask": 0, "labels": -100}
        return {
            name: torch.stack(
                [torch.nn.functional.pad(row[name], (0, length - len(row[name])), value=value) for row in batch]
            )
            for name, value in padded.items()
        }

    settings, labels = FitSettings(**{**SIX, "steps": 24, "batch_size": 3}), {"labels": 1.0}
    trainer = stage.trainer(
        settings=settings, losses=labels, teacher=False, compiled=True, train_dataset=cut, data_collator=collate
    )
    counters.clear()
    trainer.train()

    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("changed", [{"log_gradient_norms": True}, {"balancing": "gradnorm"}])
def test_gradient_norms_are_refused(stage, changed):
    """Several backward passes of one forward pass: torch's cached code may free what the second one reads."""
    with pytest.raises(
        ConfigurationError,
        match=r"^gradient norms of single losses take a backward pass each, .* another balancing than 'gradnorm' and .* leave out compile$",
    ):
        stage.trainer(compiled=True, **changed)


def test_several_processes_are_refused(stage):
    """In one sentence."""
    with pytest.raises(
        ConfigurationError, match=r"^compile = true is for one process: .* start one, or leave out compile$"
    ):
        compiled_layers.check_compilable({}, torch.device("cpu"), processes=2, gradient_norms=False)


GRADNORM = 'distillation.balancing="gradnorm"'


@pytest.mark.parametrize(
    ("settings", "processes", "message"),
    [
        (["distillation.fit.compile=true", GRADNORM], 1, "^gradient norms of single losses take a backward pass each"),
        (
            ["distillation.fit.compile=true", "distillation.log_gradient_norms=true"],
            1,
            "^gradient norms of single losses take a backward pass each",
        ),
        (["distillation.fit.compile=true"], 2, "^compile = true is for one process"),
        (["teacher.fit.compile=true"], 2, "^compile = true is for one process"),
        (["teacher.fit.compile=true", GRADNORM], 1, "^no compiler on cpu$"),
    ],
)
def test_runs(request, monkeypatch, settings, processes, message):
    """A run ends before any work where a fit cannot be compiled; the teacher's has one loss, and no norms of several."""

    def missing(device):
        raise ConfigurationError(f"no compiler on {device}")

    monkeypatch.setattr(compiled_layers, "require_compiler", missing)
    path, registry = request.config.rootpath / "examples" / "quickstart.toml", Registry.from_environment()
    with pytest.raises(ConfigurationError, match=message):
        check(Run.from_toml(path, ['device="cpu"', *settings]), registry, World(size=processes, local_size=processes))
    check(Run.from_toml(path, ['device="cpu"', GRADNORM]), registry)


def test_patched_layers_are_refused(stage):
    """A patch of a layer would be passed over."""
    teacher = stage.tiny(4)
    layer = teacher.model.layers[1]
    layer.forward = partial(type(layer).forward, layer)
    with pytest.raises(
        ConfigurationError, match=r"^layer 1 of the teacher has a patched forward\(\), .* or leave out compile$"
    ):
        stage.trainer(teacher=teacher, compiled=True)


def test_a_machine_without_a_compiler(stage, monkeypatch):
    """It is one sentence, before any training."""
    from torch._inductor import config

    compiled_layers.require_compiler.cache_clear()
    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(config, "fx_graph_cache", False)
    monkeypatch.setattr(torch._functorch.config, "enable_autograd_cache", False)
    with pytest.raises(
        ConfigurationError,
        match=r"^compile = true, but torch.compile does not work on this machine \(.*\); install a C\+\+ compiler such as g\+\+",
    ):
        stage.trainer(compiled=True)
    compiled_layers.require_compiler.cache_clear()


def test_a_layer_that_cannot_be_compiled(stage, monkeypatch):
    """The compiler's error is one sentence; one of a loss stays what it is."""
    monkeypatch.setattr(compiled_layers, "require_compiler", lambda _device: None)
    compiling = torch.compile

    def failing(_graph, _inputs):
        raise NotImplementedError("no such kernel")

    monkeypatch.setattr(torch, "compile", lambda function, **_: compiling(function, backend=failing))
    with pytest.raises(
        ConfigurationError,
        match=r"^torch.compile cannot compile a layer of these models \(NotImplementedError: no such kernel\); leave out compile$",
    ):
        stage.trainer(compiled=True).train()


def test_errors_of_the_step_itself_stay(stage, traced):
    """What is no fault of the compiler is not called one."""

    def collate(_rows):
        raise Killed

    with pytest.raises(Killed):
        stage.trainer(compiled=True, data_collator=collate).train()
    with pytest.raises(KeyError), compiled_layers.compiled_step():
        raise KeyError
