"""What became of an event: a code with values, never finished text."""

from datetime import datetime
from decimal import Decimal

import msgspec

from schemas.types import Amount


class Outcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event at one stage; keyed by the root key, or by the connection where no document is known."""

    at: datetime
    #: `gateway`, `streams`, `fetchers`, `consumers`.
    stage: str
    #: An end or a parking of `delivery/states.py`.
    state: str
    #: What happened, from the sentence catalogue: `created`, `equal`, `gp.unknown_item`.
    code: str
    values: dict[str, str] = {}
    connection: str = ""
    #: Topic, topic id, partition and offset of the event itself.
    topic: str = ""
    topic_id: str = ""
    partition: int = -1
    offset: int = -1
    #: The source event it descends from.
    root: str = ""
    root_key: str = ""
    message_key: str = ""
    record: str = ""
    kind: str = ""
    source_version: int = 0
    cause: str = ""
    attempts: int = 0
    epoch: int = 0
    reference: str = ""
    document_number: str = ""
    payload_digest: str = ""
    mapping_in: str = ""
    mapping_out: str = ""
    command_id: str = ""
    origin: str = ""
    #: Amount and currency of the root document, where it has one.
    amount: Amount = Decimal(0)
    currency: str = ""
    #: Root of the event this one was merged into.
    merged_into: str = ""
    taken_in_at: datetime | None = None
    who: str = ""
    why: str = ""
    #: The replay this is part of: its command's id; empty: live.
    replay: str = ""
