"""The config of a run's teacher, before the teacher is loaded or made."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from shortstack.config.given import Given
from shortstack.teachers.items import learns_items
from shortstack.teachers.sources import config_of_path, given_config

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from shortstack.config.run import RunConfig

FEW = 8
"""Number of items that is assumed before the data are read."""


def teacher_config(run: "RunConfig", *, items: int | None = None, model: Path | None = None) -> "PreTrainedConfig":
    """Return the config of a run's teacher; see ``Run.teacher_config``."""
    from shortstack.models.initial import initial_config, planned

    fields, path = run.teacher.config or {}, model or run.teacher.path
    if isinstance(path, Given):
        config = given_config(path)
    elif path is None:
        planned(fields)
        config = initial_config(fields, vocabulary=1 + (items or FEW)).get_text_config()
    else:
        config = config_of_path(str(path))
    if path is not None and learns_items(run):
        config.get_text_config().vocab_size += items or 0
    config.get_text_config().dtype = torch.float32  # in which a run loads, trains and saves every model
    return config
