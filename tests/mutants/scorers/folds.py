"""Mistakes in how a state is kept, merged and finished."""

import attrs
import torch

from mutants.scorers.plain import OF_STATES, Mean, mean, moved, scorer, total, wrong
from shortstack.contracts import Importance


def left_alone(left, _right):
    """Return the left part, and ignore the right."""
    return left


def as_if_equal(left, right):
    """Average both parts' means, regardless of their sizes."""
    if not (left[1].all() and right[1].all()):
        return left + right
    return torch.stack([left[0] / left[1] + right[0] / right[1], torch.full_like(left[1], 2), left[2] + right[2]])


def in_place(left, right):
    """Add to the left part in place."""
    left += right
    return left


def zeros_for_nothing(state):
    """Return 0 for no terms, where an error is due."""
    sums, counts, examples = state
    return Importance(scores=sums / counts.clamp_min(1), examples=int(examples.max()))


def the_sum(state):
    """Return the sum, not divided by the count."""
    return Importance(scores=state[0] * bool(total(state).examples), examples=int(state[2].max()))


def narrow(state):
    """Return scores in float32."""
    importance = total(state)
    return attrs.evolve(importance, scores=importance.scores.float())


def one_more(state):
    """Return an additional score for the embeddings, which are no layer."""
    importance = total(state)
    return attrs.evolve(importance, scores=torch.cat([importance.scores, importance.scores[-1:]]))


def backwards(state):
    """Return the last layer's score first."""
    importance = total(state)
    return attrs.evolve(importance, scores=importance.scores.flip(0))


@attrs.define
class Remembering(Mean):
    """A fold that divides by the largest score it has ever returned."""

    largest: float = attrs.field(default=0.0, kw_only=True)

    def finish(self, state):
        """Return scores relative to the largest so far."""
        importance = total(state)
        object.__setattr__(self, "largest", max(self.largest, float(importance.scores.max())))
        return attrs.evolve(importance, scores=importance.scores / max(self.largest, 1e-9))


class Overwriting(Mean):
    """A mean whose update writes into the state it receives."""

    def update(self, state, signals):
        """Write into the state."""
        values = moved(signals)
        state[0, signals.layer] += values.sum()
        state[1, signals.layer] += values.numel()
        state[2, signals.layer] += int(signals.mask.any(-1).sum())
        return state


class Moving(Mean):
    """A moving average over batches, which depends on their order."""

    def update(self, state, signals):
        """Mix nine parts old and one part new."""
        new = state.clone()
        new[0, signals.layer] = 0.9 * state[0, signals.layer] + 0.1 * moved(signals).mean()
        new[1, signals.layer] = 1
        new[2, signals.layer] += int(signals.mask.any(-1).sum())
        return new

    def merge(self, left, right):
        """Merge, and keep counts at 1."""
        new = (left + right) / 2
        new[1] = torch.maximum(left[1], right[1])
        new[2] = left[2] + right[2]
        return new


class Carrying(Mean):
    """A fold that keeps the layer modules in the state."""

    def start(self, model):
        """Return a state with a module, which cannot be serialised."""
        return (super().start(model), model.layers[0])

    def update(self, state, signals):
        """Update or merge the terms, and pass the module on."""
        return (super().update(state[0], signals), state[1])

    def merge(self, left, right):
        """Update or merge the terms, and pass the module on."""
        return (left[0] + right[0], left[1])

    def finish(self, state):
        """Return the mean; the module is not needed."""
        return total(state[0])


MUTANTS = (
    wrong(
        mean("merge-forgets", merged=left_alone),
        "Forgets the right part when merging.",
        breaks={"merge", "merge-in-any-order", "start-is-nothing"},
    ),
    wrong(
        mean("merge-halves", merged=as_if_equal), "Merges means as if both parts were equally large.", breaks={"merge"}
    ),
    wrong(
        mean("merge-in-place", merged=in_place),
        "Merges into the left state.",
        breaks={"long-sums", "merge-in-any-order", "states-are-values"},
    ),
    wrong(
        scorer("update-in-place", Overwriting), "Writes into the state that it was given.", breaks={"states-are-values"}
    ),
    wrong(
        mean("smoothed-start", start_from=1.0),
        "Starts from one imaginary term.",
        breaks={
            "many-examples",
            "duplication",
            "examples-counted",
            "idle-layers",
            "merge",
            "no-examples",
            "start-is-nothing",
        },
    ),
    wrong(
        mean("half-sums", dtype=torch.bfloat16),
        "Keeps its sums in half precision.",
        pitfall=4,
        breaks={"many-examples", "batch-size", "example-order", "left-padding", "long-sums", "right-padding", "shape"},
    ),
    wrong(
        scorer("moving-average", Moving),
        "Keeps a moving average over batches.",
        breaks={
            "many-examples",
            "batch-size",
            "duplication",
            "example-order",
            "left-padding",
            "merge",
            "right-padding",
            "start-is-nothing",
        },
    ),
    wrong(
        scorer("module-in-state", Carrying),
        "Keeps a module in its state, which cannot be stored.",
        breaks={"finish", "resume", "states-are-values"},
    ),
    wrong(
        scorer("remembers", Remembering), "Divides by the largest score it ever gave.", breaks={"no-memory", "threads"}
    ),
    wrong(
        mean("zeros-for-nothing", finished=zeros_for_nothing),
        "Gives zeros where there were no examples.",
        breaks={"no-examples"},
    ),
    wrong(
        mean("sum-called-mean", finished=the_sum),
        "Gives the sum and calls it a mean.",
        breaks={"many-examples", "duplication", "long-sums"},
    ),
    wrong(mean("narrow", finished=narrow), "Gives float32 scores.", breaks={"shape"}),
    wrong(
        mean("one-more", finished=one_more, traits=attrs.evolve(OF_STATES, identity_is_zero=True)),
        "Gives one score more than there are layers.",
        pitfall=21,
        breaks={"exchanged-layers", "shape"},
    ),
    wrong(
        mean("backwards", finished=backwards),
        "Gives the last layer's score first.",
        breaks={"idle-layers", "moved-layer"},
    ),
)
