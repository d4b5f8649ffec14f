"""Sampled candidates: what is unbiased and what is not, what is computed, and that draws depend on seed and step alone."""

import math
from itertools import combinations

import pytest
import torch
from distillation.test_chunks import CANDIDATES, IDS, compare, gradients
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from students.tiny_families import tiny_teacher
from torch.nn import functional as F

from shortstack.config.training import FitSettings
from shortstack.distillation.fitting import fit
from shortstack.distillation.sampling import drawn_candidates, sampled_columns
from shortstack.distillation.weighted_losses import WeightedLoss, weighted_losses
from shortstack.errors import PluginError
from shortstack.models.head_split import Head
from shortstack_losses.labels import Labels, sampled_cross_entropy_sum
from shortstack_losses.soft_targets import DESCRIPTOR as SOFT_TARGETS


def sampled_loss(logits, labels, drawn):
    """Return the loss of logits ``(positions, candidates)`` from drawn candidates."""
    some = sampled_columns(labels, drawn, logits.shape[1])
    return sampled_cross_entropy_sum(logits[:, some.columns], some.labels, some.log_shares)


@given(st.integers(0, 999), st.integers(2, 6), st.data())
def test_the_denominator_is_right_on_average(seed, candidates, data):
    """Over all draws of so many candidates its mean is the softmax's, exactly, labels that are drawn included."""
    number = data.draw(st.integers(1, candidates))
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(1, candidates, generator=generator, dtype=torch.float64)
    label = torch.randint(candidates, (1,), generator=generator)
    draws = [torch.tensor(drawn) for drawn in combinations(range(candidates), number)]
    estimates = [(sampled_loss(logits, label, drawn) + logits[0, label[0]]).exp() for drawn in draws]

    torch.testing.assert_close(torch.stack(estimates).mean(), logits.exp().sum(), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("number", "furthest"), [(10, 0.08), (40, 0.02)])
def test_the_mean_gradient_approaches_the_full_one(number, furthest):
    """Of 100 candidates; without the shares it is another gradient, however many draws are averaged."""
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(3, 100, generator=generator, dtype=torch.float64), torch.tensor([7, 7, 93])
    # as after some training, where the label has about a third of the probability
    logits[range(3), labels] = 4.0
    logits.requires_grad_()
    (full,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), logits)

    def distance(shares):
        mean = torch.zeros_like(full)
        for step in range(2_000):
            some = sampled_columns(labels, drawn_candidates(100, number, seed=0, step=step), 100)
            loss = sampled_cross_entropy_sum(logits[:, some.columns], some.labels, shares(some.log_shares))
            mean += torch.autograd.grad(loss, logits)[0] / 2_000
        return float((mean - full).norm() / full.norm())

    assert distance(lambda log_shares: log_shares) < furthest
    # each drawn candidate stands for itself alone
    assert distance(lambda log_shares: log_shares.clamp_max(0.0)) > 4 * furthest


def test_each_candidate_is_drawn_as_often():
    """Over 2,000 steps, by a chi-square test; and each at most once in a step."""
    draws = [drawn_candidates(20, 5, seed=3, step=step) for step in range(2_000)]

    assert {5} == {len(set(drawn.tolist())) for drawn in draws}
    assert stats.chisquare(torch.cat(draws).bincount(minlength=20)).pvalue > 1e-3


def test_draws_depend_on_seed_and_step_alone():
    """The same on each rank and after a resume; another at the next step, and with another seed."""
    first = drawn_candidates(1_000, 10, seed=3, step=7)
    torch.manual_seed(1)

    assert torch.equal(first, drawn_candidates(1_000, 10, seed=3, step=7))
    assert not torch.equal(first, drawn_candidates(1_000, 10, seed=3, step=8))
    assert not torch.equal(first, drawn_candidates(1_000, 10, seed=4, step=7))
    assert [0, 1, 2] == sorted(drawn_candidates(3, 10, seed=3, step=7).tolist()), "there are three alone"


@pytest.mark.parametrize("candidates", [CANDIDATES, None], ids=["items", "vocabulary"])
def test_all_candidates_drawn_is_the_whole_loss(candidates):
    """Sums and gradients are those of the full softmax."""
    model = tiny_teacher("gemma2").double()
    plain, drawn = (
        gradients(model, model, weighted_losses({"labels": settings}, None), candidates, scales=(0.5,))
        for settings in ({}, {"sampled": 1_000})
    )
    torch.testing.assert_close(drawn[:2], plain[:2], rtol=1e-6, atol=0)
    for name, gradient in plain[2].items():
        torch.testing.assert_close(drawn[2][name], gradient, rtol=0, atol=2e-6 * float(gradient.abs().max()) + 1e-12)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_chunks_change_nothing(monkeypatch, family):
    """The draw is of the step, so chunks of positions share it; a loss over all candidates is beside it."""
    model = tiny_teacher(family).double()
    losses = weighted_losses({"labels": {"sampled": 3}, "soft-targets": 1.0}, None)
    compare(monkeypatch, model, model, losses, None)


def test_only_labels_and_drawn_candidates_are_computed(monkeypatch):
    """The product with the output matrix has a column for each label of the batch and each that is drawn."""
    model, seen, head = tiny_teacher("llama").double(), [], Head.__call__

    def counted(self, rows):
        logits = head(self, rows)
        seen.append(tuple(logits.shape))
        return logits

    monkeypatch.setattr(Head, "__call__", counted)
    gradients(model, model, weighted_losses({"labels": {"sampled": 2}}, None), None, scales=(0.5,))
    # the 12 labels are 8 candidates: 3 to 9, but the first of each row is none; its head is tried on 1 and 3 positions
    labels = {int(token) for token in IDS[:, 1:].flatten() if token}
    columns = {shape[1] for shape in seen if shape[0] == 12}
    assert len(columns) == 1
    assert len(labels) <= columns.pop() <= len(labels) + 2


def test_micro_batches_are_one_batch(stage):
    """All micro-batches of a step share its draw: the curve is that of the whole batch."""

    def curve(accumulate):
        settings = FitSettings(steps=4, batch_size=8, accumulate=accumulate, warmup_steps=0, evaluate_every=1)
        folder = stage.folder / str(accumulate)
        trainer = stage.trainer(teacher=False, settings=settings, losses={"labels": {"sampled": 3}}, folder=folder)
        return [record["loss/labels"] for record in fit(trainer) if "loss/labels" in record]

    assert pytest.approx(curve(1), rel=1e-5) == curve(4)


def test_a_resumed_training_draws_the_same(stage, tmp_path):
    """Six steps at once, and six with a new trainer after three, give the same student bit for bit."""
    losses = {"labels": {"sampled": 3}}
    settings = FitSettings(steps=6, batch_size=8, warmup_steps=0, evaluate_every=3)
    once = stage.trainer(teacher=False, losses=losses, settings=settings, folder=tmp_path / "once")
    fit(once)
    again = stage.trainer(teacher=False, losses=losses, settings=settings, folder=tmp_path / "again")
    again.train(resume_from_checkpoint=str(tmp_path / "once" / "checkpoint-3"))

    for name, tensor in once.student.state_dict().items():
        assert torch.equal(tensor, again.student.state_dict()[name])


def test_it_learns(stage):
    """The full loss falls when three of twelve candidates are drawn at each step."""
    settings = FitSettings(steps=30, batch_size=24, warmup_steps=0, evaluate_every=1, learning_rate=1e-2)
    student = stage.tiny(2, seed=1)

    def full():
        batch = {name: torch.stack([row[name] for row in stage.examples]) for name in stage.examples[0]}
        trainer = stage.trainer(student, False, losses={"labels": 1.0})
        with torch.no_grad():
            return float(trainer.compute_loss(trainer.model, batch))

    before = full()
    fit(stage.trainer(student, False, settings=settings, losses={"labels": {"sampled": 3}}))

    assert full() < 0.8 * before


def test_losses_that_cannot_be_computed_from_some():
    """One that needs a teacher, and a number below 1."""
    soft = SOFT_TARGETS.build(SOFT_TARGETS.config())
    for loss, number in ((soft, 5), (Labels(), 0)):
        with pytest.raises(PluginError, match=rf"^loss 'mine' asks for {number} sampled candidates; there must be at"):
            WeightedLoss(name="mine", loss=loss, sampled=number)


def test_a_batch_without_shares_is_of_all_candidates():
    """The loss by itself, as the conformance kit calls it, is the full softmax whatever the setting."""
    (weighted,) = weighted_losses({"labels": {"sampled": 4}}, None)

    assert weighted.sampled == 4
    assert math.isfinite(float(sampled_loss(torch.zeros(2, 9), torch.tensor([1, 1]), torch.tensor([1, 3]))))
