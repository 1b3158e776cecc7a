"""A thin change: a document somewhere changed, somebody has to read it whole."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Cause(StrEnum):
    """Values of `Change.cause`."""

    WEBHOOK = "webhook"
    POLL = "poll"
    CDC = "cdc"
    ASKED = "asked"
    UNKNOWN = "unknown"


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trigger, nothing more; its key is the document's root key."""

    #: The connection at which the document changed.
    connection: str
    #: What changed there, in the system's own noun: `order`, `sales_order`.
    record: str
    #: The document's id at that connection.
    id: str
    #: When we heard of it.
    noticed_at: datetime
    #: When it changed, if the source says so.
    changed_at: datetime | None = None
    cause: str = Cause.UNKNOWN.value
    #: The source's own change number, 0 where it has none.
    source_version: int = 0
    #: The sender's id of the webhook; empty otherwise.
    delivery_id: str = ""
