"""Makes events for the tests of the store and looks into it behind the store's back."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, TypeAlias

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bus.events import Advance
from delivery.migrate import schema_of
from delivery.ports import Arrival, Intent, Reference, Row, Settlement
from delivery.states import Kind, State
from delivery.store import Store
from schemas.bus.command import Command
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.types import root_of

Wire: TypeAlias = psycopg.Connection[dict[str, Any]]

QUEUE = "consumers"
TOPIC = "canonical.orders.v1"
TOPIC_ID = "Jm2tQxYzT4-aB0cD1eF2gA"


def arrival(
    offset: int,
    message_key: str = "clarity-main:1001",
    *,
    record: str = "order",
    kind: Kind = Kind.DOCUMENT,
    replaces_with: State | None = None,
    source_version: int = 0,
    partition: int = 0,
    payload: bytes = b"payload",
) -> Arrival:
    """An event of a partition."""
    return Arrival(
        topic=TOPIC,
        topic_id=TOPIC_ID,
        partition=partition,
        offset=offset,
        root=f"{TOPIC_ID}/{partition}/{offset}",
        root_key=root_of(message_key),
        message_key=message_key,
        record=record,
        kind=kind,
        replaces_with=replaces_with,
        source_version=source_version,
        payload=payload,
        payload_digest="digest",
        traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
        origin="clarity-main",
        hops=1,
    )


async def take_in(store: Store, *arrivals: Arrival, queue: str = QUEUE) -> None:
    """Each batch follows the last one of its partition."""
    partition = arrivals[0].partition
    expected = (await store.positions(queue, TOPIC_ID)).get(partition)
    await store.take_in(
        queue,
        TOPIC,
        TOPIC_ID,
        [Advance(partition, expected, arrivals[-1].offset + 1)],
        arrivals,
    )


def command(act: str, *, id_: str = "c-1", **more: Any) -> Command:
    """What an operator asks for."""
    given = {"at": datetime.now(UTC), **more}
    return Command(id=id_, who="mara", why="because", connection="any", act=act, **given)


def intent_of(row: Row, *, timeout_s: float = 5.0) -> Intent:
    """To create what the row is about."""
    reference = Reference(record=row.record, business=row.message_key, operation=f"update:{row.offset}")
    return Intent(reference=reference, body=row.payload, document_number="ORD1", mapping="m@1+d", timeout_s=timeout_s)


def delivered(code: str = "created", **more: Any) -> Settlement:
    """The target said yes."""
    return Settlement(state=State.DELIVERED, code=code, **more)


@contextlib.contextmanager
def behind_the_back(dsn: str, connection: str) -> Iterator[Wire]:
    """A connection of the test's own to the connection's schema."""
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as wire:
        wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(connection))))
        yield wire


def look(dsn: str, connection: str, query: LiteralString, *parameters: object) -> list[dict[str, Any]]:
    """Rows of a query in the connection's schema."""
    with behind_the_back(dsn, connection) as wire:
        return wire.execute(query, parameters).fetchall()


def change(dsn: str, connection: str, statement: LiteralString, *parameters: object) -> None:
    """Change something behind the store's back."""
    with behind_the_back(dsn, connection) as wire:
        wire.execute(statement, parameters)


def outcomes(dsn: str, connection: str) -> list[Outcome]:
    """All that waits in the outbox about what became of events, in order."""
    found = look(dsn, connection, "SELECT value FROM outbox WHERE what = 'outcome' ORDER BY id")
    return [msgspec.msgpack.decode(one["value"], type=Outcome) for one in found]


def letters(dsn: str, connection: str) -> list[DeadLetter]:
    """All dead letters that wait in the outbox, in order."""
    found = look(dsn, connection, "SELECT value FROM outbox WHERE what = 'dead_letter' ORDER BY id")
    return [msgspec.msgpack.decode(one["value"], type=DeadLetter) for one in found]


def history(dsn: str, connection: str) -> list[dict[str, Any]]:
    """Ended rows in the order of their ids."""
    return look(dsn, connection, "SELECT * FROM history ORDER BY id")


#: Rows that no sweep would find, rows tried though they are not the first of their key, and keys without rows.
UNSOUND: tuple[LiteralString, ...] = (
    """
        SELECT r.id, r.state, r.cause, k.state AS key_state, k.due
        FROM (SELECT DISTINCT ON (queue, root_key) * FROM rows ORDER BY queue, root_key, id) r
        LEFT JOIN keys k USING (queue, root_key)
        WHERE k.root_key IS NULL
            OR (k.state = 'ready' AND (r.state = 'sending' OR r.due IS NULL OR (r.state <> 'ready' AND k.due < r.due)))
            OR (k.state = 'parked' AND r.due IS NOT NULL)
        """,
    """
        SELECT r.id, r.state FROM rows r
        WHERE r.state IN ('sending', 'unknown', 'parked') AND EXISTS (
            SELECT 1 FROM rows o WHERE o.queue = r.queue AND o.root_key = r.root_key AND o.id < r.id)
        """,
    """SELECT * FROM keys k
           WHERE state <> 'leased' AND NOT EXISTS (SELECT 1 FROM rows r WHERE r.root_key = k.root_key)""",
)


def assert_sound(dsn: str, connection: str) -> None:
    """What must hold between any two transactions: every open row is found by some sweep."""
    with behind_the_back(dsn, connection) as wire:
        assert unsound(wire) == []


def unsound(wire: Wire) -> list[dict[str, Any]]:
    """What nobody would come by."""
    return [one for query in UNSOUND for one in wire.execute(query)]


def ids(rows: Sequence[Row]) -> list[int]:
    """Offsets of rows, which are their names in the tests."""
    return [row.offset for row in rows]
