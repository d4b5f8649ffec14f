"""The output of a batch: one Parquet file, which names the job that made it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shortstack.boundaries import read_as
from shortstack.errors import RunFolderError
from shortstack.files import written_whole

if TYPE_CHECKING:
    import pyarrow as pa

_KEY: Final = b"shortstack"
_TOGETHER: Final = 64
"""Parts of a row group: some 65,000 users."""


def write_output(out: Path, parts: Sequence[Path], facts: Mapping[str, Any]) -> None:
    """Write parts one after another into one file; memory holds one row group.

    Args:
        out: The file.
        parts: The parts, in order.
        facts: What ``facts_of`` returns.

    Raises:
        UnwritableError: It cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _read(parts[0]).schema.with_metadata({_KEY: json.dumps(facts).encode()})
    with written_whole(out) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for start in range(0, len(parts), _TOGETHER):
            together = pa.concat_tables(map(_read, parts[start : start + _TOGETHER])).replace_schema_metadata(
                schema.metadata
            )
            writer.write_table(together, row_group_size=len(together))


def _read(part: Path) -> "pa.Table":
    import pyarrow.parquet as pq

    with read_as(part, "is damaged", "remove it, and start the same command again"):
        return pq.read_table(part)


def facts_of(out: Path) -> dict[str, Any]:
    """Return what a file says of the job that made it.

    Raises:
        RunFolderError: It was made by something else.
    """
    import pyarrow.parquet as pq

    with read_as(
        out, "exists and is not what this command writes", "name another file, or remove it", error=RunFolderError
    ):
        facts: dict[str, Any] = json.loads(pq.read_schema(out).metadata[_KEY])
        return facts
