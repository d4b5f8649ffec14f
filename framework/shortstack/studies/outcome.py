"""What became of one run of a study."""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from shortstack.result import RunResult

Row = Mapping[str, Any]
"""Row of a study's table: a run and a model; see ``StudyResult.rows``."""
Status = Literal["finished", "failed", "unfinished"]


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one run of a study.

    Attributes:
        name: Name of the run.
        variant: Name of its variant; empty if it has none.
        values: Dotted path → value of each axis.
        status: Whether it is finished, failed when it was last tried, or is still to be done.
        error: Why it failed; empty if it did not.
        result: Its result, if it is finished.
    """

    name: str
    variant: str
    values: Mapping[str, Any]
    status: Status
    error: str = ""
    result: RunResult | None = None
