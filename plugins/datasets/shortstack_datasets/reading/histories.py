"""Rows that hold a history and what came next become interactions, each once."""

from typing import TYPE_CHECKING

import attrs

from shortstack.errors import DataError

if TYPE_CHECKING:
    import polars as pl


@attrs.define
class Histories:
    """What is known of each user so far, as one file after the other is read.

    Attributes:
        known: User → items, oldest first.
    """

    known: dict[str, list[str]] = attrs.field(factory=dict, repr=False)

    def unrolled(self, rows: "pl.DataFrame", part: str, place: str) -> "pl.DataFrame":
        """The interactions that the rows add to what is known, oldest first.

        A user's first row adds its list and its item; a later one adds its item, because its list repeats what is known,
        or the end of it where lists are cut. What stands in lists is history, and counts as training.

        Args:
            rows: Columns ``user``, ``list`` (ids with blanks between them, or nothing), ``item``; of the item also
                ``rating`` and ``timestamp``, where there are any.
            part: Of the official split, or nothing.
            place: The file, for errors.

        Raises:
            DataError: A list is no continuation of the user's history.
        """
        import polars as pl

        from shortstack_datasets.reading.described import filled

        made: list[tuple[str, str, float | None, int | None, str]] = []
        columns = filled(rows, ("user", "list", "item", "rating", "timestamp"))
        for number, (user, text, item, rating, time) in enumerate(columns.iter_rows(), start=1):
            listed = text.split() if text else []
            before = self.known.get(user)
            if before is None:
                self.known[user] = [*listed, item]
                made += [(user, one, None, None, "train") for one in listed]
            elif before[: len(listed) + 1] == [*listed, item]:
                continue
            elif listed and before[len(before) - len(listed) :] == listed:
                before.append(item)
            else:
                raise DataError(
                    f"{place}: the list in row {number} is not what its user did before; each row must hold all of it or "
                    "its end, in one order"
                )
            made.append((user, item, rating, time, part))
        schema = {name: columns.schema[name] for name in ("user", "item", "rating", "timestamp")} | {"split": pl.String}
        frame = pl.DataFrame(made, schema=schema, orient="row")
        return frame if part else frame.drop("split")
