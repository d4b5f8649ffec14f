"""What ``shortstack new`` writes is right: against independent loops, and under the kit's laws."""

import math

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from shortstack import build_student, measure_importance
from shortstack.contracts import LossBatch, ModelOutputs
from shortstack.errors import DataError, EmptyDataError, RowError, SourceNotFoundError
from shortstack.registry import KINDS
from shortstack.testing import check

HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"


def llama(layers):
    """A tiny model, the same each time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=layers,
        num_attention_heads=2,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_the_laws(plugins, kind):
    """Every law that binds it, on a few examples; its own suite tries more."""
    one = plugins[kind]
    outcomes = check(f"fresh-{kind}", kind, registry=one.registry, examples=2, shrink=False)

    assert [outcome.failure for outcome in outcomes if outcome.status == "failed"] == []
    assert "passed" in {outcome.status for outcome in outcomes}


class TestScorer:
    """``‖H_out − H_in‖ / ‖H_in‖``."""

    def test_against_numpy(self, plugins):
        """The same from transformers' hidden states, padding left out."""
        model, tokens = llama(3), torch.randint(1, 20, (2, 5))
        mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
        batch = {"input_ids": tokens, "attention_mask": mask, "labels": tokens}
        found = measure_importance(model, [batch], ["fresh-scorer"], registry=plugins["scorer"].registry)[
            "fresh-scorer"
        ]
        with torch.no_grad():
            # transformers norms the last of these, so the last layer is left out
            states = model(tokens, attention_mask=mask, output_hidden_states=True).hidden_states
        seen = [layer[mask.bool()].double().numpy() for layer in states]
        expected = [np.linalg.norm(seen[k + 1] - seen[k]) / np.linalg.norm(seen[k]) for k in range(2)]

        np.testing.assert_allclose(found.scores[:2], expected, rtol=1e-5)
        assert found.examples == 2

    def test_nothing_seen(self, plugins):
        """A mean of nothing is an error."""
        scorer = plugins["scorer"].build()

        with pytest.raises(EmptyDataError, match=r"^the calibration examples have no tokens, so there is nothing to"):
            scorer.finish(torch.zeros(3, 4, dtype=torch.float64))


class TestStudent:
    """``θ*_l = mean(θ_l, …, θ_l+m)``."""

    def test_merges_what_follows(self, plugins):
        """Layers 2 and 3 go into layer 1, layer 5 into 4, layer 0 nowhere; the rest is the teacher's."""
        teacher = llama(6)
        student = build_student(teacher, (1, 4), "fresh-student", registry=plugins["student"].registry)
        theirs, ours = teacher.model.layers, student.model.layers
        weights = [layer.mlp.up_proj.weight for layer in theirs]

        torch.testing.assert_close(ours[0].mlp.up_proj.weight, (weights[1] + weights[2] + weights[3]) / 3)
        torch.testing.assert_close(ours[1].mlp.up_proj.weight, (weights[4] + weights[5]) / 2)
        assert torch.equal(student.lm_head.weight, teacher.lm_head.weight)
        assert "model.layers.0.mlp.up_proj.weight" in student.config.shortstack["adapted_tensors"]

    def test_keeping_all_is_the_teacher(self, plugins):
        """Nothing is dropped, so nothing is merged: every tensor is told as a copy."""
        teacher = llama(3)
        student = build_student(teacher, (0, 1, 2), "fresh-student", registry=plugins["student"].registry)

        assert student.config.shortstack["adapted_tensors"] == []

    def test_layers_of_another_build_are_left_out(self, plugins):
        """A mean needs equal shapes."""
        narrow, wide = torch.nn.Linear(2, 2), torch.nn.Linear(3, 2)
        means = plugins["student"].module.means

        assert means(narrow, [wide]) == {}
        assert means(narrow, []) == {}
        assert torch.equal(means(narrow, [wide, narrow])["weight"], narrow.weight)


class TestLoss:
    """``½ Σ_v |p − q|``."""

    @pytest.mark.parametrize("temperature", [1.0, 2.0])
    def test_against_a_loop(self, plugins, temperature):
        """The sum over positions, in plain Python."""
        loss = plugins["loss"].build({"temperature": temperature})
        student, teacher = torch.randn(2, 3, 4, dtype=torch.float64).unbind()
        batch = LossBatch(labels=torch.tensor([0, 1, 2]), mask=torch.ones(1, 3, dtype=torch.bool))
        expected = 0.0
        for ours, theirs in zip(student.tolist(), teacher.tolist(), strict=True):
            q, p = ([math.exp(x / temperature) for x in logits] for logits in (ours, theirs))
            expected += sum(abs(a / sum(p) - b / sum(q)) for a, b in zip(p, q, strict=True)) / 2
        found = loss(ModelOutputs(logits=student), ModelOutputs(logits=teacher), batch, None)

        assert found.item() == pytest.approx(expected, rel=1e-12)
        assert loss.count(batch).item() == 3

    def test_without_logits(self, plugins):
        """A trainer that does not hand over what was asked for is wrong."""
        batch = LossBatch(labels=torch.tensor([0]), mask=torch.ones(1, 1, dtype=torch.bool))

        with pytest.raises(TypeError, match=r"^fresh-loss needs the logits of both models$"):
            plugins["loss"].build()(ModelOutputs(), ModelOutputs(), batch, None)


class TestDataset:
    """RecBole's atomic files."""

    @pytest.fixture
    def adapter(self, plugins):
        """The adapter."""
        return plugins["dataset"].build()

    @pytest.fixture
    def atomic(self, tmp_path):
        """Writes lines into a file and returns its path."""

        def write(*lines, header=HEADER):
            path = tmp_path / "tiny.inter"
            path.write_bytes("\n".join([header, *lines, ""]).encode("utf-8", "surrogateescape"))
            return path

        return write

    def test_reads(self, adapter, atomic):
        """Seconds become milliseconds; a column that nobody asked for is skipped."""
        path = atomic("u1\tb\t3\tx\t881250949", "u2\ta\t4.5\ty\t0.5", header=HEADER.replace("\tt", "\tmood:token\tt"))
        records = adapter.read(path)

        assert adapter.detect(path).name == "tiny"
        assert records.interactions.collect().rows() == [
            ("u1", "b", 3.0, 881_250_949_000),
            ("u2", "a", 4.5, 500),
        ]
        assert records.items.collect().rows() == [("a", None, None, None), ("b", None, None, None)]
        assert records.edition.facts == {"rows": 2}

    def test_windows_line_ends(self, adapter, atomic):
        """Are line ends."""
        records = adapter.read(atomic("u1\ta\t3\t1\r", header=f"{HEADER}\r"))

        assert records.interactions.collect().rows() == [("u1", "a", 3.0, 1000)]

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("u1\ta\tgood\t1", "rating:float 'good' is not a number"),
            ("u1\ta\tnan\t1", "rating:float 'nan' is not a number"),
            ("u1\ta\t1_0\t1", "rating:float '1_0' is not a number"),
            ("u1\ta\t3\t", "timestamp:float '' is not a number"),
            (
                "u1\ta\t3\t881250949000",
                "timestamp:float '881250949000' is beyond the year 2200; it should be in seconds",
            ),
            ("u1\t\t3\t1", "item_id:token is empty; it should be a name"),
            ("\ta\t3\t1", "user_id:token is empty; it should be a name"),
            ("u1\ta\t3", "3 fields, where the first line names 4"),
            ("", "1 fields, where the first line names 4"),
            ("u1\t\udcff\t3\t1", "byte 0xff is not UTF-8; save it as UTF-8"),
        ],
    )
    def test_bad_rows(self, adapter, atomic, line, problem):
        """By file and line, with the column and the value."""
        path = atomic("u1\ta\t3\t1", line, "u2\ta\t3\t1")
        with pytest.raises(RowError) as error:
            adapter.read(path)

        assert str(error.value) == f"{path}:3: {problem}"

    def test_not_there(self, adapter, tmp_path):
        """Nor is a folder a file."""
        with pytest.raises(SourceNotFoundError, match=r"is not there, or is a folder; give one \.inter file$"):
            adapter.read(tmp_path)

        assert adapter.detect(tmp_path / "none.inter") is None

    @pytest.mark.parametrize("header", ["", "user,item", HEADER.replace(":float", ""), "\udcff"])
    def test_no_atomic_file(self, adapter, atomic, header):
        """Without our columns it is somebody else's."""
        path = atomic("u1\ta\t3\t1", header=header)

        assert adapter.detect(path) is None
        with pytest.raises(
            DataError, match=r"tiny\.inter is no atomic file; a \.inter file's first line names user_id:"
        ):
            adapter.read(path)
