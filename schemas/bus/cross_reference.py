"""A canonical record is known there under this id: since when, made by what."""

from datetime import datetime

import msgspec


class CrossReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keyed `<canonical id>/<connection>/<record>/<id there>`."""

    canonical_id: str
    connection: str
    record: str
    id_there: str
    since: datetime
    root: str = ""
    mapping: str = ""
