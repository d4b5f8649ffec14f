"""Models with layers that cannot be scored: refused by name, never scored wrongly."""

from types import ModuleType

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertLMHeadModel, T5Config, T5ForConditionalGeneration

from shortstack.contracts import ScorerDescriptor
from shortstack.errors import PluginError, UnsupportedModelError
from shortstack.hooks import hookimpl
from shortstack.importance.measure import measure_importance, next_token
from shortstack.models.attention import observing_attention
from shortstack.registry import Origin, Registry


@pytest.fixture
def model(tiny):
    """A float32 Llama."""
    return tiny("llama", torch.float32)


def test_a_layer_that_runs_twice(model, batch, registry):
    """An objective that runs a layer twice is refused."""

    def twice(*given):
        return next_token(*given) + next_token(*given)

    with pytest.raises(
        UnsupportedModelError, match="layer 0 runs twice in one pass, so its signals cannot be separated"
    ):
        measure_importance(model, [batch], ["fisher"], objective=twice, registry=registry)


def test_a_layer_that_does_not_run(model, batch, registry):
    """An objective that does not run every layer is refused."""

    def early(model, ids, mask, labels):
        states = model.get_input_embeddings()(ids)
        angles = model.model.rotary_emb(states, torch.arange(ids.shape[1])[None])
        return model.model.layers[0](states, position_embeddings=angles).sum((1, 2))

    with pytest.raises(UnsupportedModelError, match="layer 1 did not run, so it has no score; the model skips layers"):
        measure_importance(model, [batch], ["fisher"], objective=early, registry=registry)


def test_a_layer_with_two_attentions(model, batch, registry):
    """A layer with two attentions is refused, as it has no single map."""
    forward = model.model.layers[1].self_attn.forward
    model.model.layers[1].self_attn.forward = lambda *a, **k: (forward(*a, **k), forward(*a, **k))[1]
    with pytest.raises(UnsupportedModelError, match="layer 1 attends more than once, so it has no one attention map"):
        measure_importance(model, [batch], ["attention"], registry=registry)


def test_a_layer_without_attention(model, batch, registry):
    """The attention score refuses layers without attention, as in recurrent hybrids; all other scorers work."""

    class Still(nn.Module):
        def forward(self, hidden_states, **_rest):
            """Nothing."""
            return hidden_states * 0, None

    model.model.layers[1].self_attn = Still()
    with pytest.raises(UnsupportedModelError, match="layer 1 has no attention that can be observed; ask for other"):
        measure_importance(model, [batch], ["attention"], registry=registry)
    assert measure_importance(model, [batch], ["fisher"], registry=registry)["fisher"].examples == 5


def test_an_objective_that_runs_another_model(model, batch, registry):
    """Layers are observed in a copy, which the objective receives; one that runs the model itself is refused."""

    def objective(_given, ids, mask, labels):
        return next_token(model, ids, mask, labels)

    with pytest.raises(
        UnsupportedModelError, match=r"layer 0 did not run, .*, or the objective runs another model than"
    ):
        measure_importance(model, [batch], ["block-influence", "fisher"], objective=objective, registry=registry)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_attention_of_another_implementation(tiny):
    """Modules of flash attention return no maps, and their masks are others."""
    model = tiny("gptj", torch.float32)
    model.config._attn_implementation_internal = "flash_attention_2"
    with (
        pytest.raises(
            UnsupportedModelError, match="cannot be observed as 'flash_attention_2'; load the model with attn_"
        ),
        observing_attention(model, lambda *_: None),
    ):
        pass


def test_attention_with_an_unknown_term(model, batch, registry):
    """Attention with an unknown term is refused rather than measured wrongly."""
    forward = model.model.layers[1].self_attn.forward
    model.model.layers[1].self_attn.forward = lambda *a, **k: forward(*a, **k, slopes=torch.ones(4))
    with pytest.raises(
        UnsupportedModelError, match="LlamaAttention takes a tensor 'slopes' whose part in the weights is"
    ):
        measure_importance(model, [batch], ["attention"], registry=registry)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_an_encoder(registry, batch, spread, dtype):
    """An encoder is refused since it sees its labels, even with small weights; 0.02 is BERT's initialisation."""
    sizes = {"vocab_size": 40, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    bert = BertLMHeadModel(BertConfig(**sizes, intermediate_size=24, initializer_range=spread)).to(dtype)

    with pytest.raises(UnsupportedModelError, match=r"BertLMHeadModel \(bert\) sees the tokens that it should predict"):
        measure_importance(bert, [batch], ["fisher"], registry=registry)


def test_an_encoder_with_a_decoder(registry, batch):
    """An encoder-decoder is refused, although one of its two layer lists has the length in its config."""
    sizes = {"vocab_size": 40, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 2, "num_decoder_layers": 3}
    t5 = T5ForConditionalGeneration(T5Config(**sizes, num_heads=4))

    said = r"T5ForConditionalGeneration \(t5\) is an encoder with a decoder; use a decoder-only causal language model"
    with pytest.raises(UnsupportedModelError, match=said):
        measure_importance(t5, [batch], ["magnitude"], registry=registry)


def test_dropout_is_no_sign_of_an_encoder(tiny, batch, registry):
    """A model in training mode is measured in evaluation mode, and restored."""
    model = tiny("gpt2", torch.float32).train()

    assert measure_importance(model, [batch], ["fisher"], registry=registry)["fisher"].examples == 5
    assert model.training


def test_a_plugin_that_builds_no_scorer(model, batch):
    """The error names the returned type and the plugin."""
    descriptor = ScorerDescriptor(name="mine", summary="No scorer.", build=lambda _config: 3.5)
    plugin = ModuleType("bad")
    plugin.shortstack_importance_scorers = hookimpl(specname="shortstack_importance_scorers")(lambda: [descriptor])
    registry = Registry()
    registry.register(plugin, Origin("bad", "main", "0.1"))

    with pytest.raises(PluginError, match=r"this scorer is a float, which lacks measure; .*\n.*\(bad:main 0\.1\)"):
        measure_importance(model, [batch], ["mine"], registry=registry)
