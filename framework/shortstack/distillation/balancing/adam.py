"""One step of Adam on a single number, for balancings that learn."""

import math

_DECAYS = 0.9, 0.999
_EPSILON = 1e-8

Learnt = tuple[float, float, float, float]
"""A learnt number, the running means of its gradient and of the gradient's square, and the number of steps so far."""


def adam_step(learnt: Learnt, gradient: float, rate: float) -> Learnt:
    """Return the number after one step of Adam, without weight decay.

    A first step is as long as the learning rate, whatever the gradient's size:

    >>> round(adam_step((1.0, 0.0, 0.0, 0.0), 1000.0, 0.1)[0], 6)
    0.9

    Source: Kingma & Ba 2015, arXiv 1412.6980, algorithm 1.

    Args:
        learnt: The number and its running means.
        gradient: Gradient of the minimised quantity.
        rate: Learning rate.
    """
    value, first, second, steps = learnt
    steps += 1
    first = _DECAYS[0] * first + (1 - _DECAYS[0]) * gradient
    second = _DECAYS[1] * second + (1 - _DECAYS[1]) * gradient**2
    size = math.sqrt(second / (1 - _DECAYS[1] ** steps)) + _EPSILON
    return value - rate * first / (1 - _DECAYS[0] ** steps) / size, first, second, steps
