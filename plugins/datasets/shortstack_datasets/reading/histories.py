"""Conversion of rows with a history and its next item to interactions, each once."""

from typing import TYPE_CHECKING

import attrs

from shortstack.errors import DataError

if TYPE_CHECKING:
    import polars as pl


@attrs.define
class Histories:
    """The histories of all users so far, over several files.

    Attributes:
        known: User → items, oldest first.
    """

    known: dict[str, list[str]] = attrs.field(factory=dict, repr=False)

    def unrolled(self, rows: "pl.DataFrame", part: str, place: str) -> "pl.DataFrame":
        """Return the new interactions of the rows, oldest first.

        A user's first row adds its list and its item; a later one adds its item alone, because its list repeats the
        history, or the end of it where lists are cut. Items of lists belong to the training part.

        Args:
            rows: Columns ``user``, ``list`` (ids separated by blanks, or empty), ``item``; also the item's ``rating``
                and ``timestamp``, where there are any.
            part: Part of the official split, or empty.
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
                made += [(user, listed_item, None, None, "train") for listed_item in listed]
            # a row that an earlier one, or an earlier file, has already given
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
