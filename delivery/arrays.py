"""Columns of a batch as PostgreSQL takes them in: arrays of one declared type, encoded here.

psycopg's own encoding of a list asks every element for its type, and names the array by the largest number in it, so
that one statement would be prepared anew for every kind of batch. Here the type is the statement's.
"""

import struct
from collections.abc import Sequence

from psycopg import AsyncConnection, Connection, postgres
from psycopg.adapt import Dumper
from psycopg.pq import Format

_NULL = b"\xff\xff\xff\xff"
_TRUE, _FALSE = b"\0\0\0\1\1", b"\0\0\0\1\0"
#: Dimensions, whether there are nulls, type of the elements; then length and lower bound of the one dimension.
_head = struct.Struct("!iiIii").pack
_length = struct.Struct("!i").pack
#: Each behind its length.
_bigint = struct.Struct("!iq").pack
_float = struct.Struct("!id").pack


class Array(bytes):
    """An encoded column; each type of elements has a class of its own, by which psycopg names it to PostgreSQL."""


class Texts(Array):
    """Of `text[]`."""


class Bigints(Array):
    """Of `bigint[]`."""


class Floats(Array):
    """Of `float8[]`."""


class Booleans(Array):
    """Of `boolean[]`."""


class ByteStrings(Array):
    """Of `bytea[]`."""


def texts(values: Sequence[str | None]) -> Texts:
    """Strings, or nothing."""
    elements = [_NULL if one is None else _length(len(text := one.encode())) + text for one in values]
    return Texts(_array("text", values, elements))


def bigints(values: Sequence[int]) -> Bigints:
    """Whole numbers."""
    return Bigints(_array("int8", values, [_bigint(8, one) for one in values]))


def floats(values: Sequence[float | None]) -> Floats:
    """Numbers, or nothing."""
    return Floats(_array("float8", values, [_NULL if one is None else _float(8, one) for one in values]))


def booleans(values: Sequence[bool]) -> Booleans:
    """Yes and no."""
    return Booleans(_array("bool", values, [_TRUE if one else _FALSE for one in values]))


def byte_strings(values: Sequence[bytes | None]) -> ByteStrings:
    """Bytes as they are, or nothing."""
    return ByteStrings(_array("bytea", values, [_NULL if one is None else _length(len(one)) + one for one in values]))


def register(wire: "AsyncConnection[object] | Connection[object]") -> None:
    """Let a connection take them."""
    for dumper in _DUMPERS:
        wire.adapters.register_dumper(dumper.of, dumper)


def _array(type_name: str, values: Sequence[object], elements: Sequence[bytes]) -> bytes:
    head = _head(1, None in values, postgres.types[type_name].oid, len(elements), 1)
    return head + b"".join(elements)


class _ArrayDumper(Dumper):
    """It is encoded already."""

    format = Format.BINARY
    of: type[Array]

    def dump(self, obj: Array) -> bytes:
        return obj


class _TextsDumper(_ArrayDumper):
    oid, of = postgres.types["text"].array_oid, Texts


class _BigintsDumper(_ArrayDumper):
    oid, of = postgres.types["int8"].array_oid, Bigints


class _FloatsDumper(_ArrayDumper):
    oid, of = postgres.types["float8"].array_oid, Floats


class _BooleansDumper(_ArrayDumper):
    oid, of = postgres.types["bool"].array_oid, Booleans


class _ByteStringsDumper(_ArrayDumper):
    oid, of = postgres.types["bytea"].array_oid, ByteStrings


_DUMPERS = (_TextsDumper, _BigintsDumper, _FloatsDumper, _BooleansDumper, _ByteStringsDumper)
