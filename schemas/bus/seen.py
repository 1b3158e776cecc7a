"""A document as it was seen at a connection: what mappings of fetched documents read."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Seen(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The decoded content with where and when it was read."""

    connection: str
    #: Root key of the document.
    key: str
    read_at: datetime
    source_version: int
    content: T
