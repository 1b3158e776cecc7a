"""What needs somebody: how bad it is, how it is said, and what is told first."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bus.laid_over import Aside
from operations import findings, findings_of_stores
from operations.connectors import ConnectorStatus, TaskStatus
from operations.findings import Finding, Here, Kind, Projector, Severity, Waiting, worst_first
from operations.ledger import DeliveryLine, IntakeLine, Ledger
from operations.processes import ProcessState
from operations.projection.census import CensusTold
from operations.projection.letters import Unheld
from operations.projection.parked import Group
from operations.projection.queues import Full, Pause, StoreStanding
from operations.projection.replays import ReplayTold
from operations.projection.standing import OpenCircuit
from operations.side_by_side import Silence
from operations.unread import Lost, Unread
from producers.gateway.spool_file import Waits

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REFUSED = Group(
    connection="gp-two",
    stage="consumers",
    state="parked",
    cause="refused",
    code="gp.90023",
    waits_for="",
    currency="USD",
    count=2,
    amount=Decimal("120.50"),
    since=NOW - timedelta(hours=3),
    sample="s:1",
    values={},
)


def stuck(**fields: object) -> Group:
    return msgspec.structs.replace(REFUSED, **fields)


def ago(**lasted: float) -> datetime:
    return NOW - timedelta(**lasted)


def finding(severity: Severity, kind: Kind, about: str, money: str = "0", since: datetime | None = None) -> Finding:
    return Finding(
        severity=severity,
        kind=kind,
        about=about,
        headline="",
        money={"USD": Decimal(money)} if money != "0" else {},
        since=since,
        to_do="",
    )


def process(name: str, *, running: bool) -> ProcessState:
    return ProcessState(name=name, pids=(1,) if running else (), running=running, log=Path("logs") / f"{name}.log")


def told(found: Iterable[Finding]) -> list[tuple[str, str, str]]:
    return [(each.severity.value, each.about, each.to_do) for each in found]


def test_a_row_that_is_put_aside_is_an_alarm_with_what_to_type() -> None:
    (found,) = findings.of_rows_aside([Aside(table="gp_carriers", key="UPS 2", why="it cannot be.")])

    assert (found.severity, found.about) == (Severity.ALARM, "lookups/gp_carriers")
    assert "'UPS 2' of gp_carriers on bus.lookups.v1 is put aside: it cannot be. What stood" in found.headline
    assert "`towpath lookups drop gp_carriers 'UPS 2'`" in found.to_do
    (some,) = findings.of_rows_aside([Aside(table="a", key="b", why="it cannot be", by=("consumers@gp-two",))])
    assert (
        "is put aside by consumers@gp-two: it cannot be. What stood before it stands there; elsewhere" in some.headline
    )


def test_worst_comes_first_then_its_causes_then_money_then_age() -> None:
    shuffled = [
        finding(Severity.NOTE, Kind.PAUSE, "note"),
        finding(Severity.WARNING, Kind.PARKED, "warning with money", "900"),
        finding(Severity.ALARM, Kind.PARKED, "young", since=ago(hours=1)),
        finding(Severity.ALARM, Kind.PARKED, "old", since=ago(hours=2)),
        finding(Severity.ALARM, Kind.DEAD_LETTERS, "little money", "1"),
        finding(Severity.ALARM, Kind.DEAD_LETTERS, "much money", "100"),
        finding(Severity.ALARM, Kind.PROCESS, "process"),
        finding(Severity.ALARM, Kind.SERVER, "server"),
    ]

    assert [each.about for each in worst_first(shuffled)] == [
        *("server", "process", "much money", "little money", "old", "young", "warning with money", "note"),
    ]


def test_dead_letters_are_an_alarm_with_money_age_advice_and_command() -> None:
    (found,) = findings.of_stuck([REFUSED, stuck(currency="EUR", count=1, amount=Decimal(7), since=ago(hours=1))], NOW)

    assert found == Finding(
        severity=Severity.ALARM,
        kind=Kind.DEAD_LETTERS,
        about="gp-two",
        headline="3 dead letters at gp-two, the oldest: Dynamics GP refused the document: an item is unknown (90023).",
        money={"USD": Decimal("120.50"), "EUR": Decimal(7)},
        count=3,
        since=ago(hours=3),
        to_do="Create the item in GP, or add a row for it to the lookup table `gp_items`, then redrive it. "
        "See `towpath dead-letters list --connection gp-two --code gp.90023`.",
    )


@pytest.mark.parametrize(
    ("state", "cause", "lasted", "expected"),
    [
        ("parked", "backoff", timedelta(minutes=4), None),
        ("parked", "backoff", timedelta(minutes=6), "warning"),
        ("parked", "backoff", timedelta(hours=2), "alarm"),
        ("unknown", "", timedelta(seconds=30), None),
        ("unknown", "", timedelta(minutes=2), "warning"),
        ("unknown", "", timedelta(hours=2), "alarm"),
        ("parked", "dependency", timedelta(seconds=5), "warning"),
        ("parked", "dependency", timedelta(hours=71), "warning"),
        ("parked", "dependency", timedelta(hours=73), "alarm"),
        ("parked", "person", timedelta(seconds=5), "alarm"),
        ("parked", "operator", timedelta(seconds=5), "alarm"),
        ("parked", "loop", timedelta(seconds=5), "alarm"),
        ("parked", "refused", timedelta(seconds=5), "alarm"),
    ],
)
def test_what_goes_on_by_itself_is_told_when_it_lasts(
    state: str, cause: str, lasted: timedelta, expected: str | None
) -> None:
    found = list(findings.of_stuck([stuck(state=state, cause=cause, since=NOW - lasted)], NOW))

    assert [each.severity.value for each in found] == ([expected] if expected else [])


def test_missing_thing_is_named_with_what_waits_for_it() -> None:
    waiting = stuck(cause="dependency", code="dependency", waits_for="item:SKU-77", values={"waits_for": "item:SKU-77"})

    (found,) = findings.of_stuck([msgspec.structs.replace(waiting, count=143)], NOW)

    assert found.headline == ("item:SKU-77 is missing at gp-two and blocks 143 events.")
    assert found.to_do.endswith("See `towpath parked list --connection gp-two --for item:SKU-77`.")


def test_who_waits_longer_than_the_connections_limit_is_told_of_with_it() -> None:
    waiting = stuck(cause="dependency", code="dependency", waits_for="item:SKU-77", since=NOW - timedelta(hours=5))

    (found,) = findings.of_stuck([waiting], NOW, {"gp-two": timedelta(hours=4)})

    assert found.severity is findings.Severity.ALARM
    assert found.headline.endswith("The oldest has waited for more than 4 h: somebody has to see to it.")


def test_of_an_unknown_outcome_nobody_says_it_was_done() -> None:
    (found,) = findings.of_stuck([stuck(state="unknown", cause="", code="timed_out", values={"timeout_s": "15"})], NOW)

    assert found.headline.startswith("2 events at gp-two of which nobody knows whether it was done: The target gave")
    assert found.to_do.endswith("`towpath outcomes --connection gp-two --state unknown`.")


@pytest.mark.parametrize(("known", "expected"), [(True, "alarm"), (False, "warning")])
def test_dead_letter_without_a_queue_is_worse_when_a_document_is_behind_it(known: bool, expected: str) -> None:
    letters = Unheld(
        connection="", stage="streams", code="mapping", known=known, count=1, since=ago(days=1), values={"field": "sku"}
    )

    (found,) = findings.of_letters([letters])

    assert (found.severity.value, found.about) == (expected, "streams")
    assert found.headline.startswith("1 dead letter at streams: The field sku could not be turned")
    assert found.to_do.endswith("`towpath dead-letters list --stage streams --code mapping`.")


def test_server_that_is_away_is_an_alarm_and_a_database_of_several_is_told_once() -> None:
    silences = [
        Silence(source="Kafka", code="kafka.away", why="Kafka does not answer: timed out"),
        Silence(source="projection", code="projection.away", why="cannot be reached"),
        Silence(source="store of gp-two", why="no answer within 5 s"),
        Silence(source="store of shop", code="store.absent", why="no store"),
    ]

    found = list(findings.of_silences(silences, lambda source: f"start {source}"))

    assert told(found) == [
        ("alarm", "Kafka", "start Kafka"),
        ("alarm", "PostgreSQL", "start PostgreSQL"),
        ("alarm", "PostgreSQL", "`towpath migrate`; where the tables are the newer ones, install the newer code."),
    ]
    assert [each.headline for each in found[:2]] == [
        "Kafka does not answer.",
        "PostgreSQL does not answer in time: projection, store of gp-two.",
    ]


def test_server_that_answers_wrongly_is_told_with_its_words() -> None:
    odd = Silence(source="Kafka Connect", code="connect.refused", why="Kafka Connect answered 401 to GET /connectors.")

    (found,) = findings.of_silences([odd], lambda _source: "look")

    assert found.headline == "Kafka Connect cannot be asked: Kafka Connect answered 401 to GET /connectors."


def test_nothing_running_is_one_alarm() -> None:
    here = Here(states=(process("gateway", running=False), process("streams", running=False)), all_of_it=True)

    assert told(findings.of_processes(here)) == [("alarm", "all", "`towpath run all --detach`.")]


def test_process_that_ended_is_an_alarm_that_says_how_to_start_it() -> None:
    states = (process("gateway", running=True), process("streams", running=False))

    alone = told(findings.of_processes(Here(states=states, all_of_it=True)))
    supervised = told(
        findings.of_processes(Here(states=(*states, process("supervisor", running=True)), all_of_it=True))
    )
    elsewhere = told(findings.of_processes(Here(states=states, all_of_it=False)))

    assert alone == [("alarm", "streams", "`towpath run streams --detach`.")]
    assert supervised == [
        ("alarm", "streams", "It is started again by itself; if it stays, logs/streams.log says why it ends.")
    ]
    assert elsewhere == [("note", "streams", "Nothing to do if they run elsewhere.")]


def test_killed_supervisor_is_an_alarm() -> None:
    here = Here(states=(process("gateway", running=True), process("supervisor", running=False)), all_of_it=True)

    assert told(findings.of_processes(here)) == [
        ("alarm", "supervisor", "`towpath stop`, then `towpath run all --detach`.")
    ]


def test_connector_whose_log_is_gone_wants_a_snapshot_and_is_told_in_short() -> None:
    said = f"io.debezium.DebeziumException: starting at {'x' * 900}, but this is no longer available on the server."
    failed = ConnectorStatus(connector="gp", state="RUNNING", tasks=(TaskStatus(id=0, state="FAILED", failure=said),))

    (found,) = findings.of_connectors([failed])

    assert "new snapshot" in found.to_do
    assert "`towpath connectors restart`" not in found.to_do
    assert "DebeziumException" in found.headline
    assert len(found.headline) < 450


def test_connectors_that_stand_still_are_told_of() -> None:
    running = TaskStatus(id=0, state="RUNNING")
    states = [
        ConnectorStatus(connector="well", state="RUNNING", tasks=(running,)),
        ConnectorStatus(connector="broken", state="RUNNING", tasks=(TaskStatus(id=0, state="FAILED", failure="slot"),)),
        ConnectorStatus(connector="gone", state="ABSENT", tasks=()),
        ConnectorStatus(connector="held", state="PAUSED", tasks=(running,)),
    ]

    found = list(findings.of_connectors(states))

    assert told(found) == [
        ("alarm", "broken", "`towpath connectors restart`."),
        ("alarm", "gone", "`towpath connectors apply`."),
        ("warning", "held", "Resume it in Kafka Connect."),
    ]
    assert found[0].headline.endswith("its connector is failed: slot")


def books(remainder: int, uncounted: dict[str, int]) -> Ledger:
    return Ledger(
        since=NOW,
        until=NOW,
        as_of=NOW,
        balanced=not (remainder or uncounted),
        intake=(),
        delivery=(),
        intake_total=IntakeLine(topic="", hour=NOW, remainder=remainder),
        delivery_total=DeliveryLine(record="", target="", hour=NOW),
        unaccounted=(),
        uncounted=uncounted,
    )


def test_books_that_do_not_balance_are_an_alarm() -> None:
    (found,) = findings.of_ledger(books(1, {"shop.changes.v1": 4}), timedelta(hours=24))

    assert (found.severity, found.count) == (Severity.ALARM, 5)
    assert found.headline == "The books of the last 24 h do not balance: 1 event unaccounted for, 4 never counted."
    assert list(findings.of_ledger(books(0, {}), timedelta(hours=24))) == []
    assert list(findings.of_ledger(None, timedelta(hours=24))) == []


@pytest.mark.parametrize(
    ("behind", "moves", "expected"), [(0, None, []), (3, True, ["note"]), (3, None, ["note"]), (3, False, ["alarm"])]
)
def test_projector_that_stands_still_is_an_alarm(behind: int, moves: bool | None, expected: list[str]) -> None:
    found = list(findings.of_projector(Projector(behind=behind, moves=moves)))

    assert [each.severity.value for each in found] == expected
    assert all("money, counts and ages here may be older" in each.headline for each in found)


@pytest.mark.parametrize(
    ("since", "books_current", "expected"),
    [
        (ago(seconds=30), True, []),
        (ago(minutes=2), True, ["warning"]),
        (ago(hours=2), True, ["alarm"]),
        (None, True, []),  # came this moment
        (None, False, ["note"]),
    ],
)
def test_events_nobody_reads_are_told_when_they_wait(
    since: datetime | None, books_current: bool, expected: list[str]
) -> None:
    lag = Unread(process="streams", topic="shop.orders.v1", connection="", count=7, following={("id", 0): 3})

    found = list(findings.of_unread([Waiting(unread=lag, since=since)], NOW, books_current=books_current))

    assert [each.severity.value for each in found] == expected
    assert all("`towpath run streams --detach`" in each.to_do for each in found)


def test_events_deleted_unread_are_an_alarm_that_names_them() -> None:
    gone = Lost(
        process="streams", topic="shop.orders.v1", connection="", topic_id="id", partition=2, offset=40, count=3
    )

    (found,) = findings.of_lost([gone], {("id", 2, 40): ago(days=30)})

    assert (found.severity, found.kind, found.about, found.count) == (Severity.ALARM, Kind.LOST, "streams", 3)
    assert "3 events of shop.orders.v1/2" in found.headline
    assert "offsets 40 to 42, the first from 2026-10-22 12:00Z" in found.headline


@pytest.mark.parametrize(
    ("topic", "days", "expected"),
    [
        ("clarity.changes.v1", 7.1, ["warning"]),
        ("clarity.changes.v1", 6.9, []),
        # compacted: it forgets nothing for its age
        ("canonical.orders.v1", 300, []),
    ],
)
def test_half_of_a_topics_time_unread_is_a_warning(topic: str, days: float, expected: list[str]) -> None:
    lag = Unread(process="streams", topic=topic, connection="", count=7, following={("id", 0): 3})

    found = list(findings.of_expiring([Waiting(unread=lag, since=ago(days=days))], NOW))

    assert [each.severity.value for each in found] == expected


def pause(queue: str, command_id: str, until: datetime | None = None) -> Pause:
    return Pause(queue=queue, since=ago(hours=1), until=until, who="mara", why="month-end", command_id=command_id)


def test_both_queues_of_a_pause_are_one_warning_and_one_with_an_end_is_a_note() -> None:
    stores = [
        StoreStanding(connection="gp-two", positions={}, pauses=(pause("consumers", "c-1"), pause("fetchers", "c-1"))),
        StoreStanding(
            connection="shop", positions={}, pauses=(pause("consumers", "c-2", NOW + timedelta(minutes=30)),)
        ),
    ]

    found = list(findings_of_stores.of_pauses(stores, NOW))

    assert told(found) == [
        ("warning", "gp-two", "When it may go on: `towpath resume gp-two`."),
        ("note", "shop", "It goes on then. Sooner: `towpath resume shop`."),
    ]
    assert [each.headline for each in found] == [
        'gp-two was paused by mara until resumed (consumers, fetchers): "month-end".',
        'shop was paused by mara until 12:30Z (consumers): "month-end".',
    ]


def test_open_circuit_says_why_and_that_nothing_is_lost() -> None:
    circuit = OpenCircuit(
        connection="gp-two", stage="consumers", code="circuit.opened", values={"why": "gp.away"}, at=ago(minutes=3)
    )

    (found,) = findings.of_circuits([circuit], NOW)

    assert found.severity is Severity.WARNING
    assert "The GP database does not answer." in found.headline
    assert "`towpath pause gp-two" in found.to_do


@pytest.mark.parametrize(("since", "severity"), [(ago(minutes=2), "warning"), (ago(hours=2), "alarm")])
def test_a_full_queue_tells_why_and_is_an_alarm_when_it_lasts(since: datetime, severity: str) -> None:
    full = Full(queue="consumers", since=since, rows=90, bytes=5000, most_rows=20_000, most_bytes=4096)

    found = list(
        findings_of_stores.of_full([StoreStanding(connection="gp-two", positions={}, pauses=(), full=(full,))], NOW)
    )

    assert [(each.severity.value, each.about, each.headline) for each in found] == [
        (
            severity,
            "gp-two",
            "gp-two is full (consumers): 5000 bytes at work or due, of 4096 it may hold. Nothing more is taken in; the "
            "topics keep what waits.",
        )
    ]


def test_what_the_spool_keeps_is_in_flight_and_told() -> None:
    waits = Waits(count=3, refused=1, since=ago(minutes=5))

    going, refused = findings.of_spools({"shop": waits, "other": Waits()}, NOW)

    assert (going.severity, going.count, going.since) == (Severity.WARNING, 2, ago(minutes=5))
    assert going.headline.startswith("2 events of shop accepted and not in Kafka yet")
    assert (refused.severity, refused.count) == (Severity.ALARM, 1)


def test_replay_under_way_is_a_quiet_line_that_says_what_it_waits_for() -> None:
    values = {"taken_in": "40", "left": "60", "offsets": "100", "holds": "replay.paused"}
    told = ReplayTold(
        command_id="1a2b3c4d-0",
        connection="gp-two",
        stage="consumers",
        code="replay.running",
        code_values=values,
        at=NOW,
        who="mara",
        why="GP was restored",
        begun_at=NOW,
    )

    (found,) = findings.of_replays([told])

    assert found.severity is Severity.NOTE
    assert found.headline == (
        'mara replays to gp-two: "GP was restored". 40 events were taken again so far; 60 of 100 offsets are left. '
        "The replay waits because gp-two is paused."
    )
    assert found.to_do == "Go on with `towpath resume gp-two`."


def test_last_census_is_told_whatever_it_found() -> None:
    whole = CensusTold(
        connection="shop", at=ago(minutes=20), since=ago(hours=5), until=ago(minutes=30), listed=40, uncaptured=0
    )
    lacking = msgspec.structs.replace(whole, uncaptured=2, oldest=ago(hours=4))
    old = msgspec.structs.replace(whole, at=ago(hours=4), until=ago(hours=4, minutes=10))

    absent = msgspec.structs.replace(lacking, absent=1, again_at=ago(hours=-6))
    all_absent = msgspec.structs.replace(absent, absent=2)

    noted, alarm, warning, some, none_there = findings.of_census((whole, lacking, old, absent, all_absent), NOW)

    assert (noted.severity, noted.headline) == (
        Severity.NOTE,
        "Of shop nothing is missing: 40 documents it lists as changed until 11:30Z.",
    )
    assert (alarm.severity, alarm.count, alarm.since) == (Severity.ALARM, 2, ago(hours=4))
    assert alarm.headline == ("2 documents of 40 that shop lists as changed never reached us; asked for at 11:40Z.")
    assert "`towpath census --since 2026-11-21T07:00`" in alarm.to_do
    assert (warning.severity, warning.count) == (Severity.WARNING, 0)
    assert warning.headline.startswith("No census of shop since 08:00Z")
    assert some.headline.endswith(
        "; asked for at 11:40Z. Of 1 it says, asked for each, that they are not there, "
        "and is asked again from 18:00Z on."
    )
    assert none_there.headline.endswith(
        "; asked for each, it says they are not there, and is asked again from 18:00Z on."
    )
    assert none_there.to_do.startswith("See at shop why it lists what it does not show.")
