"""A row that operators lay over a lookup table of the deployment while everything runs."""

from datetime import datetime

import msgspec


class LookupRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keyed `<table>/<key>`; the newest of a key stands instead of the file's row, a tombstone lets the file speak."""

    table: str
    key: str
    #: None: there is no such row, whatever the file says.
    value: str | None = None
    who: str
    why: str = ""
    at: datetime
    #: From then on the file speaks again; None: for good.
    until: datetime | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Table and key."""
        return self.table, self.key
