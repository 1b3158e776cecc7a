"""What the last census of each connection found, as the projector's process writes it down."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from operations.projection.migrate import Wire, keep_version
from operations.projection.stories import read


class CensusTold(msgspec.Struct, frozen=True, kw_only=True):
    """The last census of a connection; field names are a contract."""

    connection: str
    #: When it was taken.
    at: datetime
    #: Of which changes, by the source's own time.
    since: datetime
    until: datetime
    listed: int
    uncaptured: int
    #: When the oldest of those changed.
    oldest: datetime | None = None
    #: Of those, so many the source, asked for each, said are not there.
    absent: int = 0
    #: When the first of those is asked for again.
    again_at: datetime | None = None


COLUMNS = CensusTold.__struct_fields__
TOLD = f"SELECT {', '.join(COLUMNS)} FROM census ORDER BY connection"  # noqa: S608  column names of ours
KEEP = f"""
INSERT INTO census ({", ".join(COLUMNS)}) VALUES ({", ".join(f"%({name})s" for name in COLUMNS)})
ON CONFLICT (connection) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])}
"""  # noqa: S608  column names of ours


def told(wire: Wire) -> Mapping[str, CensusTold]:
    """The last of each connection that was ever asked."""
    return {each.connection: each for each in read(wire, TOLD, {}, CensusTold)}


def keep(wire: Wire, census: CensusTold) -> None:
    """In the place of the one before."""
    with wire.transaction():
        keep_version(wire)
        wire.execute(KEEP, msgspec.structs.asdict(census))
