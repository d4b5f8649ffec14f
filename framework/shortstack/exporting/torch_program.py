"""torch.export: writing a traced graph as ``.pt2``, and running it."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from shortstack.exporting.graph import Graph
from shortstack.exporting.tracing import quiet

if TYPE_CHECKING:
    from torch.export import ExportedProgram

FILE: Final = "model.pt2"


def write_program(program: "ExportedProgram", folder: Path) -> None:
    """Write ``model.pt2``."""
    with quiet():
        torch.export.save(program, folder / FILE)


def load_program(folder: Path) -> Graph:
    """Return the graph as a function."""
    with quiet():
        graph = torch.export.load(folder / FILE).module()

    def answer(histories: Tensor, left_out: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            items, scores = graph(histories, left_out)
        return items, scores

    return answer
