"""Position ids that models receive."""

import pytest
import torch
from students.tiny_families import tiny_teacher
from transformers import AutoConfig, AutoModelForCausalLM

from shortstack.errors import UnsupportedModelError
from shortstack.importance.measure import measure_importance
from shortstack.models.decoder import first_position, model_inputs, most_tokens

LIKE_ROBERTA = (
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "data2vec-text",
    "xmod",
)


def small(model_type):
    """Return a decoder of two layers with twelve positions."""
    torch.manual_seed(0)
    more = {"languages": ["en_XX"], "default_language": "en_XX"} if model_type == "xmod" else {}
    config = AutoConfig.for_model(
        model_type, vocab_size=20, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=12, is_decoder=True, pad_token_id=1, bos_token_id=0, eos_token_id=2, initializer_range=0.5, **more,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize(("model_type", "first"), [*((name, 2) for name in LIKE_ROBERTA), ("bert", 0), ("llama", 0)])
@torch.no_grad()
def test_the_forward_pass_is_the_models_own(model_type, first):
    """Logits equal those without explicit positions, on either padding side; the number of positions is known."""
    model = small(model_type)
    tokens = torch.arange(3, 11)[None]
    expected = model(input_ids=tokens).logits
    assert first_position(model) == first
    assert most_tokens(model) == 12 - first
    for width, places in ((8, slice(0, 8)), (10, slice(2, 10)), (10, slice(0, 8))):
        padded, mask = torch.ones(1, width, dtype=torch.long), torch.zeros(1, width, dtype=torch.long)
        padded[:, places], mask[:, places] = tokens, 1
        logits = model(**model_inputs(model, padded, mask)).logits[:, places]
        torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scorer", ["fisher", "drop-loss"])
@pytest.mark.parametrize("family", ["rwkv", "recurrent_gemma", "bart", "roformer"])
def test_padding_that_is_heard_is_refused(family, scorer, batch, registry):
    """Left padding is refused for recurrent models and those that count positions themselves; right padding is not."""
    model = tiny_teacher(family)
    right = on_the_right(batch)

    with pytest.raises(
        UnsupportedModelError,
        match=rf"\({family}\) gives other logits where an example is padded on the left.* batch 1, though",
    ):
        measure_importance(model, [right, batch], [scorer], registry=registry)
    assert measure_importance(model, [right], [scorer], registry=registry)[scorer].examples == 5


def on_the_right(batch):
    """Return the same examples, padded on the right."""
    order = (1 - batch["attention_mask"]).argsort(dim=1, stable=True)
    return {name: tensor.gather(1, order) for name, tensor in batch.items()}
