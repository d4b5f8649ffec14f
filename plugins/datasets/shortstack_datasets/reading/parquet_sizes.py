"""Size of a Parquet file's columns once they are read, from its footer and the headers of its pages, before any is unpacked.

Both are Thrift structures in the compact protocol.
Source: https://github.com/apache/parquet-format (``parquet.thrift``) and ``thrift-compact-protocol.md`` of Apache Thrift.
"""

import struct
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

import attrs

_MAGIC: Final = b"PAR1"
_VALUE: Final = 8
"""Bytes that a value takes in memory at least; encodings that repeat a value need none of them in the file."""
_DEEPEST: Final = 32


@attrs.define
class _Compact:
    """Reader of the compact protocol: structures as dictionaries of field numbers, without knowing their names.

    Attributes:
        data: The bytes.
        at: Position of the next one.
    """

    data: bytes = attrs.field(repr=False)
    at: int

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Read a structure."""
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, depth + 1, in_list=False)
        return fields

    def _value(self, kind: int, depth: int, *, in_list: bool) -> Any:
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        match kind:
            case 1 | 2:  # a field says its truth by its kind, an entry of a list by a byte
                value: Any = self._byte() == 1 if in_list else kind == 1
            case 3:
                value = self._byte()
            case 4 | 5 | 6:
                value = self._signed()
            case 7:
                value = self._bytes(8)
            case 8:
                value = self._bytes(self._unsigned())
            case 9 | 10:
                value = list(self._entries(depth))
            case 12:
                value = self.structure(depth)
            case _:
                raise ValueError(f"values of kind {kind} are in no Parquet file")
        return value

    def _entries(self, depth: int) -> Iterator[Any]:
        head = self._byte()
        count = self._unsigned() if head >> 4 == 15 else head >> 4
        return (self._value(head & 15, depth, in_list=True) for _ in range(count))

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise ValueError("cut off")
        self.at += count
        return self.data[self.at - count : self.at]

    def _unsigned(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)


def unpacked_size(data: bytes, columns: AbstractSet[str]) -> int:
    """Return the least number of bytes that some columns of a Parquet file take once they are read.

    Raises:
        ValueError: It is no Parquet file, or damaged.
    """
    (length,) = struct.unpack("<I", data[-8:-4]) if len(data) >= 12 else (0,)
    if data[-4:] != _MAGIC or not 0 < length <= len(data) - 12:
        raise ValueError("no Parquet file")
    groups = _Compact(data, len(data) - 8 - length).structure().get(4, [])
    chunks = (chunk[3] for group in groups for chunk in group.get(1, []) if 3 in chunk)
    # the path of a list's values begins with the name of its column
    return sum(_size(data, chunk) for chunk in chunks if chunk[3][0].decode("utf-8", "replace") in columns)


def _size(data: bytes, chunk: dict[int, Any]) -> int:
    """Return the size of a column in a group of rows: of what its pages say of themselves, or of its number of values."""
    pages = sum(_pages(data, start=min(chunk[9], chunk.get(11) or chunk[9]), values=chunk[5]))
    return max(pages, _VALUE * int(chunk[5]))


def _pages(data: bytes, *, start: int, values: int) -> Iterator[int]:
    """Yield the unpacked size of each page until all values are found."""
    reader = _Compact(data, start)
    while values > 0:
        page = reader.structure()
        if page[2] < 0 or page[3] < 0:
            raise ValueError("a page has a negative size")
        yield page[2]
        values -= page.get(5, page.get(8, {})).get(1, 0)
        reader.at += page[3]
