"""Every family, on a tiny twin: keep all, keep some, generate, reload, compose."""

import json
import os
import subprocess
import sys

import pytest
import torch

from shortstack.models.decoder import Decoder
from shortstack.models.parameters import count_parameters

KEPT = (0, 2, 3, 5)
FAMILIES = {
    "llama": {},
    "mistral": {"sliding_window": 4},
    "qwen2": {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 3},
    "qwen3": {"head_dim": 8},
    "gemma2": {"head_dim": 8, "sliding_window": 4},
    "gemma3_text": {"head_dim": 8, "sliding_window": 4, "sliding_window_pattern": 3},
    "phi3": {},
    "gpt2": {},
    "gpt2-inverse": {"scale_attn_by_inverse_layer_idx": True},
    "gpt_neox": {},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "olmo2": {},
    "smollm3": {"no_rope_layers": [1, 0, 1, 0, 1, 1]},
    "mixtral": {"num_local_experts": 4},
    "qwen2_moe": {
        "decoder_sparse_step": 2,
        "mlp_only_layers": [3],
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    },
    "stablelm": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 3]], "num_layers": 6, "num_heads": 4, "window_size": 4},
    "gpt_oss": {"num_local_experts": 4, "sliding_window": 4, "head_dim": 8, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "llama4_text": {"intermediate_size_mlp": 48, "num_local_experts": 4, "attention_chunk_size": 4, "head_dim": 8},
    "cohere2": {"sliding_window": 4},
    "granite": {},
    "bloom": {},
}  # fmt: skip


WIDER = {"bloom", "cohere2", "gpt_neo", "gpt_oss", "granite", "llama4_text"}
PARAMETERS = [pytest.param(name, marks=pytest.mark.full) if name in WIDER else name for name in sorted(FAMILIES)]


@pytest.fixture(params=PARAMETERS, scope="module")
def family(request, teacher_of):
    """One teacher a family; windows of four tokens, so that the kind of each layer matters."""
    return teacher_of(request.param.removesuffix("-inverse"), **FAMILIES[request.param])


@pytest.fixture(scope="module")
def student(family, build):
    """Four of its six layers."""
    return build(family, KEPT)


@pytest.fixture
def prompts():
    """Two prompts of twelve tokens, longer than any window."""
    return torch.randint(3, 64, (2, 12), generator=torch.Generator().manual_seed(1))


def logits(model, prompts):
    """Logits without a cache."""
    with torch.no_grad():
        return model(input_ids=prompts, attention_mask=torch.ones_like(prompts), use_cache=False).logits


def logits_of_kept(teacher, prompts, kept):
    """The teacher's logits when the other layers hand on what they were given."""
    layers = Decoder.of(teacher).layers

    def skip(_layer, args, kwargs, output):
        states = args[0] if args else kwargs["hidden_states"]
        return (states, *output[1:]) if isinstance(output, tuple) else states

    hooks = [
        layer.register_forward_hook(skip, with_kwargs=True) for index, layer in enumerate(layers) if index not in kept
    ]
    try:
        return logits(teacher, prompts)
    finally:
        for hook in hooks:
            hook.remove()


def test_law_29_keep_all_is_the_teacher(family, prompts, build):
    """A student that keeps every layer gives the teacher's logits, bit for bit."""
    student = build(family, range(6))

    assert torch.equal(logits(family, prompts), logits(student, prompts))


def test_kept_layers_are_the_teacher_with_the_others_skipped(family, prompts, student):
    """Exactly, but for GPT-2's folded scale, which rounds."""
    expected, actual = logits_of_kept(family, prompts, KEPT), logits(student, prompts)

    if student.config.shortstack["adapted_tensors"]:
        torch.testing.assert_close(expected, actual, rtol=1e-5, atol=1e-5)
    else:
        assert torch.equal(expected, actual)


def test_cached_generation_is_uncached_generation(family, prompts, build):
    """Without layer 0, whose index the cache asks for its length; the pitfall is silent."""
    student = build(family, (1, 2, 4))
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    settings |= {"output_logits": True, "return_dict_in_generate": True, "attention_mask": torch.ones_like(prompts)}
    cached = student.generate(prompts, use_cache=True, **settings)
    uncached = student.generate(prompts, use_cache=False, **settings)

    assert torch.equal(uncached.sequences, cached.sequences)
    torch.testing.assert_close(torch.stack(uncached.logits), torch.stack(cached.logits), rtol=1e-4, atol=1e-4)


def test_law_33_composition(family, student, build):
    """Shrinking twice is shrinking once by the composed map, tensor for tensor."""
    twice = build(student, (0, 2)).state_dict()
    once = build(family, (KEPT[0], KEPT[2])).state_dict()

    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_law_34_round_trip(prompts, student, tmp_path):
    """Saved and loaded: the same keys, tensors, logits and config."""
    from transformers import AutoModelForCausalLM

    student.save_pretrained(tmp_path)
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path, use_safetensors=True).eval()
    before, after = student.config.to_dict(), reloaded.config.to_dict()

    assert {**before, "_name_or_path": None} == {**after, "_name_or_path": None}
    assert torch.equal(logits(student, prompts), logits(reloaded, prompts))


def test_law_32_parameters_are_counted_once(student):
    """From the config, from the model, and by a plain sum over distinct tensors."""
    distinct = {p.data_ptr(): p.numel() for p in student.parameters()}
    count = count_parameters(student)

    assert sum(distinct.values()) == count.total
    assert count == count_parameters(student.config)


def test_law_37_trainable(prompts, student):
    """After one backward pass every parameter that took part has a finite gradient."""
    student(input_ids=prompts, attention_mask=torch.ones_like(prompts), labels=prompts).loss.backward()
    gradients = {name: p.grad for name, p in student.named_parameters() if p.grad is not None}

    assert all(bool(gradient.isfinite().all()) for gradient in gradients.values())
    assert all(p.requires_grad for p in student.parameters())
    inside = [name for name in gradients if name.startswith(f"{Decoder.of(student).path}.")]
    assert any(bool(gradients[name].abs().sum() > 0) for name in inside)


ALONE = """
import importlib.util, json, sys
sys.path = [path for path in sys.path if "framework" not in path and "plugins" not in path]
assert importlib.util.find_spec("shortstack") is None
import torch
from transformers import AutoModelForCausalLM
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    prompt = torch.arange(3, 15)[None]
    with torch.no_grad():
        logits = model(input_ids=prompt, attention_mask=torch.ones_like(prompt), use_cache=False).logits
    print(json.dumps(logits.flatten().tolist()))
assert "shortstack" not in sys.modules
"""


def _alone(folders):
    """Logits of saved models in a process that has only stock transformers on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    finished = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, folders)], env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


def _saved(teacher_of, build, folder, names):
    prompt = torch.arange(3, 15)[None]
    expected, folders = [], []
    for name in names:
        student = build(teacher_of(name.removesuffix("-inverse"), **FAMILIES[name]), KEPT)
        student.save_pretrained(folder / name)
        folders.append(folder / name)
        expected.append(logits(student, prompt).flatten().tolist())
    return expected, folders


def test_a_stranger_loads_the_student(teacher_of, build, tmp_path):
    """Stock transformers in another process, without shortstack: the same logits to the last bit."""
    expected, folders = _saved(teacher_of, build, tmp_path, ["llama"])

    assert expected == _alone(folders)


@pytest.mark.full
def test_a_stranger_loads_every_family(teacher_of, build, tmp_path):
    """The same for all families of the table."""
    expected, folders = _saved(teacher_of, build, tmp_path, sorted(FAMILIES))

    assert expected == _alone(folders)
