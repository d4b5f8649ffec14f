"""ONNX: writing a traced graph, in float32 or with weights of 8 bits, and running it by onnxruntime."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import torch
from torch import Tensor

from shortstack.boundaries import in_one_line
from shortstack.errors import UnsupportedModelError
from shortstack.exporting.graph import Graph
from shortstack.exporting.tracing import quiet

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.onnx import ONNXProgram

FILE: Final = "model.onnx"
INPUTS: Final = ("histories", "left_out")
OUTPUTS: Final = ("items", "scores")
_MOST_BYTES: Final = 1_500_000_000
"""Size of weights from which they are in a file of their own, since a protobuf holds 2 GB at most."""


def write_onnx(program: "ExportedProgram", folder: Path) -> None:
    """Write ``model.onnx``, and ``model.onnx.data`` beside it for a large model.

    Raises:
        UnsupportedModelError: An operation of the model has no counterpart in ONNX.
    """
    try:
        with quiet():
            converted = torch.onnx.export(program, dynamo=True, verbose=False, input_names=INPUTS, output_names=OUTPUTS)
        # of None only for older ways of exporting
        cast("ONNXProgram", converted).save(folder / FILE, external_data=_size(program) > _MOST_BYTES)
    except torch.onnx.errors.OnnxExporterError as error:
        raise UnsupportedModelError(
            f"this model cannot be exported to ONNX ({in_one_line(error.__cause__ or error)}); use --format torch-export"
        ) from error


def write_int8(program: "ExportedProgram", folder: Path) -> None:
    """Write ``model.onnx`` with weights of 8 bits, a scale for each column, whose inputs are rounded as they come.

    Weights use the range of 7 bits: without the instructions of VNNI, sums of products of 8 bits overflow, and the same file
    would give other answers on another machine.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(dir=folder) as place, _root_silenced():
        write_onnx(program, Path(place))
        quantize_dynamic(
            Path(place) / FILE,
            folder / FILE,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            use_external_data_format=_size(program) // 4 > _MOST_BYTES,
        )


def load_onnx(folder: Path) -> Graph:
    """Return the graph as a function, run by onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / FILE, providers=["CPUExecutionProvider"])

    def graph(histories: Tensor, left_out: Tensor) -> tuple[Tensor, Tensor]:
        items, scores = session.run(None, dict(zip(INPUTS, (histories.numpy(), left_out.numpy()), strict=True)))
        return torch.from_numpy(items), torch.from_numpy(scores)

    return graph


def _size(program: "ExportedProgram") -> int:
    """Return the bytes of all weights."""
    return sum(weight.nbytes for weight in program.state_dict.values())


@contextmanager
def _root_silenced() -> Iterator[None]:
    """Silence the root logger, to which onnxruntime's quantiser speaks of a step that changes nothing here."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
