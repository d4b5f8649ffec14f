"""Click prediction: which of the shown items a reader clicks; trained as next-item prediction, evaluated on impressions."""

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
        """Impressions: the items that users were shown, and their clicks."""
        return "impressions"
