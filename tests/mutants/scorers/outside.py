"""Scorers that change or misread the model and its weights, and mistakes in the core."""

from functools import partial

import attrs
import torch

from mutants.mutant import SetOfNames
from mutants.scorers.plain import OF_STATES, Mean, mean, scorer, total, wrong
from shortstack.contracts import Importance, ScorerDescriptor, ScorerTraits

WEIGHTS = ScorerTraits(lower=0.0, averages_over="nothing", needs_labels=False, weight_power=1)


@attrs.frozen
class OfWeights:
    """A score computed from each layer's weights."""

    score: object
    needs = frozenset()

    def start(self, model):
        """Return the scores: the weights are all it needs."""
        return torch.tensor([float(self.score(layer)) for layer in model.layers], dtype=torch.float64)

    def update(self, state, _signals):
        """Return the state unchanged: no data are needed."""
        return state

    def merge(self, left, _right):
        """Return one of two equal states."""
        return left

    def finish(self, state):
        """Return the scores."""
        return Importance(scores=state, examples=0)


def of_weights(name, score, traits=WEIGHTS):
    """Build a descriptor of a scorer that reads weights."""
    return scorer(name, lambda: OfWeights(score), traits)


def size(layer):
    """Return ``Σ|w|``."""
    return sum(p.detach().double().abs().sum() for p in layer.parameters())


def square_size(layer):
    """Return ``Σw²``."""
    return sum(p.detach().double().square().sum() for p in layer.parameters())


def first_half(layer):
    """Return ``Σ|w|`` over the first half of each matrix's rows."""
    return sum(p.detach().double().abs()[: len(p) // 2].sum() for p in layer.parameters())


def in_own_steps(layer):
    """Return ``Σ|w|`` in units of the smallest step of the weights' dtype."""
    return sum(p.detach().double().abs().sum() / torch.finfo(p.dtype).eps for p in layer.parameters())


class LeavesHook(Mean):
    """A fold that registers a hook and never removes it."""

    def start(self, model):
        """Register a hook."""
        model.layers[0].register_forward_hook(lambda _module, _inputs, _output: None)
        return super().start(model)


class LeavesMode(Mean):
    """A fold that turns dropout off and leaves it off."""

    def finish(self, state):
        """Change the mode, after the core has restored it."""
        if self.layer is not None:
            self.layer.eval()
        return super().finish(state)

    def start(self, model):
        """Store the first layer."""
        object.__setattr__(self, "layer", model.layers[0])
        return super().start(model)

    layer = None


class Freezes(LeavesMode):
    """A fold that turns gradients off and leaves them off."""

    def finish(self, state):
        """Freeze a layer, so that later training leaves it unchanged."""
        if self.layer is not None:
            self.layer.requires_grad_(requires_grad=False)
        return Mean.finish(self, state)


class Normalises(Mean):
    """A fold that normalises the weights in place before it measures."""

    def start(self, model):
        """Scale the last layer's weights in place."""
        with torch.no_grad():
            for parameter in model.layers[-1].parameters():
                parameter.div_(parameter.norm().clamp_min(1e-9))
        return super().start(model)


class Seeds(Mean):
    """A fold that seeds torch's global generator."""

    def finish(self, state):
        """Seed the global generator, so that later draws repeat."""
        torch.manual_seed(0)
        return super().finish(state)


@attrs.frozen(kw_only=True)
class Chosen:
    """Two settings, whose defaults are right.

    Attributes:
        centred: If true, the mean of all scores is subtracted.
        last: Number of columns from the end that are read; 0 for all.
    """

    centred: bool = False
    last: int = 0


def off_the_mean(state):
    """Return scores minus their mean, so that some are below 0."""
    importance = total(state)
    return attrs.evolve(importance, scores=importance.scores - importance.scores.mean())


def last_columns(signals, last):
    """Return terms of the last columns, padding included."""
    return (signals.output - signals.input).double().norm(dim=-1)[:, -last:].flatten()


def with_settings(name, build):
    """Build a descriptor with two settings."""
    return ScorerDescriptor(name=name, summary="Made for a test.", build=build, config=Chosen, traits=OF_STATES)


def without_positions(_model, input_ids, attention_mask):
    """Return inputs without position ids, so that positions are counted from the first column, padding included."""
    return {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}


@property
def mask_by_token(batch):
    """Mask that takes token 1 for padding, as well as what the mask excludes."""
    return batch.attention_mask.bool() & (batch.input_ids != 1)


HOOK_LEAVER = scorer("leaves-hook", LeavesHook)
MUTANTS = (
    wrong(HOOK_LEAVER, "Leaves a hook on the model.", breaks={"model-untouched"}),
    wrong(
        scorer("leaves-mode", LeavesMode), "Leaves a layer in evaluation mode.", pitfall=8, breaks={"model-untouched"}
    ),
    wrong(scorer("freezes", Freezes), "Leaves a layer without gradients.", breaks={"model-untouched"}),
    wrong(
        scorer("normalises", Normalises),
        "Scales a layer's weights in place.",
        breaks={"model-untouched", "no-memory", "resume"},
    ),
    wrong(scorer("seeds", Seeds), "Seeds the global random numbers.", pitfall=11, breaks={"model-untouched"}),
    wrong(
        of_weights("square-called-size", square_size), "Sums squares and promises proportion.", breaks={"weight-scale"}
    ),
    wrong(
        of_weights("first-half", first_half),
        "Looks at the first half of each matrix.",
        breaks={"head-order", "neuron-order"},
    ),
    wrong(
        of_weights("in-own-steps", in_own_steps),
        "Measures in steps of the weights' own type.",
        breaks={"half-precision"},
    ),
    wrong(
        of_weights("size-is-no-function", size, attrs.evolve(WEIGHTS, function_only=True)),
        "Promises that only the function matters, and sums weights.",
        breaks={"rescaling"},
    ),
    wrong(
        ScorerDescriptor(
            name="set-of-names",
            summary="Made for a test.",
            build=lambda _settings: Mean(),
            config=SetOfNames,
            traits=ScorerTraits(averages_over="tokens", needs_labels=False),
        ),
        "Has a setting that no file can hold.",
        breaks={"settings"},
    ),
    wrong(
        with_settings("centred", lambda given: Mean(finished=off_the_mean if given.centred else total)),
        "Takes the mean off if it is set to, and promises 0 for the least.",
        breaks={"bounds", "idle-layers"},
    ),
    wrong(
        with_settings(
            "last-columns",
            lambda given: Mean(terms=partial(last_columns, last=given.last)) if given.last > 0 else Mean(),
        ),
        "Looks at the last columns if it is set to, be they padding.",
        breaks={"batch-size", "blank-examples", "example-order", "many-examples", "right-padding"},
    ),
    wrong(
        mean("no-positions"),
        "The core gives no position ids: padding on the left moves every token.",
        patches={"shortstack.models.candidates.model_inputs": without_positions},
        breaks={"left-padding"},
    ),
    wrong(
        mean("magic-token"),
        "The core takes a token's number for the mask.",
        patches={"shortstack.importance.calibration.Batch.mask": mask_by_token},
        breaks={"token-names"},
    ),
)
