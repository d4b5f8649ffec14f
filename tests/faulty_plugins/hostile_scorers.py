"""Scorers that are wrong in every way that the core must survive, and one that is right."""

import sys

import attrs
import torch

from shortstack.contracts import Importance, ScorerDescriptor, Signal
from shortstack.hooks import hookimpl


def even(layers):
    """Sound scores."""
    return Importance(scores=torch.arange(layers, dtype=torch.float64), examples=1)


@attrs.define(slots=False)
class Fold:
    """A sound fold over states, with something of its own to do at each call."""

    at: str = "nowhere"
    act: object = None
    answer: object = None
    needs = frozenset({Signal.STATES})
    layers = ()
    calls = 0

    def start(self, model):
        """Remember the layers."""
        self.layers = model.layers
        self._act("start")

    def update(self, state, signals):
        """Nothing to remember."""
        self.calls += 1
        self._act("update", signals)
        if self.calls > len(self.layers):
            self._act("second-batch", signals)

    def merge(self, left, right):
        """Nothing to merge."""

    def finish(self, state):
        """What was asked for."""
        self._act("finish")
        return self.answer(len(self.layers)) if self.answer else even(len(self.layers))

    def _act(self, place, signals=None):
        if place == self.at:
            self.act(self.layers, signals)


@attrs.frozen
class Where:
    """Where it happens, and what."""

    at: str = "update"
    what: str = "raise"


def on_weights(layers, _):
    """In place, as an optimiser does."""
    with torch.no_grad():
        layers[0].mlp.up_proj.weight.mul_(1.5)


def on_data(layers, _):
    """Behind autograd's back."""
    layers[1].mlp.up_proj.weight.data[0, 0] += 1


def on_rows(layers, _):
    """The same numbers in other rows."""
    weight = layers[1].mlp.up_proj.weight
    weight.data = weight.data.flip(0)


def on_mode(layers, _):
    """Dropout on."""
    layers[0].train()


def on_hooks(layers, _):
    """Never removed."""
    layers[2].register_forward_hook(lambda *_: None)


def on_forward(layers, _):
    """A method of its own."""
    layers[1].forward = layers[1].forward


def on_requires_grad(layers, _):
    """Thawed."""
    layers[1].mlp.up_proj.weight.requires_grad = not layers[1].mlp.up_proj.weight.requires_grad


def on_gradient(layers, _):
    """Left behind."""
    weight = layers[0].mlp.up_proj.weight
    weight.grad = torch.ones_like(weight)


def on_module(layers, _):
    """Another one in its place."""
    layers[0].mlp.act_fn = torch.nn.ReLU()


def on_config(layers, _):
    """A setting of the model's."""
    layers[0].self_attn.config.rms_norm_eps = 0.5


def on_signals(_, signals):
    """Scaled in place."""
    signals.output.mul_(2)


def on_and_off(layers, _):
    """Changed and changed back, as an ablation does."""
    weight = layers[0].mlp.up_proj.weight
    kept = weight.detach().clone()
    weight.data.zero_()
    weight.data.copy_(kept)


def fail(_layers, _):
    """With lines."""
    raise RuntimeError("out of\nluck")


def leave(_layers, _):
    """The program."""
    sys.exit(7)


def stop(_layers, _):
    """As ``next`` does where there is nothing."""
    next(iter(()))


ACTS = {
    "raise": fail,
    "stop": stop,
    "exit": leave,
    "weights": on_weights,
    "data": on_data,
    "rows": on_rows,
    "mode": on_mode,
    "hooks": on_hooks,
    "forward": on_forward,
    "requires-grad": on_requires_grad,
    "gradient": on_gradient,
    "module": on_module,
    "config": on_config,
    "signals": on_signals,
    "and-back": on_and_off,
}


def act_out(config):
    """A fold that does it there."""
    return Fold(at=config.at, act=ACTS[config.what])


@attrs.frozen
class Probing:
    """A probe that fails."""

    def measure(self, probe):
        """Divide by nothing."""
        return probe.layers / 0


@attrs.frozen
class Deriving:
    """A derived scorer that works on its inputs in place."""

    needs_scores = ("hostile-scorers/right",)

    def combine(self, scores, probe):
        """Scale what it was given."""
        found = scores["hostile-scorers/right"]
        found.scores.mul_(100)
        return found


@attrs.frozen
class Letters(Deriving):
    """A text where a tuple was due."""

    needs_scores = "fisher"


class Words(Fold):
    """Signals by their names."""

    needs = frozenset({"states"})


@attrs.frozen
class Picky:
    """Settings whose check fails in its own way."""

    size: int = attrs.field(default=1)

    @size.validator
    def _known(self, _attribute, value):
        {1: "one"}[value]


def gives(answer):
    """A fold with this answer."""
    return lambda _config: Fold(answer=answer)


BUILDS = {
    "right": lambda _config: Fold(),
    "nan": gives(lambda layers: Importance(scores=even(layers).scores / 0, examples=1)),
    "short": gives(lambda layers: even(layers - 1)),
    "single": gives(lambda layers: Importance(scores=even(layers).scores.float(), examples=1)),
    "nothing": gives(lambda _layers: None),
    "list": gives(lambda layers: Importance(scores=[0.0] * layers, examples=1)),
    "counting": gives(lambda layers: Importance(scores=even(layers).scores, examples="4")),
    "detailed": gives(lambda layers: Importance(scores=even(layers).scores, examples=1, details=None)),
    "class": lambda _config: Probing,
    "probing": lambda _config: Probing(),
    "deriving": lambda _config: Deriving(),
    "letters": lambda _config: Letters(),
    "words": lambda _config: Words(),
    "number": lambda _config: 3.5,
    "unbuildable": lambda _config: 1 / 0,
}


@hookimpl
def shortstack_importance_scorers():
    """Yield them all."""
    for name, build in BUILDS.items():
        yield ScorerDescriptor(name=name, summary="Hostile.", build=build)
    yield ScorerDescriptor(name="acting", summary="Hostile somewhere.", build=act_out, config=Where)
    yield ScorerDescriptor(name="picky", summary="Picky.", build=lambda _config: Fold(), config=Picky)
    yield ScorerDescriptor(name="fisher", summary="Of the core's name.", build=lambda _config: Fold())
