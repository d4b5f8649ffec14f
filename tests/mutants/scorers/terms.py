"""Mistakes in the terms that are summed."""

import attrs
import torch

from mutants.scorers.plain import (
    OF_GRADIENTS,
    OF_STATES,
    SIZES,
    mean,
    moved,
    over_gradients,
    squares,
    wrong,
)
from shortstack.contracts import ScorerTraits, Signal


def every_token(signals):
    """Return terms of every token, padding included."""
    return (signals.output - signals.input).double().norm(dim=-1)


def last_column(signals):
    """Return terms of the last column, padding or not."""
    return every_token(signals)[:, -1][signals.mask.any(-1)]


def first_column(signals):
    """Return terms of the first column, padding or not."""
    return every_token(signals)[:, 0][signals.mask.any(-1)]


def mean_of_batch(signals):
    """Return one term per batch: its mean."""
    return moved(signals).mean()[None]


def signed_batch(signals):
    """Return one signed sum per batch, in which positive and negative effects cancel."""
    return (signals.gradient * (signals.output - signals.input)).double().sum().abs()[None]


def square_of_sum(signals):
    """Return the square of the batch's summed gradient norms, spread over its examples."""
    roots = squares(signals).sqrt()
    return (roots.sum() ** 2 / roots.numel()).expand(roots.numel())


def cosine(signals):
    """Return the cosine of each unpadded token's input and output, in the states' own dtype."""
    states = (signals.input[signals.mask], signals.output[signals.mask])
    return (states[0] * states[1]).sum(-1) / (states[0].norm(dim=-1) * states[1].norm(dim=-1))


def bare_distance(signals):
    """Return ``1 − cos``, not clamped."""
    return 1 - cosine(signals)


def bare_angle(signals):
    """Return ``arccos(cos)``, not clamped."""
    return cosine(signals).acos()


def coarse_distance(signals):
    """Return ``1 − cos`` in bfloat16."""
    states = (signals.input[signals.mask].bfloat16(), signals.output[signals.mask].bfloat16())
    return 1 - torch.nn.functional.cosine_similarity(*states, dim=-1)


def output_norm(signals):
    """Return ``‖h_out‖`` of every token that is not padding, which is not 0 for an identity layer."""
    return signals.output[signals.mask].double().norm(dim=-1)


def similarity(signals):
    """Return the cosine of each unpadded token's input and output in float64, within its bounds."""
    return torch.nn.functional.cosine_similarity(
        signals.input[signals.mask].double(), signals.output[signals.mask].double(), dim=-1
    ).clamp(-1, 1)


def first_head(signals):
    """Return the entropy of the first head's attention of every query that is not padding."""
    seen = (signals.visible.expand_as(signals.attention)[:, 0]) & signals.mask[:, :, None]
    shares = torch.where(seen, signals.attention[:, 0].double(), 0.0)
    return -(shares * torch.where(shares > 0, shares, 1.0).log()).sum(-1)[signals.mask]


def all_effects(signals):
    """Return effects of unlabelled examples too, whose gradient is 0."""
    return (signals.gradient * (signals.output - signals.input)).double().sum((-1, -2)).abs()[signals.mask.any(-1)]


def rows(signals):
    """Count every row of the batch."""
    return len(signals.mask)


def first_tokens(signals):
    """Return the movement of the first 64 tokens of each example."""
    return (signals.output - signals.input).double().norm(dim=-1)[signals.mask & (signals.mask.cumsum(-1) <= 64)]


def first_channels(signals):
    """Return the movement in the first 32 channels."""
    return (signals.output - signals.input)[..., :32].double().norm(dim=-1)[signals.mask]


def deeper_louder(signals):
    """Double the terms of layers from index 12 on."""
    return moved(signals) * (1 + (signals.layer >= 12))


def noise(signals):
    """Add a random number to every term."""
    return moved(signals) + torch.rand(())


MUTANTS = (
    wrong(mean("first-tokens", terms=first_tokens), "Reads 64 tokens of each example.", breaks={"late-tokens"}),
    wrong(mean("first-channels", terms=first_channels), "Reads 32 channels.", breaks={"late-channels"}),
    wrong(mean("deeper-louder", terms=deeper_louder), "Doubles scores from the twelfth on.", breaks={"moved-layer"}),
    wrong(
        mean("padding-counted", terms=every_token),
        "Counts padding as tokens.",
        pitfall=5,
        breaks={"many-examples", "batch-size", "blank-examples", "example-order", "left-padding", "right-padding"},
    ),
    wrong(
        mean("last-column", terms=last_column),
        "Takes `[:, -1]` for the last token: with padding on the right it is padding.",
        pitfall=5,
        breaks={"many-examples", "batch-size", "example-order", "right-padding"},
    ),
    wrong(
        mean("first-column", terms=first_column),
        "Takes `[:, 0]` for the first token: with padding on the left it is padding.",
        breaks={"late-tokens", "left-padding"},
    ),
    wrong(
        mean("mean-of-means", terms=mean_of_batch),
        "Averages the batches' means.",
        pitfall=5,
        breaks={"many-examples", "batch-size", "example-order", "left-padding", "right-padding"},
    ),
    wrong(
        over_gradients("signed-batch", terms=signed_batch),
        "Sums signed effects over the batch before taking the magnitude: they cancel.",
        pitfall=2,
        breaks={"many-examples", "batch-size", "example-order", "left-padding", "right-padding", "unlabelled-examples"},
    ),
    wrong(
        over_gradients("batch-fisher", terms=square_of_sum, needs=SIZES),
        "Squares the batch's gradient instead of each example's.",
        pitfall=1,
        breaks={"many-examples", "batch-size", "example-order", "left-padding", "right-padding", "unlabelled-examples"},
    ),
    wrong(
        mean("bare-distance", terms=bare_distance, traits=attrs.evolve(OF_STATES, upper=2.0)),
        "Does not clamp `1 − cos`, which rounding makes negative.",
        pitfall=4,
        breaks={"bounds"},
    ),
    wrong(
        mean("bare-angle", terms=bare_angle, traits=attrs.evolve(OF_STATES, identity_is_zero=False)),
        "Does not clamp the cosine before `arccos`: identical vectors give NaN.",
        pitfall=4,
        breaks={"bounds", "exchanged-layers", "finite", "moved-layer"},
    ),
    wrong(
        mean("coarse-distance", terms=coarse_distance, traits=attrs.evolve(OF_STATES, lower=None)),
        "Computes the cosine in half precision.",
        pitfall=4,
        breaks={"batch-size", "example-order", "idle-layers", "left-padding", "many-examples", "right-padding"},
    ),
    wrong(
        mean(
            "similarity",
            terms=similarity,
            traits=ScorerTraits(lower=-1.0, upper=1.0, averages_over="tokens", needs_labels=False),
        ),
        "Scores how little a layer changes, so that the one that does nothing is the most important.",
        breaks={"idle-is-not-best"},
    ),
    wrong(
        mean(
            "first-head",
            terms=first_head,
            needs=frozenset({Signal.ATTENTION}),
            traits=ScorerTraits(lower=0.0, averages_over="tokens", needs_labels=False),
        ),
        "Reads the first head of each layer's attention.",
        breaks={"head-order"},
    ),
    wrong(
        mean("output-size", terms=output_norm),
        "Scores the size of the output and promises 0 for a layer that does nothing.",
        breaks={"idle-layers"},
    ),
    wrong(
        over_gradients("unlabelled-counted", terms=all_effects),
        "Divides by all examples, also those without a label.",
        breaks={"unlabelled-examples"},
    ),
    wrong(
        mean("rows-counted", seen=rows),
        "Reports rows of padding as examples.",
        breaks={"blank-examples", "examples-counted"},
    ),
    wrong(
        mean("noise", terms=noise),
        "Adds unseeded random numbers.",
        pitfall=11,
        breaks={
            "batch-size",
            "blank-examples",
            "company-counts-not",
            "determinism",
            "duplication",
            "example-order",
            "exchanged-layers",
            "head-order",
            "idle-layers",
            "labels-unused",
            "left-padding",
            "many-examples",
            "merge",
            "model-untouched",
            "moved-layer",
            "neuron-order",
            "no-memory",
            "other-weights",
            "resume",
            "right-padding",
            "threads",
            "token-names",
            "flags-count-not",
            "layers-in-any-order",
        },
    ),
    wrong(
        over_gradients("wrong-power", traits=attrs.evolve(OF_GRADIENTS, objective_power=2)),
        "Promises squares of the objective's scale, where the score is proportional to it.",
        breaks={"objective-scale"},
    ),
    wrong(
        over_gradients("labels-denied", traits=attrs.evolve(OF_GRADIENTS, needs_labels=False)),
        "Says that labels do not matter to gradients.",
        breaks={"examples-counted", "labels-unused"},
    ),
    wrong(
        over_gradients("not-the-function", terms=squares, needs=SIZES, traits=ScorerTraits(function_only=True)),
        "Promises that only the function matters, where squared gradients depend on how weights are scaled.",
        breaks={"rescaling"},
    ),
    wrong(
        mean("data-denied", traits=ScorerTraits(averages_over="nothing", needs_labels=False)),
        "Says that it reads weights alone, and reads hidden states.",
        breaks={"weights-alone"},
    ),
)
