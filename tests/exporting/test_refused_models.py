"""Models that cannot be exported, each in a line."""

import attrs
import pytest
import torch
from transformers import LlamaModel

from shortstack.errors import UnsupportedModelError
from shortstack.exporting import onnx_graph, tracing
from shortstack.exporting.graph import BestItems


def failing(error):
    """A function that raises."""

    def fail(*_, **__):
        raise error

    return fail


def test_tracing_fails(recommender, monkeypatch):
    """Why, and where to read on."""
    monkeypatch.setattr(tracing, "export", failing(RuntimeError("data-dependent\nbranch")))
    with pytest.raises(
        UnsupportedModelError, match=r"\(llama\) cannot be exported: .* \(data-dependent branch\); docs/export"
    ):
        tracing.traced(BestItems(recommender, 3), 4)


def test_no_counterpart(tmp_path, monkeypatch):
    """The other format is named."""
    error = torch.onnx.errors.OnnxExporterError("step 3")
    error.__cause__ = NotImplementedError("no operator aten::odd")
    monkeypatch.setattr(torch.onnx, "export", failing(error))
    with pytest.raises(
        UnsupportedModelError, match=r"cannot be exported to ONNX \(no operator aten::odd\); use --format torch-export"
    ):
        onnx_graph.write_onnx(None, tmp_path)


def test_no_head(recommender):
    """A model without a head ranks nothing."""
    headless = attrs.evolve(recommender, model=LlamaModel(recommender.model.config).eval())
    with pytest.raises(UnsupportedModelError, match="LlamaModel has no output head, so it cannot rank candidates"):
        BestItems(headless, 3)


def test_a_head_that_is_not_called(recommender):
    """Its logits would be of other positions."""
    graph = BestItems(recommender, 3)
    graph.head.model = recommender.model
    with pytest.raises(UnsupportedModelError, match="LlamaForCausalLM does not call its output head"):
        graph(torch.tensor([[1, 2]]), torch.tensor([[1, 2]]))
