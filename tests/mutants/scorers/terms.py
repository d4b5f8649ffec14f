"""Mistakes in what is summed."""

import attrs
import torch

from mutants.mutant import Mutant
from mutants.scorers.plain import (
    OF_GRADIENTS,
    OF_STATES,
    SIZES,
    mean,
    moved,
    over_gradients,
    squares,
)
from shortstack.contracts import ScorerTraits


def every_token(signals):
    """Padding too."""
    return (signals.output - signals.input).double().norm(dim=-1)


def last_column(signals):
    """The last column, whatever is in it."""
    return every_token(signals)[:, -1][signals.mask.any(-1)]


def first_column(signals):
    """The first column, whatever is in it."""
    return every_token(signals)[:, 0][signals.mask.any(-1)]


def mean_of_batch(signals):
    """One term a batch: its own mean."""
    return moved(signals).mean()[None]


def signed_batch(signals):
    """Positive and negative effects cancel within a batch."""
    return (signals.gradient * (signals.output - signals.input)).double().sum().abs()[None]


def square_of_sum(signals):
    """The square of the batch's summed gradient norms, by example."""
    roots = squares(signals).sqrt()
    return (roots.sum() ** 2 / roots.numel()).expand(roots.numel())


def cosine(signals):
    """Of every token that is not padding, as it comes out."""
    states = (signals.input[signals.mask], signals.output[signals.mask])
    return (states[0] * states[1]).sum(-1) / (states[0].norm(dim=-1) * states[1].norm(dim=-1))


def bare_distance(signals):
    """``1 − cos``, not clamped."""
    return 1 - cosine(signals)


def bare_angle(signals):
    """``arccos(cos)``, not clamped."""
    return cosine(signals).acos()


def coarse_distance(signals):
    """``1 − cos`` in bfloat16."""
    states = (signals.input[signals.mask].bfloat16(), signals.output[signals.mask].bfloat16())
    return 1 - torch.nn.functional.cosine_similarity(*states, dim=-1)


def half_of_channels(signals):
    """The output's first channels, as if they stood for all; one that grows leaves the identity."""
    return signals.output[signals.mask].double().norm(dim=-1)


def all_effects(signals):
    """Unlabelled examples too, whose gradient is 0."""
    return (signals.gradient * (signals.output - signals.input)).double().sum((-1, -2)).abs()[signals.mask.any(-1)]


def rows(signals):
    """Every row of the batch."""
    return len(signals.mask)


def noise(signals):
    """A random number more."""
    return moved(signals) + torch.rand(())


MUTANTS = (
    Mutant(
        kind="scorer",
        component=mean("padding-counted", terms=every_token),
        wrong="Counts padding as tokens.",
        pitfall=5,
        breaks=(
            "batch-size",
            "blank-examples",
            "example-order",
            "left-padding",
            "right-padding",
        ),
    ),
    Mutant(
        kind="scorer",
        component=mean("last-column", terms=last_column),
        wrong="Takes `[:, -1]` for the last token: with padding on the right it is padding.",
        pitfall=5,
        breaks=(
            "batch-size",
            "example-order",
            "right-padding",
        ),
    ),
    Mutant(
        kind="scorer",
        component=mean("first-column", terms=first_column),
        wrong="Takes `[:, 0]` for the first token: with padding on the left it is padding.",
        breaks=("left-padding",),
    ),
    Mutant(
        kind="scorer",
        component=mean("mean-of-means", terms=mean_of_batch),
        wrong="Averages the batches' means.",
        pitfall=5,
        breaks=(
            "batch-size",
            "example-order",
            "left-padding",
            "right-padding",
        ),
    ),
    Mutant(
        kind="scorer",
        component=over_gradients("signed-batch", terms=signed_batch),
        wrong="Sums signed effects over the batch before taking the magnitude: they cancel.",
        pitfall=2,
        breaks=(
            "batch-size",
            "example-order",
            "left-padding",
            "right-padding",
            "unlabelled-examples",
        ),
    ),
    Mutant(
        kind="scorer",
        component=over_gradients("batch-fisher", terms=square_of_sum, needs=SIZES),
        wrong="Squares the batch's gradient instead of each example's.",
        pitfall=1,
        breaks=(
            "batch-size",
            "example-order",
            "left-padding",
            "right-padding",
            "unlabelled-examples",
        ),
    ),
    Mutant(
        kind="scorer",
        component=mean("bare-distance", terms=bare_distance, traits=attrs.evolve(OF_STATES, upper=2.0)),
        wrong="Does not clamp `1 − cos`, which rounding makes negative.",
        pitfall=4,
        breaks=("bounds",),
    ),
    Mutant(
        kind="scorer",
        component=mean("bare-angle", terms=bare_angle, traits=attrs.evolve(OF_STATES, identity_is_zero=False)),
        wrong="Does not clamp the cosine before `arccos`: identical vectors give NaN.",
        pitfall=4,
        breaks=(
            "bounds",
            "finite",
        ),
    ),
    Mutant(
        kind="scorer",
        component=mean("coarse-distance", terms=coarse_distance, traits=attrs.evolve(OF_STATES, lower=None)),
        wrong="Computes the cosine in half precision.",
        pitfall=4,
        breaks=(
            "batch-size",
            "example-order",
            "idle-layers",
            "left-padding",
            "right-padding",
        ),
    ),
    Mutant(
        kind="scorer",
        component=mean("output-size", terms=half_of_channels),
        wrong="Scores the size of the output and promises 0 for a layer that does nothing.",
        breaks=("idle-layers",),
    ),
    Mutant(
        kind="scorer",
        component=over_gradients("unlabelled-counted", terms=all_effects),
        wrong="Divides by all examples, also those without a label.",
        breaks=("unlabelled-examples",),
    ),
    Mutant(
        kind="scorer",
        component=mean("rows-counted", seen=rows),
        wrong="Reports rows of padding as examples.",
        breaks=(
            "blank-examples",
            "examples-counted",
        ),
    ),
    Mutant(
        kind="scorer",
        component=mean("noise", terms=noise),
        wrong="Adds unseeded random numbers.",
        pitfall=11,
        breaks=(
            "batch-size",
            "determinism",
            "duplication",
            "example-order",
            "idle-layers",
            "left-padding",
            "merge",
            "resume",
            "right-padding",
        ),
    ),
    Mutant(
        kind="scorer",
        component=over_gradients("wrong-power", traits=attrs.evolve(OF_GRADIENTS, objective_power=2)),
        wrong="Promises squares of the objective's scale, where the score is proportional to it.",
        breaks=("objective-scale",),
    ),
    Mutant(
        kind="scorer",
        component=over_gradients("labels-denied", traits=attrs.evolve(OF_GRADIENTS, needs_labels=False)),
        wrong="Says that labels do not matter to gradients.",
        breaks=(
            "examples-counted",
            "labels-unused",
        ),
    ),
    Mutant(
        kind="scorer",
        component=over_gradients(
            "not-the-function", terms=squares, needs=SIZES, traits=ScorerTraits(function_only=True)
        ),
        wrong="Promises that only the function matters, where squared gradients depend on how weights are scaled.",
        breaks=("rescaling",),
    ),
    Mutant(
        kind="scorer",
        component=mean("data-denied", traits=ScorerTraits(averages_over="nothing", needs_labels=False)),
        wrong="Says that it reads weights alone, and reads hidden states.",
        breaks=("weights-alone",),
    ),
)
