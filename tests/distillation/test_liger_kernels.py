"""Liger's kernels: the numbers of torch's, the same training within rounding, and no trace in models or process."""

import sys

import pytest
import torch
from distillation.test_compiled_layers import trained
from distillation.test_model_pairs import SIZES
from distillation.triton_interpreter import interpreter as interpreter  # noqa: PLC0414 -- a fixture
from students.tiny_families import NoTinyModelError, model_types, tiny_teacher
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from benchmarks.gpu_liger import measure_liger
from shortstack import Registry, Run
from shortstack.config.training import FitSettings, LoraSettings
from shortstack.distillation import liger_kernels
from shortstack.distillation.fitting import fit
from shortstack.errors import ConfigurationError, UnsupportedModelError
from shortstack.models.candidates import candidate_logits
from shortstack.models.shared_weights import copied_modules
from shortstack.pipeline.preflight import check
from shortstack.processes import World

CPU = torch.device("cpu")
SMALL = {**SIZES, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4, "head_dim": 4}
IDS = torch.tensor([[3, 1, 4, 1], [5, 9, 2, 6]])
EACH = {"llama": (2, 2, 5), "qwen3": (2, 2, 9)}
"""Family → its attention modules, MLPs and norms in two layers: of attention, of MLP, the last, of queries and keys."""


def model_of(family, *, seed=1, dtype=torch.float32, **sizes):
    """Return a model of two layers in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = AutoConfig.for_model(family, **{**SMALL, **sizes})
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def passed(model, kernels=None):
    """Return logits, and the gradients of all parameters of a sum of their squares."""
    copies = copied_modules(model, [] if kernels is None else kernels.modules)
    if kernels is not None:
        kernels.set_in(copies)
    model.zero_grad()
    mask = torch.ones_like(IDS)
    logits = candidate_logits(copies[model], IDS, mask, mask.bool(), None).float()
    logits.square().sum().backward()
    return logits.detach(), {name: parameter.grad.float() for name, parameter in model.named_parameters()}


def furthest(first, second):
    """Return the largest difference of logits, and of gradients, relative to the largest value of each tensor."""
    (logits, gradients), (other, others) = first, second
    assert list(gradients) == list(others)
    pairs = [(logits, other), *((gradients[name], others[name]) for name in gradients)]
    return max(float((one - two).abs().max() / one.abs().max()) for one, two in pairs)


@pytest.mark.parametrize("family", EACH)
# float32: sums are in another order. bfloat16 has 8 bits, 0.004 of a number, and the backward pass of two layers adds such errors
# up: torch in bfloat16 is 0.04 to 0.08 from torch in float32, and the kernels 0.01 to 0.03 from torch in bfloat16
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_numbers(interpreter, family, dtype, within):
    """Logits and gradients of every parameter agree, and norms, MLPs and attention with its rotary positions are replaced."""
    model = model_of(family, dtype=dtype)
    kernels = liger_kernels.liger_kernels(model, learns=True)

    kinds = [type(module).__name__ for module in kernels.modules]
    assert EACH[family] == tuple(sum(kind.endswith(end) for kind in kinds) for end in ("Attention", "MLP", "Norm"))
    assert 0 < furthest(passed(model), passed(model, kernels)) < within


TWO = {"steps": 2, "evaluate_every": 1, "batch_size": 4}
ALL = {"labels": 1.0, "soft-targets": 2.0, "hidden-states": 0.5, "attention-relations": 1.0}
LABELS = {"losses": {"labels": 1.0}, "teacher": False}
CASES = {
    "labels": LABELS,
    "all losses": {"losses": ALL},
    "dropout": {"dropout": 0.3},
    "layers computed again, with dropout": {"dropout": 0.3, "settings": {"gradient_checkpointing": True}},
    "micro-batches": {**LABELS, "settings": {"accumulate": 2}},
    "adapters": {"lora": LoraSettings(rank=2), "losses": {"labels": 1.0, "soft-targets": 1.0}},
}


@pytest.mark.parametrize(
    "case", [case if case == "labels" else pytest.param(case, marks=pytest.mark.full) for case in CASES]
)
def test_a_training(interpreter, stage, case):
    """Two steps: losses and gradient norms within 1e-5 of themselves, weights within a hundredth of a step (1e-2).

    AdamW divides an entry's gradient by its own size, so of one that is almost 0 (3e-7 where others are 3e-3), a rounding of
    1e-8 is a share of a step.
    """
    changed = {**CASES[case], "settings": {**TWO, **CASES[case].get("settings", {})}}
    plain, fast = trained(stage, "plain", **changed), trained(stage, "fast", liger=True, **changed)

    (one, expected), (other, actual) = plain, fast
    for record, again in zip(expected, actual, strict=True):
        assert again == pytest.approx(record, rel=1e-5)
    weights, others = one.student.state_dict(), other.student.state_dict()
    assert list(weights) == list(others)
    assert 0 < max(float((value - others[name]).abs().max()) for name, value in weights.items()) < 1e-4


@pytest.mark.full
@pytest.mark.parametrize(("precision", "within"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_two_families(interpreter, stage, precision, within):
    """A Qwen3 of other width learns from a Llama: the losses of three steps agree, within 2 % where arithmetic is bfloat16."""
    settings = FitSettings(
        steps=3, batch_size=4, warmup_steps=0, evaluate_every=1, learning_rate=1e-2, precision=precision
    )
    losses = {"labels": 1.0, "soft-targets": 1.0, "hidden-states": {"blocks": 2}}
    plain, fast = (
        fit(
            stage.trainer(
                model_of("qwen3"),
                model_of("llama", seed=2, hidden_size=24),
                settings=settings,
                folder=stage.folder / str(liger),
                losses=losses,
                selection=None,
                liger=liger,
            )
        )
        for liger in (False, True)
    )

    for record, other in zip(plain, fast, strict=True):
        assert [record[name] for name in record if name.startswith("loss/")] == pytest.approx(
            [other[name] for name in record if name.startswith("loss/")], rel=within
        )


def state_of(model):
    """Return what every module of a model holds, by its place, and the identity of each value."""
    return {
        path: {name: id(value) for name, value in vars(module).items() if name not in {"training", "_parameters"}}
        for path, module in model.named_modules()
    }


def state_of_transformers():
    """Return the identity of every value in the modules of transformers' models, and of torch's that Liger may set."""
    return {
        name: {key: id(value) for key, value in vars(module).items()}
        for name, module in tuple(sys.modules.items())
        if name.startswith("transformers.models.") or name in {"torch.nn", "torch.nn.functional"}
    }


def from_liger(values):
    """Return the names of values that are Liger's."""
    return [name for name, value in values.items() if str(getattr(value, "__module__", "")).startswith("liger_kernel")]


def test_nothing_is_left(interpreter, stage, tmp_path):
    """During and after a training, models and process are as before; the folder holds what it would hold without."""
    student, teacher = stage.tiny(2, seed=1), stage.tiny(4)
    before, of_teacher, of_process = state_of(student), state_of(teacher), state_of_transformers()
    trainer = stage.trainer(
        student, teacher, settings=FitSettings(**TWO, warmup_steps=0), losses={"soft-targets": 1.0}, liger=True
    )
    made = state_of(student), state_of(teacher), state_of_transformers()
    trainer.train()

    assert made[:2] == (before, of_teacher)
    assert (state_of(student), state_of(teacher)) == (before, of_teacher)
    assert all(
        state_of_transformers()[name][key] == value for name in of_process for key, value in of_process[name].items()
    )
    assert [name for name in of_process if from_liger(vars(sys.modules[name])) and not name.startswith("liger")] == []
    student.save_pretrained(tmp_path / "liger")
    stage.tiny(2, seed=1).save_pretrained(tmp_path / "stock")
    assert (tmp_path / "liger" / "config.json").read_text() == (tmp_path / "stock" / "config.json").read_text()
    assert list(AutoModelForCausalLM.from_pretrained(tmp_path / "liger").state_dict()) == list(student.state_dict())


def test_an_error_leaves_nothing(interpreter, stage, monkeypatch):
    """If Liger fails halfway, the process is as before, and the error is a sentence."""
    from liger_kernel.transformers import monkey_patch
    from transformers.models.llama import modeling_llama

    before = state_of_transformers()

    def failing(model, **_):
        modeling_llama.LlamaRMSNorm = nn.Identity
        raise AttributeError("no\nnorm")

    monkeypatch.setattr(monkey_patch, "_apply_liger_kernel_to_instance", failing)
    with pytest.raises(
        UnsupportedModelError,
        match=r"^Liger cannot patch LlamaForCausalLM \(llama\): AttributeError: no norm; leave out kernels$",
    ):
        stage.trainer(liger=True)
    assert before == state_of_transformers()


def test_another_activation(interpreter):
    """Liger's patch of a Llama computes SiLU whatever the config says, so a Llama with GELU is refused, fresh or trained."""
    for zero in (False, True):
        model = model_of("llama", hidden_act="gelu")
        for layer in model.model.layers if zero else ():
            nn.init.zeros_(layer.mlp.down_proj.weight)
        with pytest.raises(
            UnsupportedModelError,
            match=r"^Liger's kernels give other logits for LlamaForCausalLM \(llama\), by .* of the largest, as for an activation",
        ):
            liger_kernels.liger_kernels(model, learns=False)


def test_wrong_gradients(interpreter, monkeypatch):
    """A kernel whose backward pass is wrong is found by a student, whose gradients are needed."""
    from liger_kernel.ops import swiglu

    monkeypatch.setattr(swiglu, "swiglu_backward", lambda a, b, dc, *_: (dc, dc))
    model = model_of("llama")
    liger_kernels.liger_kernels(model, learns=False)
    with pytest.raises(UnsupportedModelError, match=r"^Liger's kernels give other gradients for LlamaForCausalLM"):
        liger_kernels.liger_kernels(model, learns=True)


def test_a_kernel_that_fails(interpreter, monkeypatch):
    """It is found before the training."""
    from liger_kernel.ops import swiglu

    def failing(*_):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(swiglu, "swiglu_forward", failing)
    with pytest.raises(
        UnsupportedModelError,
        match=r"^a kernel of Liger fails in LlamaForCausalLM \(llama\): RuntimeError: no such kernel; leave out kernels$",
    ):
        liger_kernels.liger_kernels(model_of("llama"), learns=False)


def test_other_families(interpreter, stage, monkeypatch):
    """A family that Liger does not know is refused, be it the teacher's; so is one in which it replaces nothing."""
    gpt2 = AutoModelForCausalLM.from_config(
        AutoConfig.for_model("gpt2", vocab_size=13, n_embd=16, n_head=2, n_layer=4, n_positions=16)
    ).eval()
    with pytest.raises(
        UnsupportedModelError,
        match=r"^Liger has no kernels for the family 'gpt2' \(it has some for .*, llama, .*\); leave out kernels$",
    ):
        stage.trainer(teacher=gpt2, liger=True)
    monkeypatch.setattr("liger_kernel.transformers.monkey_patch._apply_liger_kernel_to_instance", lambda **_: None)
    with pytest.raises(
        UnsupportedModelError, match=r"^Liger replaces nothing in LlamaForCausalLM \(llama\); leave out"
    ):
        stage.trainer(liger=True)


def test_patched_modules_are_refused(interpreter, stage):
    """A patch of a norm would be left out."""
    student = stage.tiny(2)
    student.model.norm.forward = lambda states: states
    with pytest.raises(ConfigurationError, match=r"^a LlamaRMSNorm of LlamaForCausalLM has a patched forward\(\), .*"):
        stage.trainer(student, liger=True)


def test_without_the_package(stage, monkeypatch):
    """The extra is named."""
    monkeypatch.setattr(liger_kernels, "find_spec", lambda _name: None)
    with pytest.raises(
        ConfigurationError, match=r"^kernels = 'liger' needs the extra 'liger': pip install 'shortstack\[liger\]'$"
    ):
        stage.trainer(liger=True)


def test_without_cuda(interpreter, stage, monkeypatch):
    """Without the interpreter, only a CUDA device will do."""
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(
        ConfigurationError,
        match=r"^kernels = 'liger' needs a CUDA device, for which its kernels are compiled, and the device is 'cpu'; leave",
    ):
        stage.trainer(liger=True)


@pytest.mark.parametrize("changed", [{"log_gradient_norms": True}, {"balancing": "gradnorm"}])
def test_gradient_norms_are_refused(stage, changed):
    """Several backward passes of one forward pass: the kernels' first one overwrites what the second one reads."""
    with pytest.raises(
        ConfigurationError,
        match=r"^gradient norms of single losses take a backward pass each, and Liger's kernels .*, or leave out kernels$",
    ):
        stage.trainer(liger=True, **changed)


def test_why_gradient_norms_are_refused(interpreter):
    """A second backward pass gives other gradients, and no error says so."""
    model = model_of("llama")
    kernels = liger_kernels.liger_kernels(model, learns=True)
    copies = copied_modules(model, kernels.modules)
    kernels.set_in(copies)
    total, weight = copies[model](input_ids=IDS).logits.square().sum(), model.model.layers[0].mlp.up_proj.weight
    first, second = (torch.autograd.grad(total, weight, retain_graph=True)[0] for _ in range(2))

    assert not torch.allclose(first, second, rtol=0.1)


KERNELS = "distillation.fit.kernels=liger"


@pytest.mark.parametrize(
    ("settings", "processes", "message"),
    [
        (
            [KERNELS, "distillation.fit.compile=true"],
            1,
            "^kernels = 'liger' was not tried with compile = true; leave out one",
        ),
        (
            [KERNELS, "distillation.fit.parallel=fsdp"],
            1,
            "^kernels = 'liger' was not tried with parallel = \"fsdp\"; leave out one of the two$",
        ),
        ([KERNELS], 2, "^kernels = 'liger' was not tried with 2 processes; leave out one of the two$"),
        (
            [KERNELS, "distillation.log_gradient_norms=true"],
            1,
            "^gradient norms of single losses take a backward pass each",
        ),
        (
            ["teacher.fit.kernels=liger", "distillation.log_gradient_norms=true"],
            1,
            "^kernels = 'liger' needs the extra 'liger'",
        ),
        (["teacher.fit.kernels=triton"], 1, "kernels"),
    ],
)
def test_runs(request, monkeypatch, settings, processes, message):
    """A run ends before any work where a fit cannot use the kernels; the teacher's has one loss, and no norms of several."""
    monkeypatch.setattr(liger_kernels, "find_spec", lambda _name: None)
    path, registry = request.config.rootpath / "examples" / "quickstart.toml", Registry.from_environment()
    with pytest.raises(ConfigurationError, match=message):
        check(Run.from_toml(path, ['device="cpu"', *settings]), registry, World(size=processes, local_size=processes))


def test_runs_of_other_families(interpreter, request):
    """The teacher's family is looked up before any work."""
    path, registry = request.config.rootpath / "examples" / "quickstart.toml", Registry.from_environment()
    check(Run.from_toml(path, ['device="cpu"', KERNELS]), registry)
    gpt2 = 'teacher.config={model_type = "gpt2", n_embd = 32, n_layer = 6, n_head = 4, n_positions = 64}'
    with pytest.raises(UnsupportedModelError, match=r"^Liger has no kernels for the family 'gpt2'"):
        check(Run.from_toml(path, ['device="cpu"', KERNELS, gpt2]), registry)


@pytest.mark.full
def test_the_benchmark(interpreter):
    """``make gpu PART=liger``, at a tiny shape: a loss for each of six steps, near that without the kernels."""
    figures = measure_liger("cpu")

    assert [6, 6] == [len(losses) for losses in figures["losses"].values()]
    assert 0 < figures["largest difference of a loss"] < 1e-4
    assert ["distilling a quarter of the layers: a step with kernels = 'liger'"] == [
        row["what"] for row in figures["rows"]
    ]


@pytest.mark.full
@pytest.mark.parametrize("family", model_types())
def test_all_families(interpreter, family):
    """Each is refused in a sentence, or computed as ever: logits and gradients of the embeddings within 1e-5."""
    try:
        model = tiny_teacher(family)
        before = state_of(model), state_of_transformers()
        kernels = liger_kernels.liger_kernels(model, learns=True)
    except NoTinyModelError as error:
        pytest.skip(str(error))
    except UnsupportedModelError as error:
        assert str(error).endswith("leave out kernels")  # noqa: PT017 -- not all are refused
    else:
        plain, fast = (liger_kernels._tried(model, used, learns=True) for used in (None, kernels))
        assert max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(plain, fast, strict=True)) < 1e-5
    was, now = before[1], state_of_transformers()
    assert state_of(model) == before[0]
    assert [(name, key) for name in was for key in was[name] if now[name][key] != was[name][key]] == []
    assert [name for name in now if from_liger(vars(sys.modules[name]))] == []
