"""Stock language models as rankers."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from shortstack.evaluation.evaluator import RecommendationEvaluator
from shortstack.evaluation.rankers import ModelRanker, Ranker

ITEMS = 40

CONFIGS = {
    "llama": LlamaConfig(
        vocab_size=ITEMS + 1,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
        attention_dropout=0.5,
    ),
    "gpt2": GPT2Config(
        vocab_size=ITEMS + 1, n_embd=16, n_layer=2, n_head=2, n_positions=32, bos_token_id=None, eos_token_id=None
    ),
}


@pytest.fixture(params=CONFIGS)
def model(request):
    """A tiny model whose token 0 pads, and whose item i is token i + 1."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[request.param], dtype=torch.float64)


def ranker(model, **settings):
    """Return a ranker over all items."""
    return ModelRanker(model=model, candidates=torch.arange(1, ITEMS + 1), **settings)


def some_histories():
    """Return twelve histories of 0 to 11 items, out of order."""
    generator = np.random.default_rng(1)
    return [generator.integers(ITEMS, size=length) for length in generator.permutation(12)]


def test_scores_are_the_models_logits_after_the_last_item(model):
    """Each history alone, unpadded, through the whole model: the same numbers."""
    scores = ranker(model, window=8, batch_size=5).scores(some_histories())

    model.eval()
    for row, history in enumerate(some_histories()):
        if len(history):
            tokens = torch.from_numpy(history[-8:])[None] + 1
            with torch.no_grad():
                expected = model(tokens).logits[0, -1, 1:]
            torch.testing.assert_close(scores[row], expected.float())


def test_batches_change_nothing(model):
    """Scores of single cases equal those of a batch."""
    alone, together = (ranker(model, batch_size=size).scores(some_histories()) for size in (1, 64))

    torch.testing.assert_close(alone, together)


def test_a_case_without_history_has_equal_scores(model):
    """The model is not run, and the target gets the middle rank."""
    empty = np.empty(0, dtype=np.int64)

    assert ranker(model).scores([empty, empty]).abs().max() == 0
    assert ranker(model).scores([]).shape == (0, ITEMS)


def test_the_models_mode_is_restored(model):
    """Dropout is off while it scores, and on again afterwards."""
    model.train()
    first, again = (ranker(model).scores(some_histories()) for _ in range(2))

    assert torch.equal(first, again)
    assert model.training
    model.eval()
    ranker(model).scores(some_histories())
    assert not model.training


def test_items_may_have_any_tokens(model):
    """Candidates map dense ids to tokens, in any order; the columns stay those of the items."""
    tokens = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(0)) + 1
    history = np.array([4, 7])

    scores = ModelRanker(model=model, candidates=tokens).scores([history])[0]

    model.eval()
    expected = model(tokens[history][None]).logits[0, -1][tokens]
    torch.testing.assert_close(scores, expected.float())


def test_a_model_is_evaluated_with_a_loss(model, random_sequences):
    """The mean over cases of the target's cross-entropy among all items, by the model's own logits."""
    cases = random_sequences.cases("test")
    evaluation = RecommendationEvaluator(seen="include").evaluate(ranker(model), cases)
    model.eval()
    losses = []
    for case, target in enumerate(cases.targets):
        history = torch.from_numpy(cases.history(case)[-50:])
        with torch.no_grad():
            logits = model(history[None] + 1).logits[0, -1, 1:] if len(history) else torch.zeros(ITEMS)
        losses.append(-logits.log_softmax(-1)[target].item())

    assert isinstance(ranker(model), Ranker)
    assert evaluation.metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_scores_are_float32_in_half_precision_too():
    """Ranks and losses are not computed in bfloat16."""
    half = AutoModelForCausalLM.from_config(CONFIGS["llama"], dtype=torch.bfloat16)

    assert torch.float32 == ranker(half).scores(some_histories()).dtype


@pytest.mark.parametrize("setting", ["window", "batch_size"])
def test_settings_start_at_one(model, setting):
    """Settings below 1 are refused by name."""
    with pytest.raises(ValueError, match=f"'{setting}' must be >= 1: 0"):
        ranker(model, **{setting: 0})
