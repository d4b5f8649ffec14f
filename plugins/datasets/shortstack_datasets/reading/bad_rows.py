"""Bad rows: the first one ends the reading, or all are left out, counted, and the first of them shown."""

import attrs

from shortstack.contracts import Skipped
from shortstack.errors import RowError

SHOWN = 3


@attrs.define
class BadRows:
    """What is done with rows that are bad.

    Attributes:
        skip: Leave them out; otherwise the first is an error.
        rows: How many there were.
        examples: The first few, each with file, line and problem.
        remarks: What else should be known about how it was read.
    """

    skip: bool = False
    rows: int = 0
    examples: list[str] = attrs.field(factory=list)
    remarks: list[str] = attrs.field(factory=list)

    def meet(self, error: RowError) -> None:
        """Take note of a bad row.

        Raises:
            RowError: It is not to be skipped.
        """
        if not self.skip:
            raise error
        self.rows += 1
        if self.wants_example:
            self.examples.append(str(error))

    def remark(self, text: str) -> None:
        """Say something about how it was read."""
        self.remarks.append(text)

    def more(self, rows: int) -> None:
        """Count rows like those that were shown."""
        self.rows += rows

    @property
    def wants_example(self) -> bool:
        """Whether another one should be shown."""
        return len(self.examples) < SHOWN

    @property
    def skipped(self) -> Skipped:
        """For the records."""
        return Skipped(rows=self.rows, examples=self.examples)
