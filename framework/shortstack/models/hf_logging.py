"""Output of transformers and the hub client during reads and writes, replaced by our own progress and errors."""

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
    """Silence progress bars and warnings of transformers and the hub client inside the context.

    One thread at a time: verbosity is a global setting, and transformers itself loses tied weights where two threads
    load at once.

    What they warn of when a model is loaded, we refuse; a failed download is reported in one line of ours.
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
