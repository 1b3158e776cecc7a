"""Tells a store that was restored what became of its events since, so that nothing is done twice and nothing is lost.

For `towpath store recover`, on the store itself, while nobody works on it. What it is told comes from the topics the
lost store had announced on. What was done and never announced is in doubt: it is looked for before it is sent. Until
`finish` the store is held, and all of it may be run again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

import msgspec
import psycopg

from delivery import announcements, arrays, columns, identity, statements
from delivery import recovery_statements as sql
from delivery.announcements import ANSWERED, Announcement, Speaker
from delivery.incarnation import Held, Incarnation
from delivery.migrate import check_version, schema_of
from delivery.schema_steps import Wire
from delivery.states import ENDS, State
from errors import FatalError, RetryableError
from schemas.bus.command import Act
from schemas.bus.cross_reference import CrossReference
from schemas.bus.outcome import Outcome

#: Queues of a store; the stage of what they announce.
QUEUES: Final = ("fetchers", "consumers")
STATES: Final = frozenset(State)
SEQUENCES: Final = ["row_ids", "epochs", "outbox_id_seq"]
_BEYOND: Final = 1 << 36
#: Acts that end a pause.
RESUMING: Final = frozenset({Act.RESUME, Act.ACCEPT})

#: Where a queue's events may have been worked on: (queue, topic id, partition) to the offset behind them.
Horizons = Mapping[tuple[str, str, int], int]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a store knows of itself before it is told anything."""

    incarnation: Incarnation
    #: Of the last thing it did; None: it never did anything.
    moment: datetime | None
    #: (queue, topic id, partition) to the offset taken in next.
    positions: dict[tuple[str, str, int], int]
    open_rows: int


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who recovers the store, and why."""

    who: str
    why: str


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What a recovery came to."""

    incarnation: Incarnation
    #: Open rows that had ended.
    ended: int
    #: Rows still open, all of them in doubt.
    in_doubt: int
    #: Ends of events that will be taken in again, and not delivered.
    remembered: int


def known(wire: Wire) -> Known:
    """What the store knows."""
    store_id, counter, held = _one(wire, "SELECT store_id, counter, held FROM incarnation")
    (moment,) = _one(wire, sql.MOMENT)
    positions = wire.execute("SELECT queue, topic_id, partition, next FROM positions").fetchall()
    (open_rows,) = _one(wire, "SELECT count(*) FROM rows")
    return Known(
        incarnation=Incarnation(store_id=store_id, counter=counter, held=held),
        moment=moment,
        positions={(queue, topic_id, partition): following for queue, topic_id, partition, following in positions},
        open_rows=open_rows,
    )


def hold(wire: Wire) -> None:
    """From here on no worker begins anything."""
    wire.execute("UPDATE incarnation SET held = %s", [Held.RECOVERING])


class Listener:
    """Hears what the lost store had announced, in the order of its topics."""

    def __init__(self, wire: Wire, connection: str) -> None:
        self._wire = wire
        arrays.register(wire)
        self._connection = connection
        #: Pauses and their ends, in the order they were answered.
        self._switches: list[Outcome] = []

    def hear(self, outcomes: Iterable[Outcome]) -> None:
        """Outcomes of any connection; those of one key in their order."""
        ours = [one for one in outcomes if one.connection == self._connection and one.stage in QUEUES]
        newest: dict[tuple[str, str, int, int, str], Outcome] = {}
        for one in ours:
            if one.state == ANSWERED:
                self._answered(one)
            elif one.offset >= 0 and one.state in STATES:
                place = (one.stage, one.topic_id, one.partition, one.offset, one.replay)
                before = newest.get(place)
                # what was said again may come behind the end
                if before is None or one.state in ENDS or before.state not in ENDS:
                    newest[place] = one
        if newest:
            self._wire.execute(sql.HEAR, _heard(list(newest.values())))

    def hear_references(self, references: Iterable[tuple[str, CrossReference | None]]) -> None:
        """Cross references by message key; None: it was taken back."""
        for key, reference in references:
            if reference is None:
                _, connection, *_ = key.split("/")
                if connection == self._connection:
                    self._wire.execute(sql.FORGET_REFERENCE, {"key": key, "connection": connection})
            elif reference.connection == self._connection:
                self._wire.execute(
                    sql.REFER, [reference.canonical_id, reference.record, reference.id_there, reference.since]
                )

    def finish(
        self, by: By, horizons: Horizons, announced: Incarnation | None, at: datetime, code_version: str
    ) -> Recovered:
        """Bring the store to what was heard and let workers in, all at once.

        Args:
            by: Told with the outcome.
            horizons: Ends of the topics, read after the last worker had stopped.
            announced: What Kafka has heard of the lost store.
            at: Now.
            code_version: Of this code.
        """
        with self._wire.transaction():
            # A fetcher's outcome may have been announced and its document not: reading once more does no harm.
            self._wire.execute(sql.DOUBT_LAST_FETCHES)
            ended = self._wire.execute(sql.END_HEARD).rowcount
            self._wire.execute(sql.STAND_AS_HEARD)
            in_doubt = self._wire.execute(sql.DOUBT).rowcount
            for step in sql.ORDER_KEYS:
                self._wire.execute(step)
            self._wire.execute(sql.RAISE_VERSIONS)
            self._wire.execute(sql.FORGET_NEEDLESS)
            # The other end was written to since: what is not known is read.
            self._wire.execute("DELETE FROM last_seen")
            for outcome in self._switches:
                self._switch(outcome)
            self._set_horizons(horizons)
            self._wire.execute(sql.GO_BEYOND, {"names": SEQUENCES, "beyond": _BEYOND})
            (remembered,) = _one(self._wire, "SELECT count(*) FROM heard")
            counter = announced.counter if announced is not None else 0
            store_id, counter = _one(self._wire, sql.BE_BORN, [counter])
            told = {"ended": str(ended), "in_doubt": str(in_doubt), "remembered": str(remembered)}
            self._tell(by, told, at, code_version)
        return Recovered(
            incarnation=Incarnation(store_id=store_id, counter=counter),
            ended=ended,
            in_doubt=in_doubt,
            remembered=remembered,
        )

    def _answered(self, outcome: Outcome) -> None:
        """A command that is read again is not carried out again."""
        act = outcome.values.get("act", "")
        if outcome.command_id:
            done = [outcome.command_id, outcome.stage, act, outcome.who, outcome.why, _rows(outcome), outcome.at]
            self._wire.execute(sql.ANSWER, [*done, outcome.at])
        if act in {Act.PAUSE, Act.RESUME} or (act == Act.ACCEPT and outcome.code == identity.ACCEPTED):
            self._switches.append(outcome)

    def _switch(self, outcome: Outcome) -> None:
        if outcome.values.get("act") in RESUMING:
            self._wire.execute("DELETE FROM pauses WHERE queue = %s", [outcome.stage])
            return
        until = outcome.values.get("until")
        self._wire.execute(
            sql.PAUSE,
            {
                "queue": outcome.stage,
                "since": outcome.at,
                "until": datetime.fromisoformat(until) if until else None,
                "who": outcome.who,
                "why": outcome.why,
                "id": outcome.command_id,
            },
        )

    def _set_horizons(self, horizons: Horizons) -> None:
        with self._wire.cursor() as cursor:
            cursor.executemany(
                sql.SET_HORIZON,
                [(*place, until) for place, until in horizons.items() if until > 0],
            )
        self._wire.execute(sql.FORGET_REACHED)

    def _tell(self, by: By, told: Mapping[str, str], at: datetime, code_version: str) -> None:
        speaker = Speaker(connection=self._connection, stage=QUEUES[1], code_version=code_version)
        said: Announcement = announcements.of_recovery(speaker, told, by.who, by.why, at)
        self._wire.execute(statements.ANNOUNCE_ALL, columns.of_announcements([said]))


def opened(dsn: str, connection: str) -> AbstractContextManager[Wire]:
    """The store, for a recovery.

    Raises:
        ConfigurationError: it is of another version than this code.
        RetryableError: PostgreSQL cannot be reached.
    """
    check_version(dsn, connection)
    try:
        return psycopg.connect(
            dsn,
            autocommit=True,
            connect_timeout=10,
            application_name="towpath store",
            options=f"-c search_path={schema_of(connection)} -c timezone=UTC",
        )
    except psycopg.OperationalError as error:
        raise RetryableError("store_unavailable", "PostgreSQL cannot be reached") from error


def _heard(outcomes: Sequence[Outcome]) -> dict[str, object]:
    return {
        "queues": [one.stage for one in outcomes],
        "topic_ids": [one.topic_id for one in outcomes],
        "partitions": [one.partition for one in outcomes],
        "offsets": [one.offset for one in outcomes],
        "replays": [one.replay for one in outcomes],
        "message_keys": [one.message_key for one in outcomes],
        "records": [one.record for one in outcomes],
        "source_versions": [one.source_version for one in outcomes],
        "states": [one.state for one in outcomes],
        "causes": [one.cause for one in outcomes],
        "codes": [one.code for one in outcomes],
        "values": [json.dumps(one.values).replace("\\u0000", "\\ufffd") for one in outcomes],
        "attempts": [one.attempts for one in outcomes],
        "references": [one.reference for one in outcomes],
        "numbers": [one.document_number for one in outcomes],
        "mappings": [one.mapping_out for one in outcomes],
        "ends": [one.state in ENDS for one in outcomes],
        "ats": [one.at for one in outcomes],
    }


def _rows(outcome: Outcome) -> int:
    rows = outcome.values.get("rows", "0")
    return int(rows) if rows.isdecimal() else 0


def _one(wire: Wire, statement: Any, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
    found = wire.execute(statement, parameters).fetchone()
    if found is None:
        raise FatalError("store_schema", "the store does not say which one it is")
    return found
