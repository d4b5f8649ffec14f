"""The page about balancings says what there is, and its examples work."""

import re
import tomllib
from pathlib import Path

from shortstack import Registry
from shortstack.config.reader import structure
from shortstack.config.run_tables import DistillationSettings
from shortstack.distillation.balancing import BALANCINGS, TrainedStep, checked_multipliers, make_balancing, remembered
from shortstack.distillation.weighted_losses import weighted_losses

PAGE = (Path(__file__).parents[2] / "docs" / "balancing.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in re.findall(r"^\| `.*$", PAGE, re.MULTILINE)
]


def block(language):
    """Return the page's block of code in a language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return code


def test_every_balancing_is_in_the_table():
    """By name; with what it costs, and whether it takes negative losses."""
    assert list(BALANCINGS) == [re.match(r"`([a-z]+)`", row[0])[1] for row in ROWS]
    for name, (*_, negative, cost) in zip(BALANCINGS, ROWS, strict=True):
        balancing = make_balancing({"name": name, "end": {"labels": 1.0}} if name == "linear" else name)
        step = {"number": 1, "steps": 2, "weights": {"labels": 1.0}, "multipliers": {"labels": 1.0}}
        try:
            remembered(balancing, {}, TrainedStep(**step, means={"labels": -1.0}, gradient_norms={"labels": 1.0}))
        except ValueError:
            taken = "no"
        else:
            taken = "yes"

        assert negative == taken
        assert (cost == "none") != (name == "gradnorm")


def test_the_settings_are_a_runs():
    """They are read, and the schedule of the temperature is built."""
    settings = structure(DistillationSettings, tomllib.loads(block("toml"))["distillation"], "distillation")
    losses = weighted_losses(settings.losses, Registry.from_environment())

    assert make_balancing(settings.balancing).end == {"hidden-states": 0.0}
    assert settings.log_gradient_norms
    assert [4.0, 2.5, 1.0] == [losses[2].scheduled(part).terms.keywords["temperature"] for part in (0.0, 0.5, 1.0)]


def test_the_example_is_a_balancing():
    """It divides by the last value."""
    names = {}
    exec(block("python"), names)  # noqa: S102 -- our own page
    mine = make_balancing(names["Newest"]())
    step = {"number": 1, "steps": 2, "weights": {"labels": 3.0}, "multipliers": {"labels": 3.0}}
    memory = remembered(mine, {}, TrainedStep(**step, means={"labels": 2.0}))

    assert {"labels": 3.0} == checked_multipliers(mine, {"labels": 3.0}, {}, step=1)
    assert {"labels": 1.5} == checked_multipliers(mine, {"labels": 3.0}, memory, step=2)
