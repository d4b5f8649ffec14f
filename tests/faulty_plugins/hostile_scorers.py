"""Scorers with every fault that the core must survive, and one that is correct."""

import sys

import attrs
import torch

from shortstack.contracts import Importance, ScorerDescriptor, Signal
from shortstack.hooks import hookimpl


def even(layers):
    """Return valid scores."""
    return Importance(scores=torch.arange(layers, dtype=torch.float64), examples=1)


@attrs.define(slots=False)
class Fold:
    """A valid fold over states, which runs ``act`` in the method named by ``at``."""

    at: str = "nowhere"
    act: object = None
    answer: object = None
    needs = frozenset({Signal.STATES})
    layers = ()
    calls = 0

    def start(self, model):
        """Store the layers."""
        self.layers = model.layers
        self._act("start")

    def update(self, state, signals):
        """Act, and keep no state."""
        self.calls += 1
        self._act("update", signals)
        if self.calls > len(self.layers):
            self._act("second-batch", signals)

    def merge(self, left, right):
        """Return no state."""

    def finish(self, state):
        """Return the configured answer."""
        self._act("finish")
        return self.answer(len(self.layers)) if self.answer else even(len(self.layers))

    def _act(self, place, signals=None):
        if place == self.at:
            self.act(self.layers, signals)


@attrs.frozen
class Where:
    """Settings that select the method and the fault."""

    at: str = "update"
    what: str = "raise"


def on_weights(layers, _):
    """Change a weight in place, as an optimiser does."""
    with torch.no_grad():
        layers[0].mlp.up_proj.weight.mul_(1.5)


def on_data(layers, _):
    """Change a weight through ``.data``, which autograd does not notice."""
    layers[1].mlp.up_proj.weight.data[0, 0] += 1


def on_rows(layers, _):
    """Reverse a weight's rows, so that its sums stay the same."""
    weight = layers[1].mlp.up_proj.weight
    weight.data = weight.data.flip(0)


def on_mode(layers, _):
    """Put a layer into training mode."""
    layers[0].train()


def on_hooks(layers, _):
    """Register a hook that is never removed."""
    layers[2].register_forward_hook(lambda *_: None)


def on_forward(layers, _):
    """Set ``forward`` on the instance."""
    layers[1].forward = layers[1].forward


def on_requires_grad(layers, _):
    """Flip a weight's ``requires_grad``."""
    layers[1].mlp.up_proj.weight.requires_grad = not layers[1].mlp.up_proj.weight.requires_grad


def on_gradient(layers, _):
    """Leave a gradient behind."""
    weight = layers[0].mlp.up_proj.weight
    weight.grad = torch.ones_like(weight)


def on_module(layers, _):
    """Replace a submodule."""
    layers[0].mlp.act_fn = torch.nn.ReLU()


def on_config(layers, _):
    """Change a field of the model's config."""
    layers[0].self_attn.config.rms_norm_eps = 0.5


def on_signals(_, signals):
    """Scale the hidden states in place."""
    signals.output.mul_(2)


def on_and_off(layers, _):
    """Change a weight and restore it, as an ablation does."""
    weight = layers[0].mlp.up_proj.weight
    kept = weight.detach().clone()
    weight.data.zero_()
    weight.data.copy_(kept)


def fail(_layers, _):
    """Raise an error whose message has two lines."""
    raise RuntimeError("out of\nluck")


def leave(_layers, _):
    """Exit the process."""
    sys.exit(7)


def stop(_layers, _):
    """Raise StopIteration."""
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
    """Build the fold that has the configured fault."""
    return Fold(at=config.at, act=ACTS[config.what])


@attrs.frozen
class Probing:
    """A probe that fails."""

    def measure(self, probe):
        """Divide by zero."""
        return probe.layers / 0


@attrs.frozen
class Deriving:
    """A derived scorer that changes its inputs in place."""

    needs_scores = ("hostile-scorers/right",)

    def combine(self, scores, probe):
        """Scale the input in place."""
        importance = scores["hostile-scorers/right"]
        importance.scores.mul_(100)
        return importance


@attrs.frozen
class Letters(Deriving):
    """A derived scorer whose ``needs_scores`` is a string instead of a tuple."""

    needs_scores = "fisher"


class Words(Fold):
    """A fold that names its signals by strings instead of enum members."""

    needs = frozenset({"states"})


@attrs.frozen
class Picky:
    """Settings whose validator raises a KeyError."""

    size: int = attrs.field(default=1)

    @size.validator
    def _known(self, _attribute, value):
        {1: "one"}[value]


def gives(answer):
    """Return a builder of a fold with this answer."""
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
    """Yield all scorers."""
    for name, build in BUILDS.items():
        yield ScorerDescriptor(name=name, summary="Hostile.", build=build)
    yield ScorerDescriptor(name="acting", summary="Hostile somewhere.", build=act_out, config=Where)
    yield ScorerDescriptor(name="picky", summary="Picky.", build=lambda _config: Fold(), config=Picky)
    yield ScorerDescriptor(name="fisher", summary="Of the core's name.", build=lambda _config: Fold())
