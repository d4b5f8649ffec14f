"""Ranking metrics as objectives."""

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shortstack import build_student, measure_importance
from shortstack.contracts import Selection
from shortstack.errors import UnknownNameError
from shortstack.evaluation.objectives import ranking_objective

CANDIDATES = torch.tensor([3, 9, 4, 7, 1])


@pytest.fixture
def model():
    """A Llama of four layers, whose logits differ enough to be ranked."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 12, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=2, initializer_range=0.5)).eval()


@pytest.fixture
def batch():
    """Three examples; the second has two labels and the third none."""
    ids = torch.tensor([[5, 2, 9], [3, 4, 7], [1, 1, 1]])
    labels = torch.tensor([[-100, -100, 9], [-100, 4, 7], [-100, -100, -100]])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def by_hand(model, batch, cutoff):
    """Compute NDCG from a sorted list."""
    with torch.no_grad():
        logits = model(batch["input_ids"]).logits
    values = []
    for row, labels in enumerate(batch["labels"].tolist()):
        total = 0.0
        for position, label in enumerate(labels):
            if label != -100:
                ranked = sorted(CANDIDATES.tolist(), key=lambda token: -float(logits[row, position - 1, token]))
                rank = 1 + ranked.index(label)
                total += 1 / math.log2(rank + 1) if rank <= cutoff else 0.0
        values.append(total)
    return values


@pytest.mark.parametrize("cutoff", [1, 3, 5])
def test_ndcg_by_hand(model, batch, cutoff):
    """Only candidates are ranked; an example's labels add up."""
    values = ranking_objective(CANDIDATES, "ndcg", cutoff)(model, **batch)

    assert values.tolist() == pytest.approx(by_hand(model, batch, cutoff))


def test_the_oracle_on_ndcg(model, batch):
    """Scores are the NDCG lost without a layer, over the labelled examples."""
    scores = measure_importance(model, [batch], ["drop-loss"], objective=ranking_objective(CANDIDATES, "ndcg", 5))
    whole = sum(by_hand(model, batch, 5)) / 2
    for index in range(4):
        pruned = build_student(
            model, Selection(kept=tuple({0, 1, 2, 3} - {index}), of=4, strategy="", budget="", reason="")
        )
        without = sum(by_hand(pruned, batch, 5)) / 2
        assert float(scores["drop-loss"].scores[index]) == pytest.approx(whole - without)


def test_an_unknown_metric():
    """The nearest is suggested."""
    with pytest.raises(UnknownNameError, match="unknown ranking metric 'ndgc'; did you mean 'ndcg'"):
        ranking_objective(CANDIDATES, "ndgc")
