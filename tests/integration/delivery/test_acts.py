"""What operators' commands do to a queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bus.events import Advance
from delivery.acts import CAUSES_OF, PORTION, Acts, Portion
from delivery.announcements import What
from delivery.decide import Pace, Step, after, for_a_person
from delivery.engine import Limits
from delivery.ports import Intent, Row, Settlement
from delivery.states import Kind, ParkedFor, State
from delivery.store import Intended, Store
from errors import LostPartitionError, RefusedError, RejectedError, RetryableError
from schemas.bus.command import Act, Command
from schemas.bus.outcome import Outcome
from schemas.topics import COMMANDS
from tests.integration.delivery.rows import (
    QUEUE,
    TOPIC_ID,
    arrival,
    assert_sound,
    command,
    history,
    ids,
    intent_of,
    look,
    outcomes,
    take_in,
)
from tests.integration.delivery.running import deliverer, running, until
from tests.integration.delivery.target import Target

COMMANDS_ID = "commands-topic"


@pytest.fixture
def acts(store: Store) -> Acts:
    return Acts(store, QUEUE, COMMANDS.name)


async def claim(store: Store, limit: int = 1000) -> list[Row]:
    return await store.claim(QUEUE, "me", limit, 60)


async def refuse(store: Store, code: str = "gp.90023", limit: int = 1000, **facts: str) -> None:
    """Everything that is due becomes a dead letter."""
    rows = await claim(store, limit)
    turns = [after(RefusedError(code, "no", **facts), Step.PREPARE, row, None, Pace(), 0.5) for row in rows]
    await store.settle(QUEUE, "me", turns, [])


def answers(dsn: str, connection: str) -> list[Outcome]:
    return [one for one in outcomes(dsn, connection) if one.state == "answered"]


async def test_redriven_row_is_tried_again_in_its_place(store: Store, acts: Acts, bus_dsn: str) -> None:
    await take_in(store, arrival(0), arrival(1))
    await refuse(store)
    assert await claim(store) == []

    await acts.carry_out(command(Act.REDRIVE))

    (row,) = await claim(store)
    assert (row.offset, row.attempts, row.command_id) == (0, 0, "c-1")
    said = outcomes(bus_dsn, store.connection)[-2]
    assert (said.state, said.code, said.command_id, said.who, said.why) == (
        "ready",
        "redriven",
        "c-1",
        "mara",
        "because",
    )
    assert said.values == {"was": "gp.90023", "parked_for": "refused"}
    (answer,) = answers(bus_dsn, store.connection)
    assert (answer.code, answer.values, answer.command_id) == ("command.done", {"act": "redrive", "rows": "1"}, "c-1")


@pytest.mark.parametrize(
    ("act", "state", "payload"), [(Act.SKIP, "dead", b"payload"), (Act.DISCARD, "discarded", None)]
)
async def test_key_goes_on_behind_what_was_taken_out(
    store: Store, acts: Acts, bus_dsn: str, act: Act, state: str, payload: bytes | None
) -> None:
    await take_in(store, arrival(0), arrival(1))
    await refuse(store)

    await acts.carry_out(command(act))

    (ended,) = history(bus_dsn, store.connection)
    assert (ended["state"], ended["payload"], ended["command_id"]) == (state, payload, "c-1")
    assert ids(await claim(store)) == [1]
    assert_sound(bus_dsn, store.connection)


async def test_last_row_of_a_key_leaves_nothing_behind(store: Store, acts: Acts, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    await refuse(store)

    await acts.carry_out(command(Act.DISCARD))

    assert look(bus_dsn, store.connection, "SELECT * FROM keys") == []


async def test_command_touches_only_what_it_selects(store: Store, acts: Acts) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:2"), arrival(2, "s:3", record="shipment"))
    first, *others = await claim(store)
    turns = [after(RefusedError("gp.90023", "no", item="A"), Step.PREPARE, first, None, Pace(), 0.5)]
    turns += [after(RefusedError("gp.90023", "no", item="B"), Step.PREPARE, row, None, Pace(), 0.5) for row in others]
    await store.settle(QUEUE, "me", turns, [])

    selections: tuple[dict[str, Any], ...] = (
        {"root_key": "s:9"},
        {"record": "payment"},
        {"code": "gp.90024"},
        {"values": {"item": "C"}},
        {"values": {"item": "B"}, "record": "order", "root_key": "s:1"},
        {"topic_id": "another", "offset": 0},
        {"cause": "person"},
    )
    for number, selection in enumerate(selections):
        await acts.carry_out(command(Act.REDRIVE, id_=f"none-{number}", **selection))
    assert await claim(store) == []

    await acts.carry_out(command(Act.REDRIVE, code="gp.90023", values={"item": "B"}))
    assert ids(await claim(store)) == [1, 2]


async def test_command_of_long_ago_is_not_about_what_came_since(store: Store, acts: Acts) -> None:
    """A store made anew, or restored, reads old commands again."""
    await take_in(store, arrival(0))
    await refuse(store)

    await acts.carry_out(command(Act.DISCARD, at=datetime.now(UTC) - timedelta(minutes=5)))

    await acts.carry_out(command(Act.REDRIVE, id_="c-2"))
    assert ids(await claim(store)) == [0]


async def test_release_leaves_dead_letters_alone(store: Store, acts: Acts) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:2"))
    refused, away = await claim(store)
    turns = [
        after(RejectedError("no", "no"), Step.PREPARE, refused, None, Pace(), 0.5),
        after(RetryableError("away", "away", retry_after_s=3600), Step.PREPARE, away, None, Pace(), 0.5),
    ]
    await store.settle(QUEUE, "me", turns, [])
    assert await claim(store) == []

    await acts.carry_out(command(Act.RELEASE))

    assert ids(await claim(store)) == [1]


async def test_released_row_that_may_have_been_sent_is_looked_for_first(store: Store, acts: Acts) -> None:
    await take_in(store, arrival(0))
    (row,) = await claim(store)
    intent = intent_of(row)
    await store.intend(QUEUE, "me", [Intended(row=row, intent=intent)])
    await store.settle(QUEUE, "me", [for_a_person(row, intent, "several", {"documents": "A, B"})], [])

    await acts.carry_out(command(Act.RELEASE))

    (again,) = await claim(store)
    assert (again.state, again.intent) == (State.UNKNOWN, intent)


async def test_command_carried_out_again_does_nothing(store: Store, acts: Acts, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    await refuse(store)
    await acts.carry_out(command(Act.REDRIVE))
    await refuse(store)

    await acts.carry_out(command(Act.REDRIVE))

    assert await claim(store) == []
    assert len(answers(bus_dsn, store.connection)) == 1


async def test_skipped_event_is_taken_back_behind_what_is_open_of_its_key(
    store: Store, acts: Acts, bus_dsn: str
) -> None:
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:1"))
    await refuse(store, limit=1)
    await acts.carry_out(command(Act.SKIP, id_="skip"))
    named = {"root_key": "s:1", "topic_id": TOPIC_ID, "partition": 0, "offset": 0}

    await acts.carry_out(command(Act.REDRIVE, id_="back", **named))
    await acts.carry_out(command(Act.REDRIVE, id_="again", **named))

    assert_sound(bus_dsn, store.connection)
    waiting = look(bus_dsn, store.connection, "SELECT event_offset, state, payload FROM rows ORDER BY id")
    assert [(one["event_offset"], one["state"], one["payload"]) for one in waiting] == [
        (1, "ready", b"payload"),
        (0, "ready", b"payload"),
    ]
    assert history(bus_dsn, store.connection) == []
    assert [one.values["rows"] for one in answers(bus_dsn, store.connection)] == ["1", "1", "0"]
    told = [(one.state, one.code) for one in outcomes(bus_dsn, store.connection) if one.offset == 0]
    assert told[-2:] == [("dead", "skipped"), ("ready", "redriven")]


async def test_skipped_event_whose_key_is_empty_is_tried_at_once_and_an_outdated_one_never(
    store: Store, acts: Acts, bus_dsn: str
) -> None:
    await take_in(store, arrival(0, "s:1", source_version=1), arrival(1, "s:2", source_version=1))
    await refuse(store)
    await acts.carry_out(command(Act.SKIP, id_="skip"))
    await take_in(store, arrival(2, "s:2", source_version=2))
    for offset, key in enumerate(("s:1", "s:2")):
        named = {"root_key": key, "topic_id": TOPIC_ID, "partition": 0, "offset": offset}
        await acts.carry_out(command(Act.REDRIVE, id_=f"back {key}", **named))

    assert_sound(bus_dsn, store.connection)
    assert sorted(row.offset for row in await claim(store)) == [0, 2]
    assert [one["event_offset"] for one in history(bus_dsn, store.connection)] == [1]


class KilledAfterOnePortion(Acts):
    portions = 0

    async def _go_through(self, command: Command, after: int) -> Portion:
        self.portions += 1
        if self.portions > 1:
            raise RetryableError("store_unavailable", "away")
        return await super()._go_through(command, after)


async def test_command_cut_short_goes_on_where_it_was(store: Store, bus_dsn: str) -> None:
    rows = PORTION + 3
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(rows)))
    await refuse(store, limit=rows)
    with pytest.raises(RetryableError):
        await KilledAfterOnePortion(store, QUEUE, COMMANDS.name).carry_out(command(Act.REDRIVE))
    await refuse(store, limit=5)

    await Acts(store, QUEUE, COMMANDS.name).carry_out(command(Act.REDRIVE))

    assert len(await claim(store)) == rows - 5, "what was refused again is not redriven by the same command"
    (answer,) = answers(bus_dsn, store.connection)
    assert answer.values["rows"] == str(rows)


async def test_rows_are_let_go_at_the_rate_asked_for(store: Store, acts: Acts, bus_dsn: str) -> None:
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(PORTION + 2)))
    await refuse(store)

    await acts.carry_out(command(Act.REDRIVE, per_minute=60))

    due = look(
        bus_dsn,
        store.connection,
        "SELECT extract(epoch FROM due - min(due) OVER ())::int AS at FROM keys ORDER BY due",
    )
    assert [one["at"] for one in due] == list(range(PORTION + 2))


async def test_row_in_a_deliverers_hands_is_left_alone(store: Store, acts: Acts, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    (row,) = await claim(store)
    await store.settle(
        QUEUE, "me", [after(RetryableError("away", ""), Step.PREPARE, row, None, Pace(first_backoff_s=0), 0)], []
    )
    await claim(store)

    await acts.carry_out(command(Act.DISCARD))

    assert history(bus_dsn, store.connection) == []
    (answer,) = answers(bus_dsn, store.connection)
    assert answer.code == "command.nothing"


async def test_newer_state_replaces_a_refused_one(store: Store, bus_dsn: str) -> None:
    newer: dict[str, Any] = {"kind": Kind.STATE, "replaces_with": State.SUPERSEDED}
    await take_in(store, arrival(0, **newer))
    await refuse(store)

    await take_in(store, arrival(1, **newer))

    assert [one["state"] for one in history(bus_dsn, store.connection)] == ["superseded"]
    assert ids(await claim(store)) == [1]


async def test_newer_document_waits_behind_a_refused_one(store: Store) -> None:
    await take_in(store, arrival(0))
    await refuse(store)

    await take_in(store, arrival(1))

    assert await claim(store) == []


async def test_paused_queue_hands_out_nothing_until_it_is_resumed(store: Store, acts: Acts, bus_dsn: str) -> None:
    await take_in(store, arrival(0))

    await acts.carry_out(command(Act.PAUSE))
    assert await claim(store) == []
    assert await store.due_in(QUEUE) is None

    await acts.carry_out(command(Act.RESUME, id_="c-2"))
    await acts.carry_out(command(Act.RESUME, id_="c-3"))
    assert ids(await claim(store)) == [0]
    assert [one.code for one in answers(bus_dsn, store.connection)] == [
        "command.paused",
        "command.resumed",
        "command.was_not_paused",
    ]


async def test_pause_ends_by_itself(store: Store, acts: Acts) -> None:
    await take_in(store, arrival(0))

    await acts.carry_out(command(Act.PAUSE, until=datetime.now(UTC) - timedelta(seconds=1)))

    assert ids(await claim(store)) == [0]


async def test_pause_stops_a_deliverer_between_two_rows_of_a_key(store: Store, acts: Acts) -> None:
    class Pausing(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            if intent.body == b"1":
                await acts.carry_out(command(Act.PAUSE))
            return await super().deliver(intent)

    target = Pausing()
    await take_in(store, *(arrival(offset, "s:1") for offset in range(4)))

    async with running(deliverer(store, {"order": target}, limits=Limits(in_flight=4, poll_s=0.05))):
        await until(lambda: target.effects["s:1"] == [0, 1])
        await acts.carry_out(command(Act.RESUME, id_="c-2"))
        await until(lambda: target.effects["s:1"] == [0, 1, 2, 3])

    assert target.effects["s:1"] == [0, 1, 2, 3]


async def test_unknown_act_is_answered(store: Store, acts: Acts, bus_dsn: str) -> None:
    await acts.carry_out(command("dance"))
    (answer,) = answers(bus_dsn, store.connection)
    assert (answer.code, answer.values["act"]) == ("command.unknown", "dance")


async def test_batch_moves_the_position_once(store: Store, acts: Acts, bus_dsn: str) -> None:
    await acts(COMMANDS_ID, [Advance(0, None, 2)], [command(Act.PAUSE)])
    assert await store.positions(QUEUE, COMMANDS_ID) == {0: 2}

    with pytest.raises(LostPartitionError):
        await acts(COMMANDS_ID, [Advance(0, None, 2)], [command(Act.PAUSE)])
    assert len(answers(bus_dsn, store.connection)) == 1


async def test_answer_is_told_under_the_connections_name(store: Store, acts: Acts) -> None:
    await acts.carry_out(command(Act.PAUSE))
    (said,) = await store.outbox_batch(10)
    assert (said.what, said.key, said.topic) == (What.OUTCOME, store.connection, "bus.outcomes.v1")


async def test_queue_can_be_told_of(store: Store) -> None:
    await store.tell(QUEUE, "circuit", "circuit.opened", {"why": "away"})
    (said,) = await store.outbox_batch(10)
    assert isinstance(said.value, Outcome)
    assert (said.key, said.value.stage, said.value.code) == (store.connection, QUEUE, "circuit.opened")


def test_every_cause_is_in_somebodys_hands() -> None:
    assert CAUSES_OF[Act.RELEASE] | CAUSES_OF[Act.REDRIVE] == frozenset(ParkedFor)
    assert CAUSES_OF[Act.SKIP] == CAUSES_OF[Act.DISCARD] == frozenset(ParkedFor)
