"""Balancings in a training: micro-batches, what is logged, gradient norms, and answers that cannot be used."""

import pytest
import torch
from distillation.test_distillation_trainer import one_step
from distillation.test_learning_balancings import TABLES, name_of
from transformers import TrainerCallback

from shortstack.config.training import FitSettings
from shortstack.distillation.fitting import fit
from shortstack.distillation.gradient_norms import GradientNorms
from shortstack.distillation.weighted_losses import WeightedLoss
from shortstack.errors import ConfigurationError, NonFiniteError, PluginError
from shortstack_losses.labels import Labels

EACH = FitSettings(steps=6, batch_size=8, warmup_steps=0, evaluate_every=1, max_grad_norm=0.0)
NAMES = ("labels", "soft-targets", "hidden-states")


class Scaled(Labels):
    """A function of the cross-entropy's sum, with its count."""

    def __init__(self, change):
        self.change = change

    def __call__(self, *parts):
        """Return the changed sum."""
        return self.change(super().__call__(*parts))


def changed(name, change, weight=1.0):
    """Return a loss that is a function of the cross-entropy's sum."""
    return WeightedLoss(name=name, loss=Scaled(change), weight=weight)


@pytest.mark.parametrize("accumulate", [pytest.param(2, marks=pytest.mark.full), 4])
@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_micro_batches_are_one_batch(stage, table, accumulate, tmp_path):
    """In float64, a training in micro-batches ends with the weights, the memory and the log of one in whole batches."""
    trainers, histories = [], []
    for parts in (1, accumulate):
        trainer = stage.trainer(
            student=stage.tiny(2, seed=1, hidden=8).double(),
            teacher=stage.tiny(4).double(),
            settings=FitSettings(steps=6, batch_size=8, accumulate=parts, warmup_steps=0, evaluate_every=1),
            folder=tmp_path / str(parts),
            balancing=table,
            log_gradient_norms=True,
        )
        histories.append(fit(trainer))
        trainers.append(trainer)
    whole, cut = trainers

    for name, weight in whole.model.state_dict().items():
        torch.testing.assert_close(cut.model.state_dict()[name], weight, rtol=1e-7, atol=1e-9)
    assert whole.memory.keys() == cut.memory.keys()
    for name, remembered in whole.memory.items():
        assert pytest.approx(remembered, rel=1e-7, abs=1e-9) == cut.memory[name]
    for big, small in zip(*histories, strict=True):
        of_each = {f"{kind}/{name}" for kind in ("loss", "weight", "gradient_norm") for name in NAMES}
        assert of_each <= big.keys()
        assert pytest.approx({key: big[key] for key in of_each}, rel=1e-7) == {key: small[key] for key in of_each}


@pytest.mark.parametrize("table", TABLES, ids=name_of)
def test_the_total_is_the_weighted_sum(stage, table):
    """In every record, ``loss`` is ``Σ weight/NAME · loss/NAME``; norms are there where a balancing needs them."""
    for record in fit(stage.trainer(settings=EACH, balancing=table)):
        total = sum(record[f"weight/{name}"] * record[f"loss/{name}"] for name in NAMES)

        assert pytest.approx(total, rel=1e-5) == record["loss"]
        assert (name_of(table) == "gradnorm") == ("gradient_norm/labels" in record)


@pytest.mark.parametrize(
    "changed", [pytest.param({}, marks=pytest.mark.full), {"accumulate": 4}], ids=["whole", "micro-batches"]
)
def test_gradient_norms_are_those_of_each_loss_alone(stage, changed):
    """The logged norm is that of the first layer's gradients in a training on this loss alone, weighted or not."""
    _, together = one_step(stage, log_gradient_norms=True, **changed)
    record = together.state.log_history[0]
    for name, table in stage.losses.items():
        alone = {name: {**table, "weight": 1.0} if isinstance(table, dict) else 1.0}
        gradients, _ = one_step(stage, losses=alone, balancing="fixed")
        first = torch.cat([g.flatten() for n, g in gradients.items() if n.startswith("student.model.layers.0.")])

        assert pytest.approx(float(first.norm()), rel=1e-4) == record[f"gradient_norm/{name}"]


def test_gradient_norms_change_nothing(stage, tmp_path):
    """A training in which they are logged has the same weights, bit for bit; they are there at logged steps alone."""
    settings = FitSettings(steps=7, batch_size=8, warmup_steps=0, evaluate_every=5)
    with_them, without = (
        stage.trainer(settings=settings, folder=tmp_path / str(logged), log_gradient_norms=logged)
        for logged in (True, False)
    )
    logged, plain = fit(with_them), fit(without)

    assert [5, 7] == [record["step"] for record in logged]
    assert all(any(key.startswith("gradient_norm/") for key in record) for record in logged)
    assert not any(key.startswith("gradient_norm/") for record in plain for key in record)
    for name, weight in without.student.state_dict().items():
        assert torch.equal(weight, with_them.student.state_dict()[name])


def test_gradient_norms_cost_nothing_where_nobody_asks(stage, monkeypatch, tmp_path):
    """Without the setting, and with a balancing that does not need them, there is no further backward pass."""
    monkeypatch.setattr(GradientNorms, "add", lambda *_: pytest.fail("a gradient was computed"))
    fit(stage.trainer(balancing="uncertainty"))

    with pytest.raises(pytest.fail.Exception, match=r"^a gradient was computed$"):
        fit(stage.trainer(balancing="gradnorm", folder=tmp_path / "other"))


def test_gradient_norms_with_recomputed_layers(stage, tmp_path):
    """Gradient checkpointing changes no norm."""
    records = []
    for recomputed in (False, True):
        settings = FitSettings(
            steps=2, batch_size=8, warmup_steps=0, evaluate_every=1, gradient_checkpointing=recomputed
        )
        folder = tmp_path / str(recomputed)
        records.append(fit(stage.trainer(settings=settings, folder=folder, balancing="gradnorm"))[0])
    plain, again = ({key: v for key, v in r.items() if key.startswith("gradient_norm/")} for r in records)

    assert len(plain) == 3
    assert pytest.approx(plain, rel=1e-5) == again


def test_gradnorm_weighs_a_loss_by_its_scale(stage):
    """Of one loss and ten times that loss, the latter's gradient is ten times as long and ends with a tenth the weight."""
    settings = FitSettings(steps=40, batch_size=8, warmup_steps=0, evaluate_every=10)
    history = fit(
        stage.trainer(
            losses=[changed("small", lambda value: value), changed("large", lambda value: 10 * value)],
            teacher=False,
            selection=None,
            settings=settings,
            balancing={"name": "gradnorm", "learning_rate": 0.1},
        )
    )

    assert pytest.approx(10.0, rel=1e-4) == history[0]["gradient_norm/large"] / history[0]["gradient_norm/small"]
    assert pytest.approx(10.0, rel=0.3) == history[-1]["weight/small"] / history[-1]["weight/large"]
    assert pytest.approx(2.0) == history[-1]["weight/small"] + history[-1]["weight/large"]


def test_a_first_layer_that_is_not_trained(stage):
    """There are no norms of frozen parameters; it is said before the training."""
    student = stage.tiny(2, seed=1)
    student.model.layers[0].requires_grad_(requires_grad=False)
    message = (
        r"^gradient norms are those of the student's first layer, of which no parameter is trained; train one, leave"
    )
    for asked in ({"balancing": "gradnorm"}, {"log_gradient_norms": True}):
        with pytest.raises(ConfigurationError, match=message):
            stage.trainer(student=student, **asked)


def test_gradient_norms_that_are_not_finite(stage):
    """A loss that is finite with a gradient that is not is named, with the step."""
    losses = [changed("labels", lambda value: value), changed("rooted", lambda value: (value * 0).sqrt())]
    with pytest.raises(
        NonFiniteError, match=r"^the gradient norm of the loss 'rooted' is nan at step 1; lower the learning rate, or"
    ):
        fit(stage.trainer(losses=losses, teacher=False, selection=None, log_gradient_norms=True, settings=EACH))


def test_a_loss_that_becomes_negative(stage):
    """A training with a balancing that cannot take it ends with the loss's name."""
    losses = [changed("labels", lambda value: value), changed("signed", lambda value: -value)]
    with pytest.raises(
        ConfigurationError,
        match=r"^the loss 'signed' is -\d.* at step 1, but balancing 'uncertainty' takes no loss that",
    ):
        fit(stage.trainer(losses=losses, teacher=False, selection=None, balancing="uncertainty"))


class Answers:
    """A balancing of the two methods, as third parties write them."""

    def __init__(self, answer):
        self.answer, self.seen = answer, []

    def multipliers(self, weights, memory):
        """Return the answer once there is a memory."""
        return self.answer if memory else dict(weights)

    def remember(self, memory, means):
        """Return the means."""
        self.seen.append((memory, means))
        return {**memory, **{name: (mean,) for name, mean in means.items()}}


def test_a_balancing_of_two_methods(stage):
    """It gets a dict of the means and its own memory, and its numbers are the weights, NumPy's and torch's included."""
    import numpy as np

    mine = Answers({"labels": np.float32(0.5), "soft-targets": torch.tensor(2.0), "hidden-states": 0, "more": 1.0})
    history = fit(stage.trainer(balancing=mine, settings=EACH))

    assert 6 == len(mine.seen)
    assert ({}, [*NAMES]) == (mine.seen[0][0], [*mine.seen[0][1]])
    assert type(mine.seen[0][1]) is dict
    assert pytest.approx(mine.seen[0][1]) == {name: history[0][f"loss/{name}"] for name in NAMES}
    assert mine.seen[1][0] == {name: (mean,) for name, mean in mine.seen[0][1].items()}
    assert [0.5, 2.0, 0.0] == [history[-1][f"weight/{name}"] for name in NAMES]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"soft-targets": -1.0}, r"the weight -1\.0 at step 2; a weight is a finite number of 0 or above"),
        ({"soft-targets": float("inf")}, r"the weight inf at step 2; a weight is a finite number"),
        ({"soft-targets": float("nan")}, r"the weight nan at step 2; a weight is a finite number"),
        ({"soft-targets": "1"}, r"the weight '1' at step 2; a weight is a finite number"),
        (None, r"no weight at step 2, but \{'labels': 1\.0, .*; multipliers returns a number for each loss"),
    ],
)
def test_answers_that_are_no_weights(stage, answer, said):
    """The message names the balancing, the loss and the step."""
    ones = dict.fromkeys(NAMES, 1.0)
    given = {name: 1.0 for name in NAMES if name != "soft-targets"} if answer is None else {**ones, **answer}
    with pytest.raises(
        PluginError,
        match=rf"^balancing .*test_balanced_training:Answers gives the loss 'soft-targets' {said}",
    ):
        fit(stage.trainer(balancing=Answers(given)))


class Temperatures(TrainerCallback):
    """Keeps the temperature of the soft targets at every step."""

    def __init__(self):
        self.seen = []

    def on_optimizer_step(self, args, state, control, model, **_):
        """Keep it."""
        self.seen.append(model.losses[1].loss.terms.keywords["temperature"])


def test_a_setting_goes_in_a_straight_line(stage, tmp_path):
    """The first step is that of a training at the first temperature; the last has the last one."""
    watch = Temperatures()
    line = {**stage.losses, "soft-targets": {"weight": 2.0, "temperature": {"from": 4.0, "to": 1.5}}}
    history = fit(stage.trainer(losses=line, callbacks=[watch], settings=EACH))
    fixed = {**stage.losses, "soft-targets": {"weight": 2.0, "temperature": 4.0}}
    constant = fit(stage.trainer(losses=fixed, folder=tmp_path / "constant", settings=EACH))

    assert [4.0, 3.5, 3.0, 2.5, 2.0, 1.5] == watch.seen
    assert constant[0]["loss/soft-targets"] == history[0]["loss/soft-targets"]
    assert constant[-1]["loss/soft-targets"] != history[-1]["loss/soft-targets"]


@pytest.mark.parametrize(
    ("temperature", "message"),
    [
        (
            {"from": 4.0, "to": "low"},
            r"^the setting 'temperature' of loss 'soft-targets' goes from one number to another",
        ),
        (
            {"from": True, "to": 1.0},
            r"^the setting 'temperature' of loss 'soft-targets' goes from one number to another",
        ),
        ({"from": 4.0, "to": -1.0}, r"'temperature' must be > 0"),
        ({"from": 4.0, "two": 1.0}, r"temperature takes a number, got \{'from': 4\.0, 'two': 1\.0\}"),
    ],
)
def test_lines_that_lead_nowhere(stage, temperature, message):
    """Both ends are tried before the training."""
    with pytest.raises(ConfigurationError, match=message):
        stage.trainer(losses={"soft-targets": {"temperature": temperature}})


def test_a_student_that_stands_still_has_the_losses_of_the_formula(stage):
    """With hardly any learning rate and one batch of all examples, each step's KL is that of its own temperature, in float64."""
    settings = FitSettings(
        steps=4, batch_size=len(stage.examples), warmup_steps=0, evaluate_every=1, learning_rate=1e-12
    )
    line = {"weight": 2.0, "temperature": {"from": 4.0, "to": 1.0}}
    history = fit(
        stage.trainer(
            losses={"labels": 1.0, "soft-targets": line},
            balancing={"name": "linear", "end": {"labels": 0.0}},
            settings=settings,
        )
    )
    batch = {name: torch.stack([example[name] for example in stage.examples]) for name in stage.examples[0]}
    supervised = batch.pop("labels")[:, 1:] != -100
    with torch.no_grad():
        student, teacher = (
            model(**batch).logits[:, :-1, 1:][supervised].double() for model in (stage.tiny(2, seed=1), stage.tiny(4))
        )  # item 0 is no candidate

    for record, temperature, weight in zip(history, (4.0, 3.0, 2.0, 1.0), (1.0, 2 / 3, 1 / 3, 0.0), strict=True):
        p, q = ((logits / temperature).log_softmax(-1) for logits in (teacher, student))
        divergence = temperature**2 * (p.exp() * (p - q)).sum(-1).mean()
        assert pytest.approx(float(divergence), rel=1e-4) == record["loss/soft-targets"]
        assert (pytest.approx(weight), 2.0) == (record["weight/labels"], record["weight/soft-targets"])
