"""Stock models written by the process that has them, whichever of several it is."""

import copy
from pathlib import Path

from transformers import PreTrainedModel


def save_model(model: PreTrainedModel, folder: str | Path) -> None:
    """Write a stock model as ``save_pretrained`` does, in whichever process this is called.

    By itself, transformers writes in the first of several processes alone, and leaves the folders of the others empty.

    Args:
        model: The model; its weights stay where they are.
        folder: A folder of this process's own, made if it is not there.
    """
    here = copy.copy(model)  # shares weights and config, so that the model itself stays as it is
    here.should_save_on_this_rank = bool  # of ``is_main_process``, which is true unless the caller says otherwise
    here.save_pretrained(folder)
