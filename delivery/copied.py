"""Events into the queue by COPY, which writes a page of rows at a time; inside transactions of a connection's store.

Encoded here, as in `arrays.py`: what is the same for many events, once.
"""

import struct
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final

from psycopg.types.numeric import DecimalBinaryDumper

from delivery.columns import kept
from delivery.database import Connection
from delivery.ports import Arrival

#: In the order of `_same` and `_own`; a row's id, state and times are the table's.
_SAME: Final = "queue, topic, topic_id, partition, record, kind, mapping_in, origin, hops, command_id, replay, currency"
_OWN: Final = "doubt, event_offset, source_version, root, root_key, message_key, payload_digest, traceparent, amount"
_COPY: Final = f"COPY rows ({_SAME}, {_OWN}, payload) FROM STDIN (FORMAT BINARY)"
_FIELDS: Final = _COPY.count(",") + 1
#: Signature, flags, length of what the flags announce.
_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL: Final = b"\xff\xff"

_row = struct.Struct("!h").pack
_length = struct.Struct("!i").pack
#: Each behind its length.
_integer = struct.Struct("!ii").pack
_numbers = struct.Struct("!i?iqiq").pack
_numeric = DecimalBinaryDumper(Decimal).dump


async def add(
    wire: Connection, queue: str, topic: str, topic_id: str, arrivals: Sequence[Arrival], doubts: Sequence[bool]
) -> None:
    """Put events of a topic behind the open rows of their keys, which are locked, in their order.

    Args:
        wire: Of a transaction, outside of pipelines.
        queue: Theirs.
        topic: Theirs.
        topic_id: Theirs.
        arrivals: At least one.
        doubts: Of each, whether it may have been sent by a store that was lost.
    """
    of_topic = _row(_FIELDS) + _text(queue) + _text(topic) + _text(topic_id)
    begun: dict[tuple[object, ...], bytes] = {}
    written = [_HEAD]
    for one, doubt in zip(arrivals, doubts, strict=True):
        same = (one.partition, one.record, one.kind, one.mapping_in, one.origin, one.hops, one.command_id, one.replay,
                one.currency)  # fmt: skip
        if (start := begun.get(same)) is None:
            start = begun[same] = of_topic + _same(one)
        written += (start, *_own(one, doubt))
    written.append(_TAIL)
    async with wire.cursor() as cursor, cursor.copy(_COPY) as copy:
        await copy.write(b"".join(written))


def _same(one: Arrival) -> bytes:
    return b"".join((
        _integer(4, one.partition),
        _text(one.record),
        _text(one.kind),
        _text(kept(one.mapping_in)),
        _text(kept(one.origin)),
        _integer(4, one.hops),
        _text(one.command_id),
        _text(one.replay),
        _text(kept(one.currency)),
    ))  # fmt: skip


def _own(one: Arrival, doubt: bool) -> tuple[bytes, ...]:
    return (
        _numbers(1, doubt, 8, one.offset, 8, one.source_version),
        _text(kept(one.root)),
        _text(one.root_key),
        _text(one.message_key),
        _text(one.payload_digest),
        _text(kept(one.traceparent)),
        _amount(one.amount),
        _length(len(one.payload)),
        one.payload,
    )


# in Python, and most are nothing
@lru_cache(1000)
def _amount(amount: Decimal) -> bytes:
    encoded = bytes(_numeric(amount) or b"")
    return _length(len(encoded)) + encoded


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _length(len(encoded)) + encoded
