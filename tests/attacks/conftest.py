"""What libraries log and warn of damaged files is not kept: it repeats halves of surrogate pairs, which no report can hold."""

import logging
import warnings

import pytest


@pytest.fixture(autouse=True)
def _unheard():
    """Neither a log nor a warning of a test here reaches its report."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(action="ignore"):
        yield
    logging.disable(logging.NOTSET)
