"""The formats of an export: how each is written and run, and how near to the recommender it must be."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import attrs
from torch.export import ExportedProgram

from shortstack.errors import ConfigurationError, UnknownNameError
from shortstack.exporting.graph import Graph
from shortstack.exporting.onnx_graph import load_onnx, write_int8, write_onnx
from shortstack.exporting.torch_program import load_program, write_program


@attrs.frozen(kw_only=True)
class Limits:
    """How far an export may be from its recommender.

    Attributes:
        difference: Largest difference of the scores of an item, divided by the score's size or 1, whichever is larger.
        same_items: Smallest share of the recommended items that are the recommender's own.
    """

    difference: float
    same_items: float


@attrs.frozen(kw_only=True)
class Format:
    """One format.

    Attributes:
        packages: Packages that it needs beside torch.
        write: Writes a traced graph into a folder.
        load: Returns the graph of a folder as a function.
        limits: What it must keep to.
        reader: Whether ``recommend.py`` is written beside it.
    """

    packages: tuple[str, ...]
    write: Callable[[ExportedProgram, Path], None]
    load: Callable[[Path], Graph]
    limits: Limits
    reader: bool


_ONNX: Final = ("onnx", "onnxscript", "onnxruntime")
_EXACT: Final = Limits(difference=1e-4, same_items=0.999)
FORMATS: Final = {
    "onnx": Format(packages=_ONNX, write=write_onnx, load=load_onnx, limits=_EXACT, reader=True),
    "int8": Format(
        packages=_ONNX,
        write=write_int8,
        load=load_onnx,
        limits=Limits(difference=0.25, same_items=0.9),
        reader=True,
    ),
    "torch-export": Format(packages=(), write=write_program, load=load_program, limits=_EXACT, reader=False),
}


def format_of(name: str) -> Format:
    """Return a format whose packages are installed.

    Raises:
        UnknownNameError: There is no such format.
        ConfigurationError: A package is missing.
    """
    if name not in FORMATS:
        raise UnknownNameError("export format", name, FORMATS)
    if any(find_spec(package) is None for package in FORMATS[name].packages):
        raise ConfigurationError(
            f"the export format {name!r} needs the extra 'export': pip install 'shortstack[export]'"
        )
    return FORMATS[name]
