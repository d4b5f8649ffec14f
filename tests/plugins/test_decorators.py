"""Plugins of one function: what they compute, what they are refused for, and the laws that they keep."""

import pytest
import torch
from torch.nn import functional as F

from shortstack import Registry, loss, scorer
from shortstack.contracts import Descriptor, LossBatch, ModelOutputs, Output
from shortstack.registry import Origin
from shortstack.testing import check


@scorer("states", needs_labels=False, identity_is_zero=True, lower=0.0)
def state_change(signals):
    """Length of the difference between what leaves a layer and what enters it.

    Not in the summary.
    """
    return (signals.output.double() - signals.input.double()).norm(dim=-1)


@scorer("parameter-gradients", over="examples", name="own-fisher", objective_power=2)
def fisher_again(signals):
    """Squared norm of the gradients, as ``fisher`` has it."""
    return signals.squared_parameter_gradients


@loss()
def total_variation(student, teacher, labels):
    """Half the sum of the differences of the probabilities."""
    return (student.softmax(-1) - teacher.softmax(-1)).abs().sum(-1) / 2


@loss(teacher=False)
def own_labels(student, teacher, labels):
    """Cross-entropy of the right candidate."""
    assert teacher is None
    return F.cross_entropy(student, labels, reduction="none")


@pytest.mark.parametrize("component", [state_change, total_variation], ids=lambda one: one.name)
@pytest.mark.full
def test_they_keep_the_laws(component):
    """Decorated components keep the laws of their kind, like any other plugin."""
    assert [
        outcome.failure for outcome in check(component, examples=3, shrink=False) if outcome.status == "failed"
    ] == []


def test_a_descriptor_declares_what_the_function_does():
    """Name, summary, signals and traits."""
    assert (state_change.name, fisher_again.name) == ("state-change", "own-fisher")
    assert state_change.summary == "Length of the difference between what leaves a layer and what enters it."
    assert state_change.traits.averages_over == "tokens"
    assert fisher_again.traits.averages_over == "examples"
    assert own_labels.build(None).needs == {Output.STUDENT_LOGITS}
    assert isinstance(total_variation, Descriptor)


def test_a_loss_is_the_sum_over_positions():
    """A decorated loss is the sum over positions, and its count is their number."""
    student, labels = torch.randn(5, 7, dtype=torch.bfloat16), torch.arange(5)
    batch = LossBatch(labels=labels, mask=torch.ones(1, 5, dtype=torch.bool))
    built = own_labels.build(None)
    value = built(ModelOutputs(logits=student), ModelOutputs(), batch, None)

    assert value.dtype == torch.float32
    torch.testing.assert_close(value, F.cross_entropy(student.float(), labels, reduction="sum"))
    assert int(built.count(batch)) == 5


def test_an_entry_point_may_name_it():
    """An entry point may name the descriptor itself; its code is that of the function's module."""
    registry = Registry()
    registry.load(Origin("acme", "change", "1.0"), lambda: state_change)
    component = registry.find("scorer", "state-change")

    assert registry.failures == ()
    assert component.full_name == "acme/state-change"
    assert component.module == __name__
    assert component.identity[2] != ""


def test_without_a_docstring_there_is_no_summary():
    """A missing docstring is an error when the function is decorated."""
    with pytest.raises(ValueError, match="nameless needs a docstring"):

        @scorer("states")
        def nameless(signals):
            return signals.mask


def test_values_of_another_shape():
    """Both shapes are in the message."""

    @loss(teacher=False)
    def one_number(student, teacher, labels):
        """A mean, which is one number."""
        return student.mean()

    batch = LossBatch(labels=torch.arange(5), mask=torch.ones(1, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"of shape \(5,\), got \(\)"):
        one_number.build(None)(ModelOutputs(logits=torch.zeros(5, 7)), ModelOutputs(), batch, None)
