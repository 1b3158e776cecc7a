"""Why a key is where it is, and what would move it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from operations.cli.explain import facts
from operations.explain import Buried, Move, Waiting, candidates_of, delivered_of, moves_of, waiting_of
from operations.projection.queues import Head, Pause, StoreStanding, Stranger
from operations.projection.standing import DeliveryTold, OpenCircuit
from operations.unread import NotRead

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = "shop:10 01"
RUNNING = ("streams", "consumers@gp-two")
HEAD = Head(
    queue="consumers",
    root_key=KEY,
    lease_owner="",
    lease_until=None,
    topic_id="id",
    partition=2,
    event_offset=7,
    record="order",
    state="parked",
    cause="backoff",
    code="gp.away",
    code_values={},
    attempts=3,
    due=NOW + timedelta(seconds=90),
    amount=Decimal("12.50"),
    currency="USD",
    document_number="",
    taken_in_at=NOW - timedelta(hours=1),
    behind=4,
)
STORE = StoreStanding(connection="gp-two", positions={}, pauses=())


def delivery(**fields: object) -> DeliveryTold:
    return msgspec.structs.replace(
        DeliveryTold(
            connection="gp-two",
            stage="consumers",
            topic_id="id",
            partition=2,
            event_offset=7,
            root_key=KEY,
            record="order",
            state="parked",
            cause="backoff",
            code="gp.away",
            code_values={},
            at=NOW - timedelta(minutes=10),
            attempts=3,
            amount=Decimal("12.50"),
            currency="USD",
            document_number="",
        ),
        **fields,
    )


def waiting(head: Head = HEAD, store: StoreStanding = STORE, *circuits: OpenCircuit) -> Waiting:
    (found,) = waiting_of(KEY, {"gp-two": [head]}, {"gp-two": store}, [delivery()], circuits)
    return found


def moves(each: Waiting, running: tuple[str, ...] = RUNNING) -> list[tuple[str, str]]:
    return [(move.command, move.says) for move in moves_of(KEY, [each], (), (), running, NOW)]


def test_text_may_be_a_key_its_end_or_a_message_key() -> None:
    assert candidates_of("shop:1/2", ["shop", "gp-two"]) == ("shop:1", "shop:shop:1/2", "gp-two:shop:1/2")


def test_head_is_told_by_its_store_and_its_age_by_the_projection() -> None:
    told = waiting()

    assert (told.since, told.attempts, told.behind, told.told_by) == (NOW - timedelta(minutes=10), 3, 4, "store")
    assert told.money == {"USD": Decimal("12.50")}
    assert told.happened == "The GP database does not answer."


def test_age_of_a_state_that_has_passed_is_not_told() -> None:
    assert waiting(msgspec.structs.replace(HEAD, state="unknown", cause="")).since is None


def test_projection_tells_where_the_store_is_away() -> None:
    (told,) = waiting_of(KEY, {}, {}, [delivery(), delivery(event_offset=3, state="delivered")], [])

    assert (told.state, told.cause, told.due, told.behind, told.told_by) == (
        *("parked", "backoff", None, None, "projection"),
    )
    assert moves(told)[0][1].startswith("nothing: it is tried again in its turn")


def test_backoff_needs_nothing_and_says_when_it_is_tried_again() -> None:
    assert moves(waiting()) == [
        ("", "nothing: it is tried again at 12:01:30Z"),
        ("towpath parked release 'shop:10 01'", "has it tried at once"),
    ]


def test_refused_head_is_redriven_or_skipped_by_the_id_of_its_dead_letter() -> None:
    refused = waiting(msgspec.structs.replace(HEAD, cause="refused", due=None))

    assert refused.dead_letter == "ff04645a-66f5-54f2-bd85-e6affd5a08d5"
    assert [command for command, _ in moves(refused)] == [
        f"towpath dead-letters redrive {refused.dead_letter} --why ...",
        f"towpath dead-letters skip {refused.dead_letter} --why ...",
    ]


@pytest.mark.parametrize("cause", ["person", "operator", "loop"])
def test_what_waits_for_somebody_is_released(cause: str) -> None:
    held = waiting(msgspec.structs.replace(HEAD, cause=cause, due=None))

    assert moves(held)[0] == ("towpath parked release 'shop:10 01'", "has it tried again")


def test_paused_connection_is_resumed() -> None:
    pause = Pause(queue="consumers", since=NOW, until=None, who="mara", why="month-end", command_id="c-1")
    other = msgspec.structs.replace(pause, queue="fetchers")

    paused = waiting(HEAD, msgspec.structs.replace(STORE, pauses=(other, pause)))

    assert paused.pause == pause
    assert moves(paused) == [("towpath resume gp-two", "gp-two is paused by mara")]


def test_connection_with_a_stranger_behind_it_waits_for_a_person() -> None:
    stranger = Stranger(code="identity.behind", values={"seen_newest": "ORD97 (receipt 97)"}, since=NOW)

    stopped = waiting(HEAD, msgspec.structs.replace(STORE, stranger=stranger))

    assert "the newest of our documents in it is ORD97 (receipt 97)" in stopped.stranger
    assert [command for command, _ in moves(stopped)] == ["towpath resume gp-two --accept-identity --why ..."]


def test_open_circuit_needs_nothing() -> None:
    circuit = OpenCircuit(connection="gp-two", stage="consumers", code="circuit.opened", values={}, at=NOW)

    told = waiting(HEAD, STORE, circuit)

    assert told.circuit_open_since == NOW
    assert moves(told) == [("", "nothing: it goes on by itself when gp-two answers again")]


def test_row_in_somebodys_hands_needs_nothing() -> None:
    leased = msgspec.structs.replace(
        HEAD, state="sending", cause="", lease_owner="consumers@gp-two:7", lease_until=NOW + timedelta(seconds=20)
    )

    assert moves(waiting(leased)) == [("", "nothing: consumers@gp-two:7 works on it, until 12:00:20Z at most")]


def test_unknown_outcome_is_looked_for_by_itself() -> None:
    unknown = waiting(msgspec.structs.replace(HEAD, state="unknown", cause=""))

    assert moves(unknown) == [("", "nothing: it is looked for at the target at 12:01:30Z")]


def test_process_that_does_not_run_is_to_be_started() -> None:
    ready = waiting(msgspec.structs.replace(HEAD, state="ready", cause="", due=NOW))

    assert moves(ready, ())[0][0] == "towpath run consumers@gp-two --detach"
    assert moves(ready) == [("", "nothing: it is tried again as soon as a worker is free")]


def test_event_nobody_has_read_waits_for_its_reader() -> None:
    missing = NotRead(process="streams", topic="shop.orders.v1", partition=0, offset=9, before=2)

    assert moves_of(KEY, (), [missing], (), RUNNING, NOW) == (
        Move(command="", says="nothing: streams reads it in its turn"),
    )
    assert moves_of(KEY, (), [missing], (), (), NOW)[0].command == "towpath run streams --detach"


@pytest.mark.parametrize(
    ("stage", "act"),
    [("streams", "redrive 0a1b --why ..."), ("gateway", "redrive 0a1b --why ..."), ("router", "show 0a1b")],
)
def test_dead_letter_without_a_queue_is_mapped_again_or_corrected_at_its_source(stage: str, act: str) -> None:
    letter = Buried(id="0a1b", stage=stage, connection="", code="mapping", happened="", to_do="", at=NOW)

    (move,) = moves_of(KEY, (), (), [letter], RUNNING, NOW)

    assert move.command == f"towpath dead-letters {act}"


def test_key_that_has_come_to_its_end_is_moved_by_nothing() -> None:
    assert moves_of(KEY, (), (), (), RUNNING, NOW) == (
        Move(command="", says="nothing: all that is known of it has come to an end"),
    )


def test_what_was_delivered_last_is_told_for_each_connection() -> None:
    first = delivery(state="delivered", cause="", code="created", document_number="ORD1", at=NOW - timedelta(hours=2))
    second = delivery(state="delivered", cause="", code="updated", document_number="ORD1", at=NOW)
    fetched = delivery(stage="fetchers", connection="shop", state="delivered", cause="", code="fetched")

    told = delivered_of([second, first, fetched, delivery()])

    assert [(each.connection, each.document_number, each.happened, each.at) for each in told] == [
        ("gp-two", "ORD1", "ORD1 was brought to what it should be.", NOW)
    ]


def shown(stands: set[str], **fields: object) -> dict[str, object]:
    (waiting,) = waiting_of(KEY, {"gp-two": [head(**fields)]}, {"gp-two": STORE}, (), ())
    return dict(facts(waiting, stands))


def head(**fields: object) -> Head:
    return msgspec.structs.replace(HEAD, **fields)


@pytest.mark.parametrize(
    ("state", "stands", "said"),
    [
        ("parked", {"ORD7"}, "ORD7"),
        ("parked", set(), "none there; tried as ORD7"),
        ("unknown", set(), "ORD7, nobody knows yet whether it stands"),
    ],
)
def test_a_number_that_was_only_drawn_is_no_document(state: str, stands: set[str], said: str) -> None:
    assert shown(stands, state=state, cause="refused", code="gp.90023", document_number="ORD7")["document"] == said


def test_what_is_tried_again_tells_its_last_failure_as_one_from_before() -> None:
    found = shown(set(), state="ready", cause="", code="gp.90023", code_values={"item": "SKU-77"})

    assert found["before"] == "Dynamics GP refused the document: an item is unknown (90023): item SKU-77."
    assert not {"happened", "to do"} & set(found)
