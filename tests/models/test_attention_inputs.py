"""Queries, keys and values read from models: those that the model's own attention is made of, and nothing is changed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from shortstack.contracts import Output
from shortstack.distillation.checks import check_attention
from shortstack.distillation.model_outputs import STUDENT_OUTPUTS, TEACHER_OUTPUTS
from shortstack.distillation.training_module import output_reader
from shortstack.errors import UnsupportedModelError
from shortstack.models.attention import observing_attention
from shortstack.models.candidates import candidate_logits
from shortstack.models.decoder import Decoder, model_inputs
from shortstack.testing.recipes.models import FAMILIES, TinyModel

SMALL = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4, "num_key_value_heads": 4,
    "max_position_embeddings": 32, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0,
}  # fmt: skip
JAMBA = {
    **SMALL, "model_type": "jamba", "num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1,
    "num_experts": 2, "num_experts_per_tok": 1, "use_mamba_kernels": False, "mamba_d_state": 4,
}  # fmt: skip
ZAMBA = {
    **SMALL, "model_type": "zamba", "num_hidden_layers": 6, "use_mamba_kernels": False, "mamba_d_state": 4,
    "layers_block_type": ["mamba", "hybrid", "mamba", "mamba", "hybrid", "mamba"], "attention_head_dim": 8,
    "n_mamba_heads": 2,
}  # fmt: skip
DEEPSEEK = {
    **SMALL, "model_type": "deepseek_v3", "num_hidden_layers": 2, "q_lora_rank": 8, "kv_lora_rank": 8,
    "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 6, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "n_group": 1, "topk_group": 1, "moe_intermediate_size": 8, "first_k_dense_replace": 1,
}  # fmt: skip
BLOOM = {"model_type": "bloom", "vocab_size": 40, "hidden_size": 16, "n_head": 4, "n_layer": 2}
MAMBA = {"model_type": "mamba", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}

IDS = torch.arange(1, 16).reshape(3, 5)
MASK = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 1, 1, 1, 1]])
ATTENTION = frozenset({Output.STUDENT_ATTENTION, Output.STUDENT_LOGITS})


def model_of(fields, **how):
    """Return a model of a config's fields, with fixed random weights, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**fields), **how).eval()


def read(model):
    """Return logits and attention of a model for one batch."""
    reader = output_reader(model, None, ATTENTION, STUDENT_OUTPUTS)
    return reader(IDS, MASK, MASK.bool()).whole(STUDENT_OUTPUTS, ATTENTION)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_they_make_the_models_own_attention(family, attention):
    """Queries and keys order each token's weights as the model's attention does; weights and values make its output."""
    if family == "gemma2" and attention == "sdpa":
        pytest.skip("Gemma 2 has no attention of this kind")
    model = TinyModel(family=family, layers=2, dtype="float32").build()
    model.set_attn_implementation(attention)
    weights = []
    with torch.no_grad():
        found = read(model).attention
        entering = _entering_matrices(model)
        with observing_attention(model, lambda seen, _: weights.append(seen)):
            model(**model_inputs(model, IDS, MASK))

    assert [0, 1] == list(found)
    for layer, inputs in found.items():
        group = inputs.queries.shape[1] // inputs.keys.shape[1]
        keys, values = (part.repeat_interleave(group, dim=1) for part in (inputs.keys, inputs.values))
        output = (weights[layer] @ values).transpose(1, 2).flatten(2)[MASK.bool()]
        assert _follows(inputs.queries @ keys.mT, weights[layer]), f"layer {layer}"
        assert any(output.shape == x.shape and torch.allclose(output, x, atol=1e-5) for x in entering[layer]), layer


def _entering_matrices(model):
    """Return for each layer a list that the model fills with the inputs of matrices at unmasked tokens."""
    seen = {layer: [] for layer in range(2)}
    for layer, block in enumerate(Decoder.of(model).layers):
        for module in block.modules():
            if isinstance(module, torch.nn.Linear | Conv1D):
                module.register_forward_pre_hook(lambda _, args, layer=layer: seen[layer].append(_unmasked(args[0])))
    return seen


def _unmasked(states):
    """Return the states of unmasked tokens; a matrix of experts gets some tokens only."""
    return states[MASK.bool()] if states.shape[:2] == MASK.shape else states


def _follows(products, weights):
    """Return True if in each row, weights above 0 rise with the products: masks, scales and soft caps keep the order."""
    for row, weight in zip(products.flatten(0, 2), weights.flatten(0, 2), strict=True):
        seen = weight > 0
        order = row[seen].argsort()
        if not bool((weight[seen][order].diff() > -1e-5).all()):
            return False
    return True


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_reading_changes_no_bit(family, attention):
    """The logits are those without reading, and the model, its configs and its modules stay as they were."""
    if family == "gemma2" and attention == "sdpa":
        pytest.skip("Gemma 2 has no attention of this kind")
    model = TinyModel(family=family, layers=2, dtype="float32").build()
    model.set_attn_implementation(attention)
    before = {name: dict(vars(module)) for name, module in model.named_modules()}
    with torch.no_grad():
        expected = candidate_logits(model, IDS, MASK, MASK.bool(), None)
        actual = read(model)

    assert torch.equal(expected, actual.logits)
    assert attention == model.config._attn_implementation
    assert before == {name: dict(vars(module)) for name, module in model.named_modules()}


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_values_are_those_of_the_projection(family):
    """Values have neither norm nor position: each is the projection, cut into key heads.

    The first pass of a reader comes after a trial of the model's head, so the last calls count.
    """
    model = TinyModel(family=family, layers=2, dtype="float64").build()
    seen = []
    for layer in model.model.layers:
        layer.self_attn.v_proj.register_forward_hook(lambda _module, _args, output: seen.append(output))
    with torch.no_grad():
        found = read(model).attention
    values = [inputs.values.transpose(1, 2).flatten(2) for inputs in found.values()]

    assert all(torch.equal(right, value) for right, value in zip(seen[-2:], values, strict=True))


def test_fused_projections():
    """GPT-2 has one matrix for all three, and no positions in queries and keys."""
    model = TinyModel(family="gpt2", layers=2, dtype="float64").build()
    seen = []
    for layer in model.transformer.h:
        layer.attn.c_attn.register_forward_hook(lambda _module, _args, output: seen.append(output))
    with torch.no_grad():
        found = read(model).attention

    for fused, inputs in zip(seen[-2:], found.values(), strict=True):
        parts = [p.transpose(1, 2).flatten(2) for p in (inputs.queries, inputs.keys, inputs.values)]
        assert torch.equal(fused, torch.cat(parts, -1))


@pytest.mark.filterwarnings("ignore")  # of kernels that are not installed
@pytest.mark.parametrize(("fields", "layers"), [(JAMBA, [1, 3]), (ZAMBA, [1, 4])], ids=["jamba", "zamba"])
def test_hybrids_give_the_layers_that_have_attention(fields, layers):
    """Zamba's layers share one attention, each call of which is filed under the layer that made it."""
    found = read(model_of(fields)).attention

    assert layers == list(found)
    first, last = (found[layer].values for layer in layers)
    assert not torch.equal(first, last)


def test_values_of_another_width():
    """DeepSeek's queries and keys are wider than its values; its experts hold configs too."""
    found = read(model_of(DEEPSEEK)).attention[1]

    assert (3, 4, 5, 8) == found.queries.shape == found.keys.shape
    assert (3, 4, 5, 6) == found.values.shape


@pytest.mark.parametrize("fields", [BLOOM, MAMBA], ids=["bloom", "mamba"])
@pytest.mark.parametrize("outputs", [STUDENT_OUTPUTS, TEACHER_OUTPUTS], ids=["student", "teacher"])
def test_models_without_attention_to_read(fields, outputs):
    """They are refused before anything runs, and only if attention is asked for."""
    model = model_of(fields)
    message = rf"^{type(model).__name__} \({fields['model_type']}\) has no attention that goes through transformers'"
    with pytest.raises(UnsupportedModelError, match=message):
        output_reader(model, None, frozenset(Output), outputs)
    with pytest.raises(UnsupportedModelError, match=message):
        check_attention(model, {outputs.attention})
    check_attention(model, {outputs.states, outputs.logits})

    assert output_reader(model, None, frozenset({outputs.states}), outputs).states


def test_threads_read_their_own_attention():
    """Eight readers of one model at once, each of another batch, beside plain passes."""
    model = TinyModel(family="llama", layers=2, dtype="float32").build()
    reader = output_reader(model, None, ATTENTION, STUDENT_OUTPUTS)
    batches = [torch.roll(IDS, shift, dims=1) for shift in range(5)] * 8

    def queries(ids):
        with torch.no_grad():
            outputs = reader(ids, MASK, MASK.bool()).whole(STUDENT_OUTPUTS, ATTENTION)
            plain = candidate_logits(model, ids, MASK, MASK.bool(), None)
        return outputs.attention[1].queries, torch.equal(outputs.logits, plain)

    expected = [queries(ids)[0] for ids in batches]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(queries, batches))

    assert all(torch.equal(right, found) and same for right, (found, same) in zip(expected, results, strict=True))


@pytest.mark.filterwarnings("ignore:.*deprecated.*:FutureWarning")
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_checkpointed_layers_pass_on_the_gradient(attention):
    """Layers that run again on the way back give the same gradients, through queries, keys and values."""

    def gradients(*, checkpointed):
        model = TinyModel(family="qwen3", layers=2, dtype="float32").build()
        model.set_attn_implementation(attention)
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        found = read(model.train()).attention
        sum(
            (x.queries.sin() + x.queries.cos()).sum() + x.keys.sin().sum() + x.values.sin().sum()
            for x in found.values()
        ).backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    plain, saved = (gradients(checkpointed=checkpointed) for checkpointed in (False, True))

    assert plain.keys() == saved.keys()
    assert "model.layers.1.self_attn.v_proj.weight" in plain
    assert not any("layers.1.mlp" in name or "layers.1.self_attn.o_proj" in name for name in plain)
    assert all(torch.allclose(gradient, saved[name], atol=1e-5) for name, gradient in plain.items())


@pytest.mark.filterwarnings("ignore:.*deprecated.*:FutureWarning")
def test_reentrant_checkpoints_are_refused():
    """What is inside such a checkpoint has no gradient, so a loss on it would teach nothing."""
    model = TinyModel(family="llama", layers=2, dtype="float32").build().train()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    with pytest.raises(UnsupportedModelError, match=r"a loss on its attention would teach .* use_reentrant=False$"):
        read(model)
