"""Which partition a message key belongs to: Java's murmur2 over the root key, the same for every client of the bus."""

import struct
from functools import cache

from schemas.types import root_of

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def partition_of(key: str | bytes, partitions: int) -> int:
    """Partition of a message key; all messages of one root key share it.

    Args:
        key: `<root key>` or `<root key>/<own id>`, as text or in UTF-8.
        partitions: Number of partitions of the topic.
    """
    root = key.split(b"/", 1)[0] if isinstance(key, bytes) else root_of(key).encode()
    return to_positive(murmur2(root)) % partitions


def to_positive(number: int) -> int:
    """As Kafka's `Utils.toPositive`: the sign bit is dropped, which is not the absolute value."""
    return number & 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """As Kafka's `Utils.murmur2`, as an unsigned 32-bit number."""
    length = len(data)
    h = _SEED ^ length
    words = _words(length >> 2)
    for word in words.unpack_from(data):
        k = (word * _M) & _MASK
        h = (h * _M ^ (k ^ k >> 24) * _M) & _MASK
    if length > words.size:
        h ^= int.from_bytes(data[words.size :], "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


@cache
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")
