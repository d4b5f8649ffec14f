"""Fit settings and what they mean to transformers; the history; losses by name."""

import logging

import pytest

from shortstack.config.reader import structure
from shortstack.config.training import FitSettings
from shortstack.distillation.fitting import fit, history
from shortstack.distillation.training_arguments import training_arguments
from shortstack.distillation.weighted_losses import WeightedLoss, weighted_losses
from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack_losses.labels import Labels


def test_the_optimiser_is_one_kernel(stage):
    """AdamW is fused, which transformers' default is with some versions of torch alone."""
    trainer = stage.trainer(settings=FitSettings(steps=1, batch_size=8, warmup_steps=0))
    trainer.train()

    assert trainer.args.optim == "adamw_torch_fused"
    assert trainer.optimizer.optimizer.defaults["fused"] is True


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "'steps' must be >= 1: 0"),
        ({"learning_rate": 0.0}, "'learning_rate' must be > 0.0: 0.0"),
        ({"batch_size": 10, "accumulate": 4}, r"batch_size \(10\) must be a multiple of accumulate \(4\)"),
        ({"steps": 20, "warmup_steps": 20}, r"warmup_steps \(20\) must be below steps \(20\)\nin the settings of fit$"),
        ({"betas": [0.9]}, r"fit.betas takes 2 values, got \[0.9\]"),
        ({"betas": [0.9, 1.0]}, r"betas must be two numbers from 0 to below 1, got \[0.9, 1.0\]"),
        ({"step": 3}, "unknown setting of fit: 'step'; did you mean 'steps'?"),
    ],
)
def test_settings_that_are_wrong(settings, message):
    """Each error names the setting and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        structure(FitSettings, settings, "fit")


def test_what_the_settings_mean(tmp_path):
    """Each reaches its argument, and nothing goes to a tracker."""
    settings = FitSettings(
        steps=70,
        batch_size=12,
        accumulate=3,
        learning_rate=0.5,
        warmup_steps=7,
        weight_decay=0.2,
        betas=(0.8, 0.95),
        max_grad_norm=2.0,
        evaluate_every=25,
    )
    args = training_arguments(tmp_path, settings, seed=5, device="cpu", validated=True)

    assert (70, 4, 3, 0.5, 7) == (
        args.max_steps,
        args.per_device_train_batch_size,
        args.gradient_accumulation_steps,
        args.learning_rate,
        args.get_warmup_steps(70),
    )
    assert (0.2, 0.8, 0.95, 2.0, 5) == (
        args.weight_decay,
        args.adam_beta1,
        args.adam_beta2,
        args.max_grad_norm,
        args.seed,
    )
    assert (25, 25, 5) == (args.eval_steps, args.save_steps, args.logging_steps)
    assert ("ndcg@10", True, True) == (args.metric_for_best_model, args.greater_is_better, args.load_best_model_at_end)
    assert ([], "cpu", False, True) == (args.report_to, args.device.type, args.bf16, args.disable_tqdm)


def test_history_puts_a_steps_records_together():
    """History is grouped by step, without the validation prefix and without transformers' other records."""
    log = [
        {
            "loss": 2.0,
            "loss/labels": 3.0,
            "grad_norm": 1.0,
            "learning_rate": 0.1,
            "seconds": 1.0,
            "epoch": 0.1,
            "step": 5,
        },
        {"eval_ndcg@10": 0.2, "eval_loss": 4.0, "seconds": 1.5, "epoch": 0.1, "step": 5},
        {"train_runtime": 9.0, "train_loss": 2.0, "seconds": 9.0, "step": 6},
    ]
    expected = {
        "step": 5,
        "loss": 2.0,
        "loss/labels": 3.0,
        "grad_norm": 1.0,
        "learning_rate": 0.1,
        "seconds": 1.5,
        "ndcg@10": 0.2,
        "validation_loss": 4.0,
    }

    assert [expected] == history(log)


def test_fitting_is_quiet_and_puts_the_volume_back(stage, capfd):
    """Fitting prints nothing, and restores transformers' logging settings."""
    from transformers.utils import logging as theirs

    theirs.set_verbosity(logging.INFO)
    try:
        fit(stage.trainer(validate=lambda _: {"ndcg@10": 0.1}))
        assert theirs.get_verbosity() == logging.INFO
        assert theirs.is_progress_bar_enabled()
    finally:
        theirs.set_verbosity_warning()

    assert capfd.readouterr() == ("", "")


def test_losses_by_name(loss_plugins):
    """A weight, or a table of weight and settings."""
    soft, labels = weighted_losses({"soft-targets": {"weight": 2, "temperature": 4.0}, "labels": 0.5}, loss_plugins)

    assert ("soft-targets", 2, 4.0) == (soft.name, soft.weight, soft.loss.terms.keywords["temperature"])
    assert ("labels", 0.5) == (labels.name, labels.weight)
    assert (True, False) == (soft.needs_teacher, labels.needs_teacher)
    assert 1.0 == weighted_losses({"labels": {}}, loss_plugins)[0].weight


@pytest.mark.parametrize("weight", [0, -1.0, float("nan"), float("inf"), "much", True, None])
def test_weights_that_are_none(weight, loss_plugins):
    """A weight is a number above 0."""
    with pytest.raises(ConfigurationError, match=r"^the weight of loss 'labels' must be a number above 0, got "):
        weighted_losses({"labels": weight}, loss_plugins)


def test_losses_that_are_none(loss_plugins):
    """No loss, an unknown one, an unknown setting, a setting out of range, one name twice, and something else."""
    with pytest.raises(ConfigurationError, match=r"^there is no loss to train on; give at least one, for example"):
        weighted_losses({}, loss_plugins)
    with pytest.raises(UnknownNameError, match=r"^unknown distillation loss 'label'; did you mean 'labels'"):
        weighted_losses({"label": 1.0}, loss_plugins)
    with pytest.raises(UnknownNameError, match=r"'temprature'; did you mean 'temperature'"):
        weighted_losses({"soft-targets": {"temprature": 1.0}}, loss_plugins)
    with pytest.raises(ConfigurationError, match=r"'temperature' must be > 0"):
        weighted_losses({"soft-targets": {"temperature": 0.0}}, loss_plugins)
    twice = [WeightedLoss(name="labels", loss=Labels())] * 2
    with pytest.raises(ConfigurationError, match=r"^each loss needs a name of its own, got labels, labels$"):
        weighted_losses(twice, loss_plugins)
    with pytest.raises(
        ConfigurationError, match=r"^loss 'mine' is no distillation loss but 3; see shortstack.contracts"
    ):
        WeightedLoss(name="mine", loss=3)


def test_a_loss_that_cannot_be_built(loss_plugins):
    """The setting is named, and what it may be."""
    with pytest.raises(ConfigurationError, match=r"unknown value of .*distance: 'euclid'"):
        weighted_losses({"hidden-states": {"distance": "euclid"}}, loss_plugins)
