"""Balancing of several losses: the multiplier of each at the next optimiser step."""

from shortstack.distillation.balancing.asking import checked_multipliers, measures_gradients, remembered
from shortstack.distillation.balancing.choice import BALANCINGS, make_balancing
from shortstack.distillation.balancing.contract import AnyBalancing, Balancing, Memory, StepBalancing, TrainedStep
from shortstack.distillation.balancing.dwa import Dwa
from shortstack.distillation.balancing.ema import Ema
from shortstack.distillation.balancing.fixed import Fixed
from shortstack.distillation.balancing.gradnorm import GradNorm
from shortstack.distillation.balancing.linear import Linear
from shortstack.distillation.balancing.uncertainty import Uncertainty

__all__ = [
    "BALANCINGS",
    "AnyBalancing",
    "Balancing",
    "Dwa",
    "Ema",
    "Fixed",
    "GradNorm",
    "Linear",
    "Memory",
    "StepBalancing",
    "TrainedStep",
    "Uncertainty",
    "checked_multipliers",
    "make_balancing",
    "measures_gradients",
    "remembered",
]
