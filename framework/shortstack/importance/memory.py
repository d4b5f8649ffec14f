"""Out-of-memory errors that name the batch and suggest a smaller one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from shortstack.errors import OutOfMemoryError
from shortstack.importance.calibration import Batch


@contextmanager
def suggesting_smaller(batch: Batch) -> Iterator[None]:
    """Replace out-of-memory errors inside the context, in which one batch goes through the model.

    Raises:
        OutOfMemoryError: Memory ran out, in the model or in a scorer; suggests a smaller batch.
    """
    try:
        yield
    except Exception as error:
        if not _ran_out(error):
            raise
        examples, tokens = batch.input_ids.shape
        instead = f"batches of {examples // 2}" if examples > 1 else "shorter examples, or a model of lower precision"
        raise OutOfMemoryError(
            f"memory ran out on a batch of {examples} examples of {tokens} tokens; give {instead}"
        ) from error


def _ran_out(error: BaseException | None) -> bool:
    while error is not None:
        of_the_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or of_the_cpu:
            return True
        error = error.__cause__  # an error of a scorer is wrapped in a PluginError
    return False
