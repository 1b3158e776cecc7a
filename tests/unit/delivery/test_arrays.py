"""Columns are encoded as psycopg encodes lists of the same type."""

from collections.abc import Sequence

import pytest
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.numeric import Int8

from delivery.arrays import Array, bigints, booleans, byte_strings, floats, texts
from delivery.states import State

COLUMNS: list[tuple[Array, Sequence[object]]] = [
    (texts(["a", "", 'größer, "{}" \\ NULL', None]), ["a", "", 'größer, "{}" \\ NULL', None]),
    (texts([State.READY, State.PARKED]), ["ready", "parked"]),
    (bigints([0, -1, 2**63 - 1, -(2**63)]), [Int8(each) for each in (0, -1, 2**63 - 1, -(2**63))]),
    (floats([0.0, -1.5, None, 1e300]), [0.0, -1.5, None, 1e300]),
    (booleans([True, False]), [True, False]),
    (byte_strings([b"", bytes(range(256)), None]), [b"", bytes(range(256)), None]),
]


@pytest.mark.parametrize(("encoded", "values"), COLUMNS, ids=[type(encoded).__name__ for encoded, _ in COLUMNS])
def test_columns_are_encoded_as_psycopg_does(encoded: Array, values: Sequence[object]) -> None:
    (expected,) = Transformer().dump_sequence([values], [PyFormat.BINARY])

    assert encoded == expected
