"""What transformers and the hub's client say while they read or write: our own progress and errors say it instead."""

import logging as standard
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Final

from transformers.utils import logging

_HUB: Final = standard.getLogger("huggingface_hub")

_ONE_AT_A_TIME: Final = RLock()


@contextmanager
def silenced_transformers() -> Iterator[None]:
    """Without transformers' progress bars and warnings, and the hub's; afterwards as before.

    One thread at a time: how much is said is one setting for all, and transformers itself loses tied weights where two
    threads load at once.

    What they warn of when a model is loaded, we refuse; what the hub does not give, we say in a line.
    """
    with _ONE_AT_A_TIME:
        bars, verbosity, level = logging.is_progress_bar_enabled(), logging.get_verbosity(), _HUB.level
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        _HUB.setLevel(standard.ERROR)
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            _HUB.setLevel(level)
            if bars:
                logging.enable_progress_bar()
