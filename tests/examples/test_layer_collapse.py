"""LaCo's merge, tensor by tensor; and that the student is stock, proved and honest about what it copied."""

import pytest
import torch

from shortstack import build_student
from shortstack.errors import UnsupportedModelError
from shortstack.models import Decoder
from shortstack.testing import TinyModel


@pytest.fixture(scope="module")
def teacher():
    """Six layers, every weight drawn."""
    return TinyModel(family="llama", layers=6, seed=2, dtype="float32").build()


@pytest.fixture
def collapse(registry):
    """Builds the student."""

    def of(teacher, kept, **settings):
        return build_student(teacher, kept, "layer-collapse", settings=settings, registry=registry)

    return of


@pytest.mark.parametrize("strength", [1.0, 0.25])
def test_takes_up_the_differences(teacher, collapse, strength):
    """``θ_k + strength · Σ_j (θ_j − θ_k)`` by a float64 loop; the first layers are left out, the last taken up."""
    student = collapse(teacher, [1, 2, 4], strength=strength)
    theirs, ours = teacher.state_dict(), student.state_dict()
    for new, (kept, dropped) in enumerate([(1, ()), (2, (3,)), (4, (5,))]):
        for name in dict(Decoder.of(student).layers[new].named_parameters()):
            base = theirs[f"model.layers.{kept}.{name}"].double()
            expected = base.clone()
            for other in dropped:
                expected += strength * (theirs[f"model.layers.{other}.{name}"].double() - base)
            torch.testing.assert_close(ours[f"model.layers.{new}.{name}"].double(), expected, rtol=1e-6, atol=1e-6)


def test_many_into_one(teacher, collapse):
    """At strength 1 merging five layers into the first gives ``Σ_j θ_j − 4 θ_0``."""
    weight = "self_attn.q_proj.weight"
    layers = [teacher.state_dict()[f"model.layers.{j}.{weight}"].double() for j in range(6)]
    student = collapse(teacher, [0])

    expected = sum(layers[1:]) - 4 * layers[0]
    torch.testing.assert_close(
        student.state_dict()[f"model.layers.0.{weight}"].double(), expected, rtol=1e-5, atol=1e-5
    )


def test_only_merged_tensors_are_adapted(teacher, collapse):
    """The student's record names what is no copy: all of the layer that took something up, and nothing else."""
    student = collapse(teacher, [1, 2, 4, 5])
    merged = [name for name in student.state_dict() if name.startswith("model.layers.1.")]

    assert student.config.shortstack["architecture"] == "shortstack-layer-collapse/layer-collapse"
    assert student.config.shortstack["adapted_tensors"] == sorted(merged)


@pytest.mark.parametrize(
    ("kept", "settings"), [([0, 2], {"strength": 0.0}), (list(range(6)), {}), ([3, 4, 5], {})], ids=str
)
def test_nothing_to_take_up(teacher, collapse, kept, settings):
    """At strength 0, or with no higher layers dropped, the student is that of ``layer-subset``."""
    plain, student = build_student(teacher, kept).state_dict(), collapse(teacher, kept, **settings).state_dict()

    assert student.keys() == plain.keys()
    assert [name for name in plain if not torch.equal(student[name], plain[name])] == []


def test_half_precision_is_summed_in_float32(third_parties):
    """Differences that bfloat16 cannot hold one by one are not lost: 1 + 8 · 2⁻⁹ is 1 + 2⁻⁶, not 1."""
    collapsed = third_parties("layer-collapse").collapsed
    kept, step = torch.ones(1, dtype=torch.bfloat16), torch.tensor([1 + 2**-7], dtype=torch.bfloat16)

    assert collapsed(kept, [step] * 8, 0.25).item() == 1 + 2**-6


@pytest.mark.parametrize("family", ["gpt2", "qwen3", "gpt_neox", "opt", "gemma2", "mixtral"])
def test_other_families(collapse, family):
    """Pruned, proved and reloaded: the builder checks all of it."""
    student = collapse(TinyModel(family=family, layers=4, dtype="float32").build(), [0, 2])

    assert student.config.num_hidden_layers == 2


def test_layers_of_two_kinds(collapse):
    """A dense layer cannot take up a sparse one."""
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    config = Qwen3MoeConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        moe_intermediate_size=8,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        num_experts=3,
        num_experts_per_tok=2,
        mlp_only_layers=[0, 2],
        bos_token_id=None,
        eos_token_id=None,
    )
    message = (
        r"layer 1 cannot be collapsed into layer 0, which is built otherwise: mlp\.\S+ is not in both or has another "
        "shape; keep it, or use layer-subset"
    )
    with pytest.raises(UnsupportedModelError, match=message):
        collapse(Qwen3MoeForCausalLM(config), [0, 2])


def test_weights_that_depend_on_their_place(collapse):
    """GPT-2's inverse-layer scale is folded into a layer that moves, which then cannot be compared with others."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=40, n_embd=16, n_head=2, n_layer=4, n_positions=32, scale_attn_by_inverse_layer_idx=True,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    message = (
        r"layer 2 of GPT2LMHeadModel cannot take up others: its attn\.c_attn\.weight depends on the layer's place; "
        "use layer-subset"
    )
    with pytest.raises(UnsupportedModelError, match=message):
        collapse(GPT2LMHeadModel(config), [0, 2])
