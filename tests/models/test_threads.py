"""Thread safety: sixteen threads on one model give the results of one, under frequent thread switches."""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import attrs
import numpy as np
import pytest
import torch

from shortstack import CompactStudentModel, measure_importance
from shortstack.data.catalogue import Catalogue, Item, Option
from shortstack.distillation.training_module import TrainingModule
from shortstack.evaluation.rankers import ModelRanker
from shortstack.testing.recipes.models import TinyModel

THREADS = 16
ITEMS = 30


@pytest.fixture(autouse=True)
def _restless():
    """Python changes threads a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def at_once(call, cases):
    """Return a call's results for each case, from concurrent threads, each of which starts at another case."""
    start = Barrier(THREADS)

    def work(first):
        start.wait()
        turned = [*cases[first % len(cases) :], *cases[: first % len(cases)]]
        results = [call(case) for case in turned]
        return [results[(place - first) % len(cases)] for place in range(len(cases))]

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


@pytest.fixture
def model():
    """Two layers with dropout, as GPT-2 has by default, in evaluation mode."""
    return TinyModel(family="gpt2", layers=2, dtype="float32").build()


@pytest.fixture
def items():
    """Thirty of them."""
    return [Item(id=f"m{i}", title=f"Film {i}", token=i + 1) for i in range(ITEMS)]


def test_recommending(model, items):
    """Histories of many lengths, of several users and one."""
    student = CompactStudentModel(model=model, catalogue=Catalogue(items=items), window=6)
    cases = [[[f"m{(7 * i + j) % ITEMS}" for j in range(1 + (i + u) % 8)] for u in range(1 + i % 3)] for i in range(8)]
    expected = [student.recommend_many(case, k=5) for case in cases]

    assert [expected] * THREADS == at_once(lambda case: student.recommend_many(case, k=5), cases)


def test_rating(model, items):
    """Predictions of a rating model do not depend on threads."""
    options = [Option(value=value, token=31 + place) for place, value in enumerate((1.0, 2.0, 3.0))]
    student = CompactStudentModel(model=model, catalogue=Catalogue(items=items, options=options), window=6)
    cases = [([(f"m{i + j}", 1.0 + j % 3) for j in range(i)], f"Film {20 + i}") for i in range(6)]
    expected = [student.rate(*case) for case in cases]

    assert [expected] * THREADS == at_once(lambda case: student.rate(*case), cases)


@pytest.mark.parametrize("mode", [True, False])
def test_evaluating(model, mode):
    """Concurrent evaluation gives the same scores, and no module's mode changes, even in training mode."""
    model.train(mode)
    ranker = ModelRanker(model=model, candidates=torch.arange(1, ITEMS))
    cases = [[np.arange(i + 1, i + 2 + u) % 20 for u in range(3)] for i in range(6)]
    expected = [ranker.scores(case) for case in cases]
    results = at_once(lambda case: (ranker.scores(case), all(m.training is mode for m in model.modules())), cases)

    assert all(
        torch.equal(scores, right) and kept
        for row in results
        for (scores, kept), right in zip(row, expected, strict=True)
    )  # fmt: skip


def test_measuring():
    """All signals at once, in training mode, beside others who measure, and rank, the same model."""
    model = TinyModel(family="llama", layers=2, dtype="float32").build().train()
    ids = torch.arange(1, 19).reshape(3, 6)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
    ranker = ModelRanker(model=model, candidates=torch.arange(1, ITEMS))
    names = ["fisher", "taylor", "block-influence", "attention", "drop-loss"]

    def measured(_case):
        scores = {
            name: importance.scores.tolist() for name, importance in measure_importance(model, [batch], names).items()
        }
        return scores, ranker.scores([np.arange(4)]).tolist()

    modes = [(p.requires_grad, p.grad) for p in model.parameters()]
    expected = measured(None)

    assert [[expected]] * THREADS == at_once(measured, [None])
    assert modes == [(p.requires_grad, p.grad) for p in model.parameters()]


def test_training_with_embedding_dropout_beside_readers(model, items):
    """Training steps without updates, while other threads request recommendations from the same model."""
    student = CompactStudentModel(model=model, catalogue=Catalogue(items=items), window=6)
    case = [[f"m{i}" for i in range(5)]]
    expected = student.recommend_many(case, k=5)
    module = TrainingModule(model, (), (), None, 0.5).train()
    module._read = attrs.evolve(module._read, logits=True)  # which no loss needs here
    ids = torch.arange(1, 13).reshape(2, 6)

    def step():
        outputs = module._read(ids, torch.ones_like(ids), ids > 3, module._dropping())
        logits = outputs.logits_of(slice(None))
        logits.sum().backward()
        return logits.detach()

    torch.manual_seed(3)
    dropped = [step() for _ in range(8)]
    gradient = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    torch.manual_seed(3)
    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(lambda: [student.recommend_many(case, k=5) for _ in range(25)]) for _ in range(4)]
        again = [step() for _ in range(8)]
        results = [reader.result() for reader in readers]

    assert not torch.equal(dropped[0], dropped[1])
    assert all(torch.equal(first, other) for first, other in zip(dropped, again, strict=True))
    assert torch.equal(gradient, model.get_input_embeddings().weight.grad)
    assert [[expected] * 25] * 4 == results


def test_loading_leaves_what_is_logged(model, items, tmp_path):
    """Concurrent loading restores the verbosity of transformers' logging that the first thread found."""
    from transformers.utils import logging

    CompactStudentModel(model=model, catalogue=Catalogue(items=items), window=6).save_pretrained(tmp_path / "student")
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    counts = at_once(lambda folder: len(CompactStudentModel.from_pretrained(folder).catalogue), [tmp_path / "student"])

    assert [[ITEMS]] * THREADS == counts
    assert before == (logging.get_verbosity(), logging.is_progress_bar_enabled())
