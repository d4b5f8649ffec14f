"""The hybrid whose weights are fitted to the oracle."""

import attrs
import pytest
import torch

from shortstack.contracts import Importance
from shortstack.importance.measure import measure_importance
from shortstack.importance.probe import ModelProbe
from shortstack_importance.fitted_hybrid import FittedHybridSettings, build


@attrs.define
class Additive:
    """A model in which each layer that is left out costs what a table says, the first examples more than the others."""

    drops: list
    examples: int = 8

    @property
    def layers(self):
        """Number of layers of the table."""
        return len(self.drops)

    def few(self, examples):
        """Return a probe of fewer examples."""
        return Additive(self.drops, min(examples, self.examples))

    def log_probability(self, *, skip=()):
        """Return log-probabilities; example n loses ``(n + 1)`` times as much."""
        return -sum(self.drops[layer] for layer in skip) * torch.arange(1, self.examples + 1, dtype=torch.float64)


def combined(drops, scores, **settings):
    """Return the hybrid fitted to a model of these drops."""
    inputs = {
        name: Importance(scores=torch.tensor(values, dtype=torch.float64), examples=4)
        for name, values in scores.items()
    }
    scorer = build(FittedHybridSettings(scorers=tuple(inputs), **settings))
    return scorer.combine(inputs, Additive(drops))


GOOD = [9.0, 4.0, 7.0, 1.0, 3.0, 8.0, 2.0, 5.0, 6.0, 0.0]
NOISE = [3.0, 8.0, 1.0, 6.0, 2.0, 5.0, 9.0, 0.0, 4.0, 7.0]


def test_a_mixture_is_found():
    """With standardised scores the fit recovers the weights that made the oracle."""
    drops = [0.7 * a + 0.3 * b for a, b in zip(GOOD, NOISE, strict=True)]
    importance = combined(drops, {"a": GOOD, "b": NOISE}, fusion="z")

    assert importance.details["weight of a"] == pytest.approx(0.7, abs=0.01)
    assert importance.details["weight of b"] == pytest.approx(0.3, abs=0.01)
    order = sorted(range(10), key=lambda layer: drops[layer])
    assert torch.argsort(importance.scores).tolist() == order


@pytest.mark.parametrize("fusion", ["rank", "min-max", "z"])
def test_what_misleads_has_no_part(fusion):
    """The oracle's own order has all the weight beside its opposite."""
    importance = combined(GOOD, {"good": GOOD, "opposite": [-x for x in GOOD]}, fusion=fusion)

    assert importance.details["weight of good"] > 0.99
    assert (
        importance.details["cross-validated error"] < 1e-3 < importance.details["cross-validated error of even weights"]
    )


def test_a_fit_that_predicts_no_better_is_not_believed():
    """Two scorers that are one another's shadow: even weights are as good as any."""
    importance = combined(GOOD, {"a": NOISE, "b": [2 * x for x in NOISE]})

    assert importance.details["weight of a"] == importance.details["weight of b"] == 0.5
    assert importance.details["cross-validated error"] == importance.details["cross-validated error of even weights"]


@pytest.mark.parametrize("layers", [1, 2])
def test_few_layers(layers):
    """With too few layers nothing is fitted."""
    importance = combined(GOOD[:layers], {"good": GOOD[:layers]})

    assert importance.scores.isfinite().all()
    assert importance.details["weight of good"] == 1


def test_the_oracle_sees_only_a_few_examples():
    """The oracle measures only the first examples."""
    assert combined(GOOD, {"a": GOOD}, examples=3).details["examples of the oracle"] == 3
    assert combined(GOOD, {"a": GOOD}, examples=64).details["examples of the oracle"] == 8


def test_a_probe_of_a_few(tiny, batch):
    """The first examples that have a label, whole batches or parts."""
    model, batches = tiny("llama", torch.float64), [batch, batch]
    checked = [ModelProbe(model, list(_checked(batches, model))) for _ in range(2)]
    everything = checked[0].log_probability(skip=[1])

    for count in (1, len(everything) // 2, len(everything) - 1, len(everything), 99):
        few = checked[1].few(count)
        assert few.examples == min(count, len(everything))
        torch.testing.assert_close(few.log_probability(skip=[1]), everything[:count])


def test_on_a_model(tiny, batch, registry):
    """The hybrid is requested like any other scorer; its parts need not be requested."""
    model = tiny("llama", torch.float64)
    results = measure_importance(model, [batch], ["fitted-hybrid", "fisher"], registry=registry)
    weights = [results["fitted-hybrid"].details[f"weight of {name}"] for name in ("fisher", "attention", "gradient")]

    assert sum(weights) == pytest.approx(1)
    assert min(weights) >= 0
    assert list(results) == ["fitted-hybrid", "fisher"]


def _checked(batches, model):
    from shortstack.importance.calibration import checked_batches

    return checked_batches(batches, model.device)
