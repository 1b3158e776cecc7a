"""What the outside said, as it said it: a document read whole, its bytes untouched."""

from datetime import datetime

import msgspec


class Fetched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reading of one document; its key is the document's root key."""

    connection: str
    #: The document's id at that connection.
    id: str
    read_at: datetime
    #: The source's own change number, or the read's snapshot time in microseconds since 1970.
    source_version: int
    media_type: str = "application/json"
    body: bytes = b""
