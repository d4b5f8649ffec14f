"""Every family, on a tiny twin: keep all, keep some, generate, reload, compose."""

from pathlib import Path

import pytest
import torch
from students.families_page import families_page, outcomes
from students.tiny_families import tiny_teacher

from shortstack.errors import UnsupportedModelError
from shortstack.models.decoder import Decoder
from shortstack.models.older_readers import FORMER
from shortstack.models.parameters import count_parameters

KEPT = (0, 2, 3, 5)
WANTED = [
    "bloom",
    "cohere",
    "deepseek_v3",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neo",
    "gpt_neox",
    "gpt_oss",
    "gptj",
    "granite",
    "llama",
    "llama4_text",
    "mistral",
    "mixtral",
    "olmo",
    "olmo2",
    "opt",
    "phi",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "smollm3",
    "stablelm",
    "starcoder2",
]
FAMILIES = (
    "gemma2",
    "gemma3_text",
    "gpt-sw3",
    "gpt2",
    "gpt_neox",
    "llama",
    "mistral",
    "mixtral",
    "olmo2",
    "opt",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "smollm3",
    "stablelm",
)
"""Those that are tried every time; ``docs/families.md`` is about all."""


@pytest.fixture(params=FAMILIES, scope="module")
def family(request):
    """One teacher a family; windows of four tokens, so that the kind of each layer matters."""
    return tiny_teacher(request.param)


@pytest.fixture(scope="module")
def student(family, build):
    """Four of its six layers."""
    return build(family, KEPT)


@pytest.fixture
def prompts():
    """Two prompts of twelve tokens, longer than any window."""
    return torch.randint(3, 64, (2, 12), generator=torch.Generator().manual_seed(1))


def logits(model, prompts):
    """Return logits without a cache."""
    with torch.no_grad():
        return model(input_ids=prompts, attention_mask=torch.ones_like(prompts), use_cache=False).logits


def logits_of_kept(teacher, prompts, kept):
    """Return the teacher's logits with the other layers as identities."""
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


def test_keep_all_is_the_teacher(family, prompts, build):
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
    """Cached generation works without layer 0, whose index the cache uses for its length; the pitfall is silent."""
    student = build(family, (1, 2, 4))
    settings = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    settings |= {"output_logits": True, "return_dict_in_generate": True, "attention_mask": torch.ones_like(prompts)}
    cached = student.generate(prompts, use_cache=True, **settings)
    uncached = student.generate(prompts, use_cache=False, **settings)

    assert torch.equal(uncached.sequences, cached.sequences)
    torch.testing.assert_close(torch.stack(uncached.logits), torch.stack(cached.logits), rtol=1e-4, atol=1e-4)


def test_composition(family, student, build):
    """Shrinking twice is shrinking once by the composed map, tensor for tensor."""
    twice = build(student, (0, 2)).state_dict()
    once = build(family, (KEPT[0], KEPT[2])).state_dict()

    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_round_trip(prompts, student, tmp_path):
    """Saved and loaded: the same keys, tensors, logits and config."""
    from transformers import AutoModelForCausalLM

    student.save_pretrained(tmp_path)
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path, use_safetensors=True).eval()
    before, after = (
        {name: value for name, value in model.config.to_dict().items() if name not in {"_name_or_path", *FORMER}}
        for model in (student, reloaded)  # the former names are for older readers; this one drops them
    )

    assert before == after
    assert torch.equal(logits(student, prompts), logits(reloaded, prompts))


def test_parameters_are_counted_once(student):
    """Parameter counts agree from the config, from the model, and by a plain sum over distinct tensors."""
    distinct = {p.data_ptr(): p.numel() for p in student.parameters()}
    count = count_parameters(student)

    assert sum(distinct.values()) == count.total
    assert count == count_parameters(student.config)


def test_trainable(prompts, student):
    """After one backward pass every parameter that took part has a finite gradient."""
    student(input_ids=prompts, attention_mask=torch.ones_like(prompts), labels=prompts).loss.backward()
    gradients = {name: p.grad for name, p in student.named_parameters() if p.grad is not None}

    assert all(bool(gradient.isfinite().all()) for gradient in gradients.values())
    assert all(p.requires_grad for p in student.parameters())
    inside = [name for name in gradients if name.startswith(f"{Decoder.of(student).path}.")]
    assert any(bool(gradients[name].abs().sum() > 0) for name in inside)


def test_the_page_of_all_families_names_what_people_use():
    """The page, generated by trying each family, holds no wrong outcome, and popular families work."""
    page = (Path(__file__).parents[2] / "docs" / "families.md").read_text(encoding="utf-8")
    missing = [name for name in WANTED if f"| `{name}` | works |" not in page]

    assert missing == []
    assert "| wrong |" not in page
    assert page.count(" | works | ") >= 100


@pytest.mark.full
def test_the_page_is_what_trying_all_families_gives():
    """``python docs/generate.py --families`` was run after the last change."""
    page = (Path(__file__).parents[2] / "docs" / "families.md").read_text(encoding="utf-8").splitlines()
    lines = families_page().splitlines()

    assert [line for line in lines if line not in page] == []
    assert lines == page


def test_a_stranger_loads_the_student():
    """Stock transformers in another process, without shortstack, gives the same tensors, and logits within rounding."""
    (outcome,) = outcomes(["llama"])

    assert (outcome.result, outcome.why) == ("works", "")


def test_a_hybrid_that_would_lose_its_attention(build):
    """The family's own config class says what it cannot be."""
    with pytest.raises(
        UnsupportedModelError, match=r"olmo_hybrid cannot say which layers.*at least one attention layer"
    ):
        build(tiny_teacher("olmo_hybrid"), (0, 2))
