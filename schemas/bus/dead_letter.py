"""An event that cannot go on, with its bytes, so that one command can try it again."""

from datetime import datetime

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keyed as the original was."""

    #: Identity of this dead letter: UUIDv5 of where the event lay and of the stage.
    id: str
    at: datetime
    stage: str
    #: A code of the sentence catalogue.
    code: str
    values: dict[str, str] = {}
    connection: str = ""
    record: str = ""
    #: Where the original lies; topic_id empty and offset -1 for what never reached a topic.
    topic: str = ""
    topic_id: str = ""
    partition: int = -1
    offset: int = -1
    root: str = ""
    root_key: str = ""
    key: bytes = b""
    value: bytes = b""
    headers: dict[str, bytes] = {}
    #: Version of the code and of the mapping at work.
    code_version: str = ""
    mapping: str = ""
    reference: str = ""
    #: The replay it died in: its command's id; empty: live.
    replay: str = ""
