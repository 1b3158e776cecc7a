"""Which dead letters stand, of which causes, and what an act on them reaches; on a projection in PostgreSQL."""

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from bus.dead_letters import letter_id
from bus.secret import Secret
from bus.settings import Connection, Settings
from errors import NotFoundError
from operations import acting, dead_letters, parked
from operations.projection import letters, migrate, tables
from operations.projection import parked as parked_keys
from operations.projection.judging import Status
from operations.projection.letters import Selection
from operations.projection.migrate import Wire
from operations.projection.project import Means, Observed, project
from schemas.bus.command import Act
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.topics import DEAD_LETTERS

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BY = acting.By(who="mara", why="", at=NOW)
STANDING = Selection(filters={"status": Status.STANDING.value})


class Books:
    """Writes what a projector would have read."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        tables.prepare(wire)
        self.read: dict[tuple[str, int], int] = {}
        for topic_id, means in (("outcomes", Means.OUTCOMES), ("letters", Means.DEAD_LETTERS)):
            tables.begin(wire, means.value, {(topic_id, 0): 0})
            self.read[topic_id, 0] = 0

    def tell(self, *values: Outcome | DeadLetter) -> None:
        before = dict(self.read)
        observed = []
        for value in values:
            topic_id, means = (
                ("outcomes", Means.OUTCOMES) if isinstance(value, Outcome) else ("letters", Means.DEAD_LETTERS)
            )
            observed.append(
                Observed(
                    topic=means.value,
                    means=means,
                    topic_id=topic_id,
                    partition=0,
                    offset=self.read[topic_id, 0],
                    timestamp_ms=int(value.at.timestamp() * 1000),
                    key="k",
                    headers={},
                    value=value,
                )
            )
            self.read[topic_id, 0] += 1
        tables.write(self.wire, project(observed), before, self.read)

    def refuse(self, offset: int, *, code: str = "gp.90023", **facts: Any) -> None:
        """An event that GP refused: its parking and its dead letter."""
        amount = facts.pop("amount", Decimal("10.50"))
        parking = outcome(offset, "parked", code, cause="refused", values=facts, amount=amount)
        self.tell(parking, letter(offset, code, facts))


def outcome(offset: int, state: str, code: str, **more: Any) -> Outcome:
    return msgspec.structs.replace(
        Outcome(
            at=NOW + timedelta(seconds=offset),
            stage="consumers",
            state=state,
            code=code,
            connection="gp-two",
            topic="canonical.orders.v1",
            topic_id="orders",
            partition=0,
            offset=offset,
            root_key=f"s:{offset}",
            record="order",
            currency="USD",
        ),
        **more,
    )


def letter(offset: int, code: str, values: dict[str, str], *, stage: str = "consumers") -> DeadLetter:
    return DeadLetter(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{stage}{offset}")),
        at=NOW + timedelta(seconds=offset),
        stage=stage,
        code=code,
        values=values,
        connection="gp-two",
        topic="canonical.orders.v1",
        topic_id="orders",
        partition=0,
        offset=offset,
        root_key=f"s:{offset}",
    )


@pytest.fixture
def books(settings: Settings) -> Iterator[Books]:
    with migrate.connect(settings.projection_dsn.reveal()) as wire:
        yield Books(wire)


def test_letters_of_one_cause_are_one_line(books: Books, settings: Settings) -> None:
    for offset in range(5):
        books.refuse(offset, item="SKU-77" if offset < 3 else "SKU-78", numbers="90023")

    found = dead_letters.dead_letters(settings, STANDING, 2)

    assert [(each.cause, each.count, each.money) for each in found.counts] == [
        ("gp.90023 item=SKU-77", 3, {"USD": Decimal("31.50000")}),
        ("gp.90023 item=SKU-78", 2, {"USD": Decimal("21.00000")}),
    ]
    assert found.counts[0].oldest == NOW
    assert found.counts[0].cure == "a row of a lookup table"
    assert [each.letter.source_offset for each in found.letters] == [4, 3]


@pytest.mark.parametrize(
    ("state", "code", "cause", "status"),
    [
        ("delivered", "created", "", "cured"),
        ("superseded", "superseded", "", "cured"),
        ("discarded", "discarded", "", "discarded"),
        ("dead", "skipped", "", "skipped"),
        ("ready", "redriven", "", "tried again"),
        ("parked", "away", "backoff", "tried again"),
        ("parked", "gp.90023", "refused", "standing"),
    ],
)
def test_what_the_queue_told_last_says_whether_a_letter_stands(
    books: Books,
    settings: Settings,
    state: str,
    code: str,
    cause: str,
    status: str,
) -> None:
    books.refuse(0)
    books.tell(outcome(0, state, code, cause=cause, at=NOW + timedelta(minutes=1)))

    (found,) = dead_letters.dead_letters(settings, Selection(), 10).letters

    assert found.letter.status == status


def webhook(reference: str) -> DeadLetter:
    """Kept by the gateway: it never lay on a topic."""
    return msgspec.structs.replace(
        letter(0, "gateway.malformed", {}, stage="gateway"),
        id=f"letter of {reference}",
        topic="",
        topic_id="",
        partition=-1,
        offset=-1,
        root_key="",
        reference=reference,
    )


def test_letter_of_the_gateway_is_named_by_where_it_lies_and_ends_by_its_senders_id(
    books: Books, settings: Settings
) -> None:
    books.tell(webhook("msg_1"), webhook("msg_2"), webhook("msg_3"))

    commands = acting.on_causes(settings, Act.REDRIVE, {}, BY).commands

    assert {(each.queue, each.connection, each.topic_id) for each in commands} == {("gateway", "gp-two", "letters")}
    assert sorted(each.offset for each in commands) == [0, 1, 2]
    for reference, state in (("msg_1", "delivered"), ("msg_2", "discarded")):
        told = outcome(-1, state, state, stage="gateway", reference=reference)
        books.tell(msgspec.structs.replace(told, topic="", topic_id="", partition=-1, root_key=""))
    found = dead_letters.dead_letters(settings, Selection(), 10).letters
    assert {each.letter.reference: each.letter.status for each in found} == {
        "msg_1": "cured",
        "msg_2": "discarded",
        "msg_3": "standing",
    }
    with pytest.raises(NotFoundError, match="nothing to skip"):
        acting.on_letters(settings, Act.SKIP, ["letter of msg_3"], BY)


@pytest.mark.parametrize("batches", ["one", "many"])
def test_skipped_letter_may_be_wanted_after_all(books: Books, settings: Settings, batches: str) -> None:
    books.refuse(0)
    minutes = [NOW + timedelta(minutes=number) for number in range(1, 4)]
    told = [
        outcome(0, "dead", "skipped", at=minutes[0]),
        outcome(0, "ready", "redriven", at=minutes[1]),
        outcome(0, "parked", "gp.90023", cause="refused", at=minutes[2]),
    ]
    if batches == "one":
        books.tell(*told)
    else:
        statuses = []
        for each in told:
            books.tell(each)
            (found,) = dead_letters.dead_letters(settings, Selection(), 10).letters
            if found.letter.status == Status.SKIPPED:
                assert acting.on_letters(settings, Act.REDRIVE, [found.letter.id], BY).count == 1
                with pytest.raises(NotFoundError, match="is skipped already"):
                    acting.on_letters(settings, Act.DISCARD, [found.letter.id], BY)
            statuses.append(found.letter.status)
        assert statuses == ["skipped", "tried again", "standing"]

    assert counted(books.wire) == {("parked", 1)}


def test_letter_of_an_event_that_never_became_a_row_is_named_by_where_it_lies(books: Books, settings: Settings) -> None:
    """Take-in could not read it, and nothing is parked for it."""
    books.refuse(0, code="decode")
    id_ = letter_id("orders", 0, 1, "consumers", "order")
    buried = msgspec.structs.replace(letter(1, "decode", {}), id=id_, record="order")
    books.tell(outcome(1, "dead", "decode"), buried)

    plan = acting.on_letters(settings, Act.REDRIVE, [id_], BY)
    (command,) = plan.commands
    assert (command.queue, command.topic, command.topic_id) == ("consumers", DEAD_LETTERS.name, "letters")
    assert (command.partition, command.offset) == (0, 1)
    # a whole cause: the parked one by what parked it, the other one by its place
    both = acting.on_causes(settings, Act.DISCARD, {"code": "decode"}, BY)
    assert (both.count, [(each.code, each.topic, each.offset) for each in both.commands]) == (
        2,
        [("decode", "", -1), ("", DEAD_LETTERS.name, 1)],
    )
    with pytest.raises(NotFoundError, match="holds no key"):
        acting.on_letters(settings, Act.PREFLIGHT, [id_], BY)

    books.tell(outcome(1, "discarded", "discarded"))
    assert dead_letters.dead_letter(settings, id_).letter.status == "discarded"


def test_letters_without_a_key_are_acted_on_so_many_at_once(
    books: Books, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "MOST_COMMANDS", 2)
    books.tell(*(letter(offset, "mapping", {}, stage="streams") for offset in range(5)))

    plan = acting.on_causes(settings, Act.REDRIVE, {"code": "mapping"}, BY)

    assert (plan.count, len(plan.commands), plan.later) == (5, 2, 3)


def test_letter_of_streams_is_named_by_where_it_lies(books: Books, settings: Settings) -> None:
    books.tell(letter(7, "mapping", {"field": "total"}, stage="streams"))

    (command,) = acting.on_causes(settings, Act.REDRIVE, {}, BY).commands

    assert (command.queue, command.topic_id, command.partition, command.offset) == ("streams", "letters", 0, 0)
    with pytest.raises(NotFoundError, match="no dead letter that stands fits"):
        acting.on_causes(settings, Act.SKIP, {}, BY)


@pytest.mark.parametrize("connection", ["gp-two", ""])
def test_discarded_letter_of_streams_stands_no_more(books: Books, settings: Settings, connection: str) -> None:
    of = {"connection": connection}
    books.tell(msgspec.structs.replace(letter(7, "mapping", {"field": "total"}, stage="streams"), **of))
    books.tell(msgspec.structs.replace(outcome(7, "discarded", "discarded", stage="streams"), **of))

    (found,) = dead_letters.dead_letters(settings, Selection(), 10).letters

    assert found.letter.status == Status.DISCARDED


def test_act_on_a_cause_is_one_command_with_its_values(books: Books, settings: Settings) -> None:
    for offset in range(5):
        books.refuse(offset, item="SKU-77" if offset < 3 else "SKU-78", numbers="90023")

    plan = acting.on_causes(settings, Act.REDRIVE, {"cause": "gp.90023 item=SKU-77"}, BY, per_minute=60)

    assert plan.count == 3
    (command,) = plan.commands
    assert (command.connection, command.queue, command.act, command.cause) == (
        "gp-two",
        "consumers",
        "redrive",
        "refused",
    )
    assert (command.code, command.values, command.per_minute) == ("gp.90023", {"item": "SKU-77"}, 60)


def test_cause_whose_letters_differ_is_a_command_for_each_difference(books: Books, settings: Settings) -> None:
    for offset in range(3):
        books.refuse(offset, code="mapping", field=f"lines[{offset % 2}].sku", reason="missing")

    plan = acting.on_causes(settings, Act.SKIP, {"code": "mapping"}, BY)

    assert plan.count == 3
    assert sorted(command.values["field"] for command in plan.commands) == ["lines[0].sku", "lines[1].sku"]


def test_act_on_a_letter_names_its_event(books: Books, settings: Settings) -> None:
    books.refuse(7)
    (found,) = dead_letters.dead_letters(settings, STANDING, 10).letters

    (command,) = acting.on_letters(settings, Act.DISCARD, [found.letter.id[:8]], BY).commands

    assert (command.root_key, command.topic_id, command.partition, command.offset) == ("s:7", "orders", 0, 7)


def test_letter_that_stands_no_more_is_not_acted_on(books: Books, settings: Settings) -> None:
    books.refuse(0)
    (found,) = dead_letters.dead_letters(settings, STANDING, 10).letters
    books.tell(outcome(0, "delivered", "created", at=NOW + timedelta(minutes=1)))

    with pytest.raises(NotFoundError, match="is cured already"):
        acting.on_letters(settings, Act.REDRIVE, [found.letter.id], BY)


def test_what_waits_is_listed_by_the_missing_thing(books: Books, settings: Settings) -> None:
    for offset in range(3):
        waits = {"waits_for": "item:SKU-77" if offset else "customer:C1"}
        books.tell(outcome(offset, "parked", "dependency", cause="dependency", values=waits, amount=Decimal(5)))
    books.refuse(9)

    found = parked.parked_events(settings, {"cause": "dependency"}, 10)

    assert [(each.waits_for, each.count, each.money) for each in found.waiting] == [
        ("item:SKU-77", 2, {"USD": Decimal("10.00000")}),
        ("customer:C1", 1, {"USD": Decimal("5.00000")}),
    ]
    assert [each.event.root_key for each in found.events] == ["s:0", "s:1", "s:2"]
    plan = acting.on_parked(settings, Act.RELEASE, {"waits_for": "item:SKU-77"}, BY)
    assert [(each.count, each.cause) for each in plan.reached] == [(2, "dependency dependency item:SKU-77")]
    assert [(each.values, each.queue) for each in plan.commands] == [({"waits_for": "item:SKU-77"}, "consumers")]


def test_missing_thing_is_asked_of_its_owner_else_where_it_is_waited_for(books: Books, settings: Settings) -> None:
    waits = {"waits_for": "item:SKU-77"}
    books.tell(outcome(0, "parked", "dependency", cause="dependency", values=waits, connection="gp-two"))

    named = {
        name: Connection(name=name, system=system, store_dsn=Secret("-"))
        for name, system in (("clarity-main", "clarity"), ("gp-two", "dynamics-gp"))
    }
    given = msgspec.structs.replace(settings, connections=named)

    def asked(thing: str, of: str = "") -> list[tuple[str, str, dict[str, str]]]:
        found = acting.on_missing(given, thing, of, BY)
        return [(each.connection, each.queue, each.values) for each in found]

    assert asked("item:SKU-77") == [("gp-two", "fetchers", waits)]
    assert asked("item:SKU-77", "clarity-main") == [("clarity-main", "fetchers", waits)]
    order = "order:clarity-main:1001"
    assert asked(order) == [("clarity-main", "fetchers", {"waits_for": order})]
    with pytest.raises(NotFoundError, match="nothing waits for 'item:SKU-78'"):
        asked("item:SKU-78")


def test_release_leaves_dead_letters_to_be_redriven(books: Books, settings: Settings) -> None:
    books.refuse(0)
    with pytest.raises(NotFoundError, match="nothing parked fits"):
        acting.on_parked(settings, Act.RELEASE, {"connection": "gp-two"}, BY)

    assert acting.on_parked(settings, Act.SKIP, {"connection": "gp-two"}, BY).count == 1


def test_counts_follow_what_they_count(books: Books, settings: Settings) -> None:
    for offset in range(3):
        books.tell(outcome(offset, "parked", "dependency", cause="dependency", values={"waits_for": "item:SKU-77"}))
    books.tell(outcome(3, "unknown", "timed_out"))
    books.refuse(4)
    books.tell(letter(5, "mapping", {}, stage="streams"), letter(6, "gateway.malformed", {}, stage="gateway"))
    assert counted(books.wire) == {("parked", 3), ("unknown", 1), ("parked", 1), ("streams", 1), ("gateway", 1)}

    later = NOW + timedelta(minutes=1)
    books.tell(outcome(0, "delivered", "created", at=later), outcome(1, "parked", "away", cause="backoff", at=later))
    books.tell(outcome(3, "delivered", "found", at=later), outcome(4, "dead", "skipped", at=later))
    books.tell(outcome(5, "discarded", "discarded", stage="streams", at=later))
    assert counted(books.wire) == {("parked", 1), ("gateway", 1)}
    assert [each.amount for each in parked_keys.grouped(books.wire, {})] == [
        each.amount for each in parked_keys.stuck(books.wire)
    ]

    books.wire.commit()
    migrate.empty(settings.projection_dsn.reveal())
    assert counted(books.wire) == set()


def counted(wire: Wire) -> set[tuple[str, int]]:
    return {(each.state, each.count) for each in parked_keys.stuck(wire)} | {
        (each.stage, each.count) for each in letters.unheld(wire)
    }


def test_hundred_thousand_letters_are_counted_without_loading_them(books: Books, settings: Settings) -> None:
    with psycopg.connect(settings.projection_dsn.reveal(), options="-c search_path=projection") as wire:
        wire.execute(
            """
            INSERT INTO dead_letters (id, topic_id, partition, event_offset, at, stage, code, code_values, connection,
                record, topic, source_topic_id, source_partition, source_offset, root, root_key, size_bytes,
                code_version, mapping, reference, cause)
            SELECT 'l' || n, 'letters', 0, n, now(), stage, 'gp.90023', jsonb_build_object('item', (n % 7)::text),
                'gp-two', 'order', 't', 'orders', 0, n, '', 's:' || n, 1, '', '', '', 'gp.90023 item=' || n % 7
            FROM generate_series(1, 100000) AS n, (VALUES ('streams'), ('consumers')) AS s (stage)
            WHERE (n % 2 = 0) = (stage = 'streams')
            """
        )
        wire.execute(
            """
            INSERT INTO letter_states (id, status, held, amount, currency, connection, stage, code, known, at)
            SELECT id, 'standing', stage = 'consumers', 1, 'USD', connection, stage, code, true, at FROM dead_letters
            """
        )
        wire.execute(
            """
            INSERT INTO deliveries (connection, topic_id, partition, event_offset, stage, state, cause, code, at,
                amount, currency)
            SELECT 'gp-two', 'orders', 0, n, 'consumers', 'parked', 'refused', 'gp.90023', now(), 1, 'USD'
            FROM generate_series(1, 100000, 2) AS n
            """
        )
    books.wire.rollback()

    found = dead_letters.dead_letters(settings, STANDING, 5)

    assert sum(each.count for each in found.counts) == 100_000
    assert (len(found.counts), len(found.letters)) == (14, 5)
    assert counted(books.wire) == {("parked", 50_000), ("streams", 50_000)}
    assert rows_read(books.wire, parked_keys.STUCK) < 20
    assert rows_read(books.wire, letters.UNHELD) < 20


def rows_read(wire: Wire, statement: str, given: Mapping[str, Any] | None = None) -> float:
    """By all scans of its plan."""
    ((plans,),) = wire.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", given).fetchall()

    def read(plan: dict[str, Any]) -> float:
        own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Scan" in plan["Node Type"] else 0
        return float(own * plan["Actual Loops"]) + sum(read(each) for each in plan.get("Plans", ()))

    return read(plans[0]["Plan"])
