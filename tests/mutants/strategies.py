"""Wrong selection strategies and right ones; the kit finds them as ``mutants.strategies:Name``."""

import random
from itertools import combinations

import attrs
import torch

from mutants.mutant import Mutant, Subject
from shortstack.errors import ConfigurationError
from shortstack.selection.probe_strategies import calibration_loss, needed_probe
from shortstack.selection.selector import STRATEGIES
from shortstack.selection.strategies import Choice, Contiguous, Keeps, Strategic


@attrs.frozen(kw_only=True)
class Loose:
    """A choice that is neither checked nor sorted."""

    kept: tuple[int, ...]
    reason: str = "a test"


@attrs.frozen
class TorchTopK:
    """``torch.topk``, which does not specify its choice among equal scores."""

    name = "torch-topk"
    keeps = Keeps(exact=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Choice(kept=torch.tensor(question.scores).topk(keep).indices.tolist(), reason="torch says so")


@attrs.frozen
class LastOfEquals:
    """The highest scores by a stable sort in the wrong direction, so that the last of equals stays."""

    name = "last-of-equals"
    keeps = Keeps(exact=True, nested=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        order = sorted(range(question.layers), key=lambda layer: question.scores[layer])
        return Choice(kept=order[-keep:], reason="the highest scores")


@attrs.frozen
class OneMore:
    """Keeps one layer more than allowed."""

    name = "one-more"
    keeps = Keeps(exact=True, nested=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Choice(kept=question.best(range(question.layers), keep + 1), reason="the highest scores")


@attrs.frozen
class OneLess:
    """Keeps one layer less than allowed, if two are allowed."""

    name = "one-less"
    keeps = Keeps(exact=True, nested=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Choice(kept=question.best(range(question.layers), max(1, keep - 1)), reason="the highest scores")


@attrs.frozen
class BothEnds:
    """Always keeps the first and the last layer, even if one layer is allowed."""

    name = "both-ends"
    keeps = Keeps(nested=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        inner = question.best(range(1, question.layers - 1), max(0, keep - 2))
        return Choice(kept={0, question.layers - 1, *inner}, reason="the ends, and the highest scores")


@attrs.frozen
class Unsorted:
    """The highest scores, highest first."""

    name = "unsorted"
    keeps = Keeps(exact=True, nested=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Loose(kept=tuple(question.best(range(question.layers), keep)))


@attrs.frozen
class Repeated:
    """The best layer, repeated as often as layers are allowed."""

    name = "repeated"
    keeps = Keeps(exact=True, nested=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Loose(kept=tuple(question.best(range(question.layers), 1) * keep))


@attrs.frozen
class FromOne:
    """Selects layers counted from 1."""

    name = "from-one"
    keeps = Keeps(exact=True, nested=True, monotone=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Choice(kept=range(question.layers - keep + 1, question.layers + 1), reason="the last layers")


@attrs.frozen
class Unseeded:
    """Layers drawn from Python's global generator."""

    name = "unseeded"
    keeps = Keeps(exact=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Choice(kept=random.sample(range(question.layers), keep), reason="at random")


@attrs.frozen(kw_only=True)
class NewSeed:
    """A shuffle with a new seed each time that the strategy is built."""

    name = "new-seed"
    keeps = Keeps(exact=True, continuous=True)
    seed: int = attrs.field(factory=lambda: random.randrange(2**40))

    def choose(self, question, keep):
        """See ``Strategy``."""
        order = list(range(question.layers))
        random.Random(self.seed).shuffle(order)
        return Choice(kept=order[:keep], reason="at random")


@attrs.frozen
class ClaimsNested:
    """``strategic``, which falsely claims to be nested."""

    name = "claims-nested"
    keeps = Keeps(exact=True, nested=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Strategic().choose(question, keep)


@attrs.frozen
class ClaimsOrderOnly:
    """``contiguous``, which falsely claims to depend on the order of scores only: it sums them."""

    name = "claims-order-only"
    keeps = Keeps(exact=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Contiguous().choose(question, keep)


@attrs.frozen
class AroundTheBest:
    """Adjacent layers around the best, so that a new best layer moves them all; falsely claims to be monotone."""

    name = "around-the-best"
    keeps = Keeps(exact=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        (best,) = question.best(range(question.layers), 1)
        start = min(best, question.layers - keep)
        return Choice(kept=range(start, start + keep), reason=f"{keep} in a row from the best")


@attrs.frozen
class SortsTheQuestion:
    """Sorts the question's scores in place."""

    name = "sorts-the-question"
    keeps = Keeps(exact=True, nested=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        kept = question.best(range(question.layers), keep)
        object.__setattr__(question, "scores", tuple(sorted(question.scores)))
        return Choice(kept=kept, reason="the highest scores")


@attrs.frozen
class Silent:
    """Returns a choice without a reason."""

    name = "silent"
    keeps = Keeps(exact=True, nested=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Choice(kept=question.best(range(question.layers), keep), reason="")


@attrs.frozen
class NotBelowZero:
    """The highest scores that are not below 0, or else the highest one: fewer layers than may stay."""

    name = "not-below-zero"
    keeps = Keeps(nested=True, monotone=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        good = [layer for layer in range(question.layers) if question.scores[layer] >= 0]
        kept = question.best(good, keep) or question.best(range(question.layers), 1)
        return Choice(kept=kept, reason=f"the {len(kept)} highest scores from 0 on")


@attrs.frozen
class ClaimsExact:
    """``NotBelowZero``, which falsely claims to keep exactly the allowed number."""

    name = "claims-exact"
    keeps = Keeps(exact=True, nested=True, monotone=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return NotBelowZero().choose(question, keep)


@attrs.frozen
class Exhaustive:
    """The set of layers with the least calibration loss; the first among equals."""

    name = "exhaustive"
    keeps = Keeps(exact=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        probe = needed_probe(question, self.name)
        sets = combinations(range(question.layers), keep)
        kept = min(sets, key=lambda some: calibration_loss(probe, question.layers, some))
        return Choice(kept=kept, reason=f"the best of all sets of {keep} layers")


@attrs.frozen(kw_only=True)
class RemembersLosses:
    """The layers without which the loss is highest; losses are cached across questions."""

    name = "remembers-losses"
    keeps = Keeps(exact=True, nested=True)
    losses: dict = attrs.field(factory=dict, init=False, eq=False)

    def choose(self, question, keep):
        """See ``Strategy``."""
        probe = needed_probe(question, self.name)
        for layer in range(question.layers):
            if layer not in self.losses:
                self.losses[layer] = calibration_loss(probe, question.layers, {*range(question.layers)} - {layer})
        order = sorted(range(question.layers), key=lambda layer: (-self.losses[layer], layer))
        return Choice(kept=order[:keep], reason="the dearest layers")


ANSWERS = {}


@attrs.frozen
class RemembersSizes:
    """The highest scores, cached by the number of layers."""

    name = "remembers-sizes"
    keeps = Keeps(exact=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        best = question.best(range(question.layers), keep)
        return Choice(kept=ANSWERS.setdefault((question.layers, keep), best), reason="the highest scores")


@attrs.frozen
class SaltedTies:
    """The highest scores; ties go to the layer whose name has the lower (salted) hash."""

    name = "salted-ties"
    keeps = Keeps(exact=True, nested=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        order = sorted(range(question.layers), key=lambda layer: (-question.scores[layer], hash(f"layer {layer}")))
        return Choice(kept=order[:keep], reason="the highest scores")


@attrs.frozen
class TiesAsText:
    """The highest scores; ties go to the layer whose number comes first as text: 10 before 2."""

    name = "ties-as-text"
    keeps = Keeps(exact=True, nested=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        order = sorted(range(question.layers), key=lambda layer: (-question.scores[layer], str(layer)))
        return Choice(kept=order[:keep], reason="the highest scores")


@attrs.define
class OnItself:
    """Stores the question on itself, which is not thread-safe."""

    name = "on-itself"
    keeps = Keeps(exact=True, nested=True)
    question: object = attrs.field(default=None, init=False, eq=False)

    def choose(self, question, keep):
        """See ``Strategy``."""
        self.question = question
        order = list(range(question.layers))
        order.sort(key=self.place)
        return Choice(kept=order[:keep], reason="the highest scores")

    def place(self, layer):
        """Return the number of layers with a higher score."""
        return sum(score > self.question.scores[layer] for score in self.question.scores)


@attrs.frozen
class FirstSixteen:
    """The highest scores of the first sixteen layers."""

    name = "first-sixteen"
    keeps = Keeps(exact=True, nested=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        return Choice(kept=question.best(range(min(16, question.layers)), min(16, keep)), reason="the highest scores")


@attrs.frozen
class WithoutGradients:
    """Turns gradients off for the rest of the process."""

    name = "without-gradients"
    keeps = Keeps(exact=True, nested=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        torch.set_grad_enabled(False)
        return Choice(kept=question.best(range(question.layers), keep), reason="the highest scores")


@attrs.frozen(kw_only=True)
class Always:
    """The highest scores, plus one layer that always stays, if it is set."""

    name = "always"
    keeps = Keeps(exact=True)
    layer: int | None = None

    def choose(self, question, keep):
        """See ``Strategy``."""
        forced = () if self.layer is None else (self.layer % question.layers,)
        return Choice(kept={*forced, *question.best(range(question.layers), keep)}, reason="the highest scores")


@attrs.frozen
class Evenly:
    """Layers at equal distances, regardless of scores."""

    name = "evenly"
    keeps = Keeps(exact=True, monotone=True, order_only=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        steps = max(1, keep - 1)
        return Choice(kept={round(i * (question.layers - 1) / steps) for i in range(keep)}, reason="equal distances")


@attrs.frozen
class WholePairs:
    """Keeps or drops adjacent layers in pairs."""

    name = "whole-pairs"
    keeps = Keeps()

    def choose(self, question, keep):
        """See ``Strategy``."""
        pairs = [(layer, layer + 1) for layer in range(0, question.layers - 1, 2)]
        pairs.sort(key=lambda pair: -sum(question.scores[layer] for layer in pair))
        kept = [layer for pair in pairs[: keep // 2] for layer in pair]
        return Choice(kept=kept or question.best(range(question.layers), 1), reason="the best pairs")


@attrs.frozen(kw_only=True)
class SomeMore:
    """The highest scores, plus a set number beyond the budget."""

    name = "some-more"
    keeps = Keeps()
    more: int = 0

    def choose(self, question, keep):
        """See ``Strategy``."""
        kept = question.best(range(question.layers), max(1, keep + self.more))
        return Choice(kept=kept, reason=f"the {keep} highest scores and {self.more} more")


@attrs.frozen
class AboveTheMean:
    """The highest scores that are not below the mean; not robust to rounding, and claims nothing else."""

    name = "above-the-mean"
    keeps = Keeps()

    def choose(self, question, keep):
        """See ``Strategy``."""
        mean = sum(question.scores) / question.layers
        good = [layer for layer in range(question.layers) if question.scores[layer] >= mean]
        kept = question.best(good, keep) or question.best(range(question.layers), 1)
        return Choice(kept=kept, reason="the highest scores from the mean on")


@attrs.frozen
class AtLeastTwo:
    """The first layer, the last, and the highest scores between them; one layer alone is refused."""

    name = "at-least-two"
    keeps = Keeps(nested=True, continuous=True)

    def choose(self, question, keep):
        """See ``Strategy``."""
        if keep < min(2, question.layers):
            raise ConfigurationError("at-least-two keeps both ends; allow two layers")
        ends = {0, question.layers - 1}
        inner = question.best(range(1, question.layers - 1), keep - len(ends))
        return Choice(kept=[*ends, *inner], reason="both ends, and the highest scores")


def _mutant(kind, wrong, breaks, **rest):
    return Mutant(kind="strategy", component=f"mutants.strategies:{kind.__name__}", wrong=wrong, breaks=breaks, **rest)


SELECTOR = {"keep-all", "parameter-budget"}  # the selector refuses the answer
RANDOM = {"determinism", "no-memory", "other-process", "threads", "ties"}

MUTANTS = (
    _mutant(TorchTopK, "Of equal scores any may stay.", {"ties"}),
    _mutant(LastOfEquals, "Of equal scores the last stays.", {"ties"}),
    _mutant(OneMore, "One layer too many stays.", {"within-budget", "exact", "parameter-budget", "many-layers"}),
    _mutant(OneLess, "One layer too few stays.", {"exact", "keep-all", "many-layers"}),
    _mutant(BothEnds, "Two layers stay where one may.", {"within-budget", "parameter-budget", "many-layers"}),
    _mutant(Unsorted, "The kept layers are in the order of their scores.", {"within-budget", *SELECTOR, "many-layers"}),
    _mutant(Repeated, "One layer stays several times.", {"within-budget", *SELECTOR, "many-layers"}),
    _mutant(FromOne, "Layers are counted from 1.", {"within-budget", *SELECTOR}),
    _mutant(Unseeded, "The global generator decides.", {*RANDOM, "question-untouched"}),
    _mutant(NewSeed, "Each instance has its own seed.", {*RANDOM, "question-untouched", "settings"}),
    _mutant(ClaimsNested, "Claims to be nested.", {"nested"}),
    _mutant(ClaimsOrderOnly, "Claims that order alone matters, and sums.", {"order-only"}),
    _mutant(AroundTheBest, "Claims to be monotone.", {"monotone"}),
    _mutant(SortsTheQuestion, "The scores are sorted in place.", {"question-untouched", "determinism"}),
    _mutant(Silent, "There is no reason.", {"reason"}),
    _mutant(ClaimsExact, "Claims to fill the budget.", {"exact", "keep-all", "many-layers"}),
    _mutant(RemembersLosses, "Losses of an earlier question are kept.", {"no-memory", "threads"}),
    _mutant(RemembersSizes, "Answers are looked up by the number of layers.", {"other-process"}),
    _mutant(SaltedTies, "Ties are decided by `hash` of a text, which is salted.", {"other-process"}),
    _mutant(TiesAsText, "Ties are decided by the layers' numbers as text.", {"ties"}),
    _mutant(OnItself, "Puts the question on itself, where other threads put theirs.", {"threads"}),
    _mutant(SomeMore, "Keeps more than it may if it is set to.", {"within-budget", "many-layers"}),
    _mutant(FirstSixteen, "Looks at sixteen layers.", {"many-layers"}),
    _mutant(WithoutGradients, "Turns gradients off for what comes after it.", {"question-untouched"}),
    _mutant(
        Always,
        "Keeps one layer too many where a setting that is None by default is given.",
        {"within-budget", "exact", "many-layers"},
    ),
)

CORRECT = (
    *(Subject(kind="strategy", component=name) for name in STRATEGIES),
    Subject(kind="strategy", component="random", settings={"seed": 5}),
    Subject(kind="strategy", component="adaptive", settings={"by": "top-k", "tolerance": 1.0}),
    Subject(kind="strategy", component="mutants.strategies:NotBelowZero"),
    Subject(kind="strategy", component="mutants.strategies:Exhaustive"),
    Subject(kind="strategy", component="mutants.strategies:AboveTheMean"),
    Subject(kind="strategy", component="mutants.strategies:AtLeastTwo"),
    Subject(kind="strategy", component="mutants.strategies:Evenly"),
    Subject(kind="strategy", component="mutants.strategies:WholePairs"),
    Subject(kind="strategy", component="adaptive", settings={"min_layers": 3}),
)
