"""Tracing: the graph of a recommender as torch sees it, for any number of users and any length of history."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.export import Dim, ExportedProgram, export

from shortstack.boundaries import in_one_line
from shortstack.errors import UnsupportedModelError
from shortstack.exporting.graph import BestItems

_LOGGERS = ("torch.export", "torch.onnx", "torch.fx", "onnxscript", "onnx_ir")


def traced(graph: BestItems, window: int) -> ExportedProgram:
    """Return a graph's operations.

    Args:
        graph: The graph.
        window: Largest length of a history.

    Raises:
        UnsupportedModelError: The model does what tracing cannot follow.
    """
    users, length = 3, min(window, 2)
    inputs = torch.zeros(users, length, dtype=torch.long), torch.zeros(users, 2, dtype=torch.long)
    # of a window of 1 the length is always 1; of 2 torch would take it for a constant, since it never counts on 0 or 1
    lengths = {1: Dim("length", max=max(window, 3))} if window > 1 else {}
    shapes = {"histories": {0: Dim("users"), **lengths}, "left_out": {0: Dim("users"), 1: Dim("left_out")}}
    try:
        with torch.no_grad(), quiet():
            return export(graph, inputs, dynamic_shapes=shapes)
    except UnsupportedModelError:
        raise
    except Exception as error:
        kind = f"{type(graph.model).__name__} ({graph.model.config.model_type})"
        raise UnsupportedModelError(
            f"{kind} cannot be exported: torch.export cannot follow it ({in_one_line(error)}); docs/export.md lists families that can"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what exporters warn of inside the context; what they get wrong, the proof finds."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
