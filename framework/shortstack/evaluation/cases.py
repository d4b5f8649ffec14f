"""Per-case values of every method of a run, as a table on the disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shortstack.boundaries import read_as
from shortstack.errors import SourceNotFoundError
from shortstack.evaluation.evaluation import Evaluation
from shortstack.files import written_whole

if TYPE_CHECKING:
    import polars as pl

_ADVICE = "remove its folder, and start the run again, which evaluates its models anew"


def write_cases(
    path: Path, evaluations: Mapping[str, Evaluation], metrics: Sequence[str], keys: NDArray[np.uint64] | None
) -> None:
    """Write the values of some metrics as Parquet: a row for each model and case.

    Args:
        path: The file.
        evaluations: Method → its evaluation, all of the same cases.
        metrics: The metrics to write; a case that does not count towards one has null.
        keys: uint64 ``(users,)``: the key of each user in all runs; None to write the users' numbers.

    Raises:
        UnwritableError: It cannot be written; an earlier one is kept.
    """
    import polars as pl

    tables = [_table(name, evaluation, metrics, keys) for name, evaluation in evaluations.items()]
    with written_whole(path) as partial:
        pl.concat(tables).write_parquet(partial)


def _table(
    model: str, evaluation: Evaluation, metrics: Sequence[str], keys: NDArray[np.uint64] | None
) -> "pl.DataFrame":
    import polars as pl

    users = evaluation.users.astype(np.uint64) if keys is None else keys[evaluation.users]
    values = {metric: pl.Series(evaluation.values[metric], nan_to_null=True) for metric in metrics}
    columns = {"case": np.arange(len(users)), "user": users, **values}
    return pl.DataFrame(columns).insert_column(0, pl.repeat(model, len(users), eager=True).alias("model"))


def read_cases(path: Path, models: Sequence[str] | None = None) -> "pl.DataFrame":
    """Read what ``write_cases`` wrote, of some models or all.

    Raises:
        SourceNotFoundError: It is not there.
        DataError: It is damaged.
    """
    import polars as pl

    if not path.is_file():
        raise SourceNotFoundError(
            f"{path} is not there: this version of shortstack compares models case by case, and an earlier one kept no "
            f"cases; {_ADVICE.replace('its folder', f'the folder {path.parent}')}"
        )
    with read_as(path, "is damaged", _ADVICE):
        rows = pl.scan_parquet(path, glob=False)
        chosen = rows if models is None else rows.filter(pl.col("model").is_in(list(models)))
        return chosen.collect()
