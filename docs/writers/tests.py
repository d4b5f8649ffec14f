"""Modules of the tests, which pages take tables from."""

import importlib
import sys
from pathlib import Path
from typing import Any


def of_the_tests(name: str) -> Any:
    """Import a module of the tests."""
    # tests are no installed package
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)
