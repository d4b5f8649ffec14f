"""Plain callables as losses: functions, partials, and modules of torch, whose parameters are trained."""

import json
from functools import partial

import pytest
import torch
from torch import nn

from shortstack.config.given import Given
from shortstack.config.run import RunConfig
from shortstack.config.writer import unstructure
from shortstack.distillation.fitting import fit
from shortstack.distillation.weighted_losses import WeightedLoss, weighted_losses
from shortstack.errors import ConfigurationError
from shortstack.pipeline.distillation import distillation_stage
from shortstack.planning.schedule import Round
from shortstack.registry import Registry


def scaled(student, teacher, labels, *, scale=1.0):
    """Squared difference of the logits, scaled."""
    return scale * (student - teacher).square().mean(-1)


def other(student, teacher, labels, *, scale=1.0):
    """Absolute difference of the logits, scaled."""
    return scale * (student - teacher).abs().mean(-1)


class Learnt(nn.Module):
    """Squared difference after a learnt factor of the student's logits."""

    def __init__(self, factor=3.0):
        """Start from a factor."""
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, student, teacher, labels):
        """One value a position."""
        return (self.factor * student - teacher).square().mean(-1)


class Scale:
    """An object that can be called."""

    def __init__(self, scale):
        """Keep the scale."""
        self.scale = scale

    def __call__(self, student, teacher, labels):
        """As ``scaled``."""
        return scaled(student, teacher, labels, scale=self.scale)


def trainer(stage, folder, loss):
    """Return a trainer by one loss, with a folder of its own: in the same one it would go on where the last ended."""
    return stage.trainer(losses={"mine": {"loss": loss}}, balancing="fixed", folder=folder)


def curve(stage, folder, loss):
    """Return the loss at each step of a short training."""
    return [entry["loss"] for entry in fit(trainer(stage, folder, loss))]


def tables(**losses):
    """Return the settings of a run with these losses."""
    return {"data": {"source": "x"}, "teacher": {"path": "y"}, "distillation": {"losses": losses}}


def key(loss):
    """Return what the distillation depends on, as the stage's key hashes it."""
    run = RunConfig.from_mapping(tables(mine=loss))
    depends_on = distillation_stage(Round(number=1, steps=1)).depends_on
    return json.dumps(unstructure(depends_on(run, Registry.from_environment())), sort_keys=True)


@pytest.mark.parametrize(
    "loss",
    [
        partial(scaled, scale=2.0),
        pytest.param(partial(partial(scaled), scale=2.0), marks=pytest.mark.full),
        pytest.param(Scale(2.0), marks=pytest.mark.full),
    ],
)
def test_a_partial_is_the_function_with_its_arguments(stage, tmp_path, loss):
    """Step by step the same as a function with the argument written into it."""

    def doubled(student, teacher, labels):
        return scaled(student, teacher, labels, scale=2.0)

    ours, theirs, others = (curve(stage, tmp_path / str(n), one) for n, one in enumerate((loss, doubled, scaled)))

    assert ours == theirs != others


@pytest.mark.parametrize(
    "make", [lambda scale: partial(scaled, scale=scale), Scale, Learnt], ids=["partial", "object", "module"]
)
def test_the_key_follows_the_arguments(make):
    """Equal callables give one key; another argument, weight or function gives another."""
    assert key(make(2.0)) == key(make(2.0)) != key(make(4.0))
    assert key(make(2.0)) != key(partial(other, scale=2.0))


def test_a_partial_goes_by_its_functions_name():
    """In messages, results and ``plugins``."""
    (loss,) = weighted_losses(RunConfig.from_mapping(tables(mine=partial(scaled, scale=2.0))).distillation.losses, None)

    assert (loss.name, str(Given.of(partial(partial(scaled), scale=2.0)))) == ("mine", "scaled")
    assert "scaled" in loss.component


def test_a_modules_parameters_are_trained_beside_the_student(stage, tmp_path):
    """A copy of it learns; the given one stays as it was, so that a second training is the same."""
    learnt = Learnt()
    trained_by = trainer(stage, tmp_path / "first", learnt)
    first = [entry["loss"] for entry in fit(trained_by)]
    (trained,) = trained_by.model.loss_modules.values()

    assert trained.factor.item() != 3.0
    assert learnt.factor.item() == 3.0
    assert learnt.factor.grad is None
    assert first == curve(stage, tmp_path / "again", learnt) != curve(stage, tmp_path / "other", Learnt(1.0))
    assert not any("factor" in name for name, _ in trained_by.student.named_parameters())


@pytest.mark.parametrize(
    ("loss", "problem"),
    [
        (lambda student, teacher: student, "too many positional arguments"),
        (partial(scaled, None), "too many positional arguments"),
        (partial(lambda one, two, three, four: one), "missing a required argument: 'four'"),
        (nn.KLDivLoss(), "too many positional arguments"),
    ],
    ids=["two", "partial of three", "partial of four", "module of two"],
)
def test_others_are_refused_with_what_is_needed(loss, problem):
    """Before any work, with the reason of Python."""
    losses = RunConfig.from_mapping(tables(mine=loss)).distillation.losses

    with pytest.raises(ConfigurationError, match=rf"must be callable with \(student, teacher, labels\).*{problem}"):
        weighted_losses(losses, None)


def test_an_incomplete_loss_is_told_what_it_lacks():
    """What has some of a loss's members is meant as one, and not as a function of logits."""

    class NoCount:
        needs = frozenset()

        def prepare(self, teacher, student, selection):
            """Nothing."""

        def __call__(self, student, teacher, labels):
            """Nothing."""

    losses = RunConfig.from_mapping(tables(mine=NoCount())).distillation.losses

    with pytest.raises(ConfigurationError, match="this loss is a NoCount, which lacks count"):
        weighted_losses(losses, None)


def test_a_function_by_its_name_is_a_loss():
    """As in ``Run(losses=…)``; it was looked up as a plugin."""
    mine, labels = weighted_losses({"mine": scaled, "labels": 2.0}, Registry.from_environment())

    assert (mine.name, mine.weight, labels.weight) == ("mine", 1.0, 2.0)
    table = weighted_losses({"mine": {"loss": scaled}}, Registry.from_environment())
    assert mine.component == table[0].component


def test_a_list_of_names_is_refused():
    """Names have weights; it ended in an AttributeError."""
    with pytest.raises(ConfigurationError) as caught:
        weighted_losses(["labels"], None)
    assert str(caught.value) == (
        "a list of losses holds WeightedLoss objects, got 'labels'; for names give weights, as in {'labels': 1.0}"
    )


@pytest.mark.parametrize("additive", [True, False])
def test_a_weighted_loss_under_a_name_keeps_its_promises(additive):
    """A ``WeightedLoss`` in a table of losses is as additive, as sampled and as heavy as it says, directly and in a run."""
    registry = Registry.from_environment()
    mine = WeightedLoss(name="mine", loss=registry.build("loss", "soft-targets", {}), weight=2.0, additive=additive)

    for losses in ({"other": mine}, {"other": Given.of(mine, name="mine")}):
        (built,) = weighted_losses(losses, registry)
        assert (built.additive, built.sampled, built.weight) == (additive, None, 2.0)


def test_a_name_that_is_no_text_is_refused():
    """In a run, where it was read as the loss '3', and from Python, where it went on as a number; the setting is named."""
    says = r"takes a table whose names are texts, got the name 3"
    with pytest.raises(ConfigurationError, match=rf"^distillation\.losses {says}; write '3'$"):
        RunConfig.from_mapping({**tables(mine=scaled), "distillation": {"losses": {3: 1.0}}})
    with pytest.raises(ConfigurationError, match=rf"^losses {says}$"):
        weighted_losses({3: scaled}, Registry.from_environment())
