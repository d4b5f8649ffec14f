"""Bad rows: the first one is raised, or all are left out, counted, and the first few shown."""

import attrs

from shortstack.contracts import Skipped
from shortstack.errors import RowError

SHOWN = 3


@attrs.define
class BadRows:
    """Collects the bad rows of a source.

    Attributes:
        skip: Whether they are left out; otherwise the first is raised.
        rows: Number of bad rows.
        examples: The first few, each with file, line and problem.
        remarks: Other remarks on the reading, for the report.
    """

    skip: bool = False
    rows: int = 0
    examples: list[str] = attrs.field(factory=list)
    remarks: list[str] = attrs.field(factory=list)

    def meet(self, error: RowError) -> None:
        """Count a bad row, or raise its error.

        Raises:
            RowError: Bad rows are not skipped.
        """
        if not self.skip:
            raise error
        self.rows += 1
        if self.wants_example:
            self.examples.append(str(error))

    def remark(self, text: str) -> None:
        """Add a remark on the reading."""
        self.remarks.append(text)

    def more(self, rows: int) -> None:
        """Count further bad rows without examples."""
        self.rows += rows

    @property
    def wants_example(self) -> bool:
        """True if another example should be kept."""
        return len(self.examples) < SHOWN

    @property
    def skipped(self) -> Skipped:
        """The number and examples, as the records have them."""
        return Skipped(rows=self.rows, examples=self.examples)
