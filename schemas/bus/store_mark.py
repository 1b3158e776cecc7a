"""How far a connection's store had come when it announced something; tells a restored store from one that went on."""

from datetime import datetime

import msgspec


class StoreMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keyed by the connection."""

    connection: str
    #: Random, made with the store and again whenever it is recovered.
    store_id: str
    #: Rises with every batch the store has announced.
    counter: int
    at: datetime
