"""Exit codes of the command line; ``commands.run_command`` chooses the one of an error."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for shells and schedulers.

    Attributes:
        DONE: The command did its work.
        FAILED: The command did its work, and the answer is no: `check` saw a broken law, a run of a study failed, or
            `plugins --strict` saw a broken plugin. Python's own code for a bug, too, which prints a traceback.
        REFUSED: The command line, a setting, a file or the data are wrong, or the machine lacks something: one line on standard
            error that begins with `error:` says what, where and what to do.
        INTERRUPTED: Ctrl-C, as in shells: the same command goes on from there.
        TERMINATED: Another process ended it by SIGTERM, 128 and the signal's number, as in shells: the same command goes on from
            there.
    """

    DONE = 0
    FAILED = 1
    REFUSED = 2
    INTERRUPTED = 130
    TERMINATED = 143
