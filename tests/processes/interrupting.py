"""A callback of a run, which ends one of its processes in the middle of a training, or lets it fail."""

import os
import signal

from transformers import TrainerCallback

from shortstack.errors import ConfigurationError


class Interrupting(TrainerCallback):
    """``INTERRUPTED="kill 1 6"`` kills process 1 after step 6; with ``fail``, it raises an error there."""

    def on_step_end(self, args, state, _control, **_):
        """End this process, if it is its turn."""
        how, *moment = os.environ.get("INTERRUPTED", "none").split()
        if [str(args.process_index), str(state.global_step)] != moment:
            return
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ConfigurationError("a setting is wrong in one process")
