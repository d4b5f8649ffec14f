"""Which of the shown items does a reader click? Learnt as what is read next, asked about what was shown."""

from typing import TYPE_CHECKING

import attrs

from shortstack.tasks.next_item import NextItem

if TYPE_CHECKING:
    from shortstack.tasks.feedback import Reads


@attrs.frozen(kw_only=True)
class Click(NextItem):
    """Windows over what each training reader read and clicked; an impression is a history and the items shown after it."""

    @property
    def reads(self) -> "Reads":
        """What users were shown."""
        return "impressions"
