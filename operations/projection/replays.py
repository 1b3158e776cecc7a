"""Replays as the projection knows them: how far each is, by its worker's last word, and what became of its events."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from operations.projection.migrate import Wire
from operations.projection.stories import like, read


class ReplayTold(msgspec.Struct, frozen=True, kw_only=True, rename={"code_values": "values"}):
    """A replay by the last that was told of it."""

    command_id: str
    connection: str
    stage: str
    code: str
    code_values: dict[str, str]
    at: datetime
    who: str
    why: str
    begun_at: datetime


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of a replay came to the same."""

    state: str
    cause: str
    code: str
    count: int


COLUMNS = ", ".join(ReplayTold.__struct_fields__)
LAST = f"""
SELECT {COLUMNS} FROM (
    SELECT DISTINCT ON (command_id) command_id, connection, stage, code, code_values, at, who, why,
        min(at) OVER (PARTITION BY command_id) AS begun_at
    FROM outcomes WHERE state = 'replay' AND command_id LIKE %(id)s
    ORDER BY command_id, at DESC, event_offset DESC) AS last
WHERE (%(connection)s = '' OR connection = %(connection)s) AND (%(code)s = '' OR code = %(code)s)
ORDER BY begun_at DESC LIMIT %(limit)s
"""  # noqa: S608  column names of ours


def told(
    wire: Wire, *, id_: str = "", connection: str = "", code: str = "", limit: int = 100
) -> tuple[ReplayTold, ...]:
    """The newest replays; `id_`: how their ids begin."""
    given = {"id": like(id_) + "%", "connection": connection, "code": code, "limit": limit}
    return read(wire, LAST, given, ReplayTold)


def asked_by(wire: Wire, ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Who asked for these replays, and why."""
    with wire.transaction():
        found = wire.execute(
            "SELECT DISTINCT ON (command_id) command_id, who, why FROM outcomes"
            " WHERE state = 'replay' AND command_id = ANY(%s) ORDER BY command_id, at",
            [list(ids)],
        ).fetchall()
    return {id_: (who, why) for id_, who, why in found}


def places(wire: Wire, id_: str) -> tuple[Place, ...]:
    """What became of a replay's events so far, most first."""
    statement = """
        SELECT state, cause, code, count(*) FROM deliveries WHERE replay = %(id)s AND replay <> ''
        GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3
    """
    return read(wire, statement, {"id": id_}, Place)
