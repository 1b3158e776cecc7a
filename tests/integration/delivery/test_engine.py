"""The deliverer, one behaviour at a time."""

import asyncio
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from bus.events import Advance
from delivery import engine
from delivery.acts import Acts
from delivery.decide import Pace, Step, after
from delivery.engine import Limits
from delivery.migrate import schema_of
from delivery.ports import Absent, CannotTell, Finding, Intent, Row, Settlement, Several
from delivery.states import ParkedFor, State
from delivery.store import OpenRows, Store
from errors import ConfigurationError, DependencyError, FatalError, RefusedError, RetryableError, UnknownOutcomeError
from schemas.bus.command import Act
from schemas.topics import COMMANDS
from tests.integration.delivery.rows import (
    QUEUE,
    TOPIC,
    arrival,
    assert_sound,
    command,
    letters,
    look,
    outcomes,
    take_in,
)
from tests.integration.delivery.running import LIMITS, PACE, deliverer, running, until, until_done
from tests.integration.delivery.target import Target


async def open_rows(store: Store) -> set[tuple[State, ParkedFor | None]]:
    return {(one.state, one.cause) for one in (await store.counts()).open_rows}


async def test_rows_of_a_key_are_delivered_in_order(store: Store, bus_dsn: str) -> None:
    target = Target()
    await take_in(store, *(arrival(offset, f"s:{offset % 3}") for offset in range(30)))

    async with running(deliverer(store, {"order": target})):
        await until_done(store)

    assert target.effects == {f"s:{key}": list(range(key, 30, 3)) for key in range(3)}
    assert len(outcomes(bus_dsn, store.connection)) == 30


async def test_idle_deliverer_hears_of_new_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    target, idle, real = Target(), asyncio.Event(), store.wait_for_work

    async def wait_for_ever(queue: str, _timeout_s: float) -> None:
        idle.set()
        await real(queue, 60)

    monkeypatch.setattr(store, "wait_for_work", wait_for_ever)
    async with running(deliverer(store, {"order": target})):
        await idle.wait()
        await take_in(store, arrival(0))
        await until(lambda: target.effects, within_s=10)


class Counting(Target):
    """Counts calls under way; whoever comes first finds its key locked behind its back when it has its answer."""

    def __init__(self, wire: psycopg.AsyncConnection[Any]) -> None:
        super().__init__()
        self._wire = wire
        self._now = 0
        self.most = 0

    async def deliver(self, intent: Intent) -> Settlement:
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        if not self.effects:
            await self._wire.execute("SELECT FROM keys WHERE root_key = %s FOR UPDATE", [intent.reference.business])
        self._now -= 1
        return self.apply(intent)


async def test_others_have_their_calls_while_results_are_written(store: Store, bus_dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(bus_dsn) as other:
        await other.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema_of(store.connection))))
        target = Counting(other)
        await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(12)))

        async with running(deliverer(store, {"order": target}, limits=Limits(in_flight=4, poll_s=0.2))):
            await until(lambda: len(target.effects) >= 7, within_s=10)
            await other.rollback()
            await until_done(store)

    assert target.most == 4


async def test_what_waits_for_its_call_when_the_target_goes_away_is_not_sent(store: Store, bus_dsn: str) -> None:
    go_on = asyncio.Event()

    class Lost(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            self.called += 1
            await go_on.wait()
            raise RetryableError("it.away", str(intent.reference))

        called = 0

    async def is_away() -> None:
        raise RetryableError("it.away", "it is gone")

    target = Lost()
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(20)))
    limits = Limits(in_flight=8, poll_s=0.2)
    async with running(deliverer(store, {"order": target}, limits=limits, probe=is_away)):
        await until(lambda: target.called == 8)
        # four more than have their calls may have their intents
        sending = "SELECT count(*) AS rows FROM rows WHERE state = 'sending'"
        await until(lambda: look(bus_dsn, store.connection, sending) == [{"rows": 12}])
        go_on.set()
        await until(lambda: look(bus_dsn, store.connection, sending) == [{"rows": 0}])

    assert target.called == 8
    left = look(bus_dsn, store.connection, "SELECT state, code, attempts, intent FROM rows WHERE code <> 'it.away'")
    states = [(one["state"], one["code"]) for one in left]
    assert (states.count(("ready", "")), states.count(("parked", "not_sent")), len(states)) == (8, 4, 12)
    assert {(one["attempts"], one["intent"]) for one in left} == {(0, None)}
    assert_sound(bus_dsn, store.connection)


async def test_key_gives_way_after_its_share(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "AHEAD", 0)
    target = Target()
    await take_in(store, *(arrival(offset, "s:long") for offset in range(10)))
    await take_in(store, arrival(10, "s:short"))

    limits = Limits(in_flight=1, rows_of_a_key=4)
    async with running(deliverer(store, {"order": target}, limits=limits)):
        await until_done(store)

    assert target.prepared == [0, 1, 2, 3, 10, 4, 5, 6, 7, 8, 9]


async def test_head_of_a_key_blocks_its_key_and_no_other(store: Store) -> None:
    class Picky(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            if row.offset == 0:
                raise DependencyError("customer:s:C1", "not yet")
            return await super().prepare(row)

    target = Picky()
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:1"), arrival(2, "s:2"))

    async with running(deliverer(store, {"order": target})):
        await until(lambda: target.effects)

    assert target.effects == {"s:2": [2]}
    assert (State.PARKED, ParkedFor.DEPENDENCY) in await open_rows(store)


async def test_refused_row_is_a_dead_letter_and_holds_its_key(store: Store, bus_dsn: str) -> None:
    class Refusing(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            if intent.body == b"0":
                raise RefusedError("no", "no")
            return await super().deliver(intent)

    target = Refusing()
    await take_in(store, arrival(0, "s:1"), arrival(1, "s:1"), arrival(2, "s:2"))

    async with running(deliverer(store, {"order": target})):
        await until(lambda: target.effects and letters(bus_dsn, store.connection))

    assert target.effects == {"s:2": [2]}
    assert await open_rows(store) == {(State.PARKED, ParkedFor.REFUSED), (State.READY, None)}
    assert_sound(bus_dsn, store.connection)


async def test_outage_never_makes_a_dead_letter(store: Store, bus_dsn: str) -> None:
    class Away(Target):
        tries = 0

        async def deliver(self, intent: Intent) -> Settlement:
            self.tries += 1
            if self.tries < 8:
                raise RetryableError("refused_connection", "away")
            return await super().deliver(intent)

    target = Away()
    await take_in(store, arrival(0))

    async with running(deliverer(store, {"order": target})):
        await until_done(store)

    assert [(one.state, one.attempts) for one in outcomes(bus_dsn, store.connection)] == [
        ("parked", 1),
        ("delivered", 8),
    ]


async def test_unanswered_call_is_looked_for_and_not_sent_again(store: Store) -> None:
    class Silent(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            prepared = await super().prepare(row)
            assert isinstance(prepared, Intent)
            return Intent(reference=prepared.reference, body=prepared.body, timeout_s=0.1)

        async def deliver(self, intent: Intent) -> Settlement:
            self.apply(intent)
            await asyncio.sleep(60)
            raise AssertionError

    target = Silent()
    await take_in(store, arrival(0))

    async with running(deliverer(store, {"order": target})):
        await until_done(store)

    assert (target.effects, target.repeated, target.found) == ({"clarity-main:1001": [0]}, [], [0])


async def test_absent_effect_is_sent_again_with_the_same_intent(store: Store) -> None:
    sent: list[Intent] = []

    class Lossy(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            sent.append(intent)
            if len(sent) == 1:
                raise UnknownOutcomeError("lost", "on the way")
            return await super().deliver(intent)

    target = Lossy()
    await take_in(store, arrival(0))

    async with running(deliverer(store, {"order": target})):
        await until_done(store)

    assert (len(sent), sent[0], target.prepared) == (2, sent[1], [0])


async def test_effect_found_several_times_is_for_a_person(store: Store, bus_dsn: str) -> None:
    class Doubled(Target):
        async def deliver(self, intent: Intent) -> Settlement:  # noqa: ARG002 - the port's
            raise UnknownOutcomeError("lost", "on the way")

        async def find(self, intent: Intent) -> Finding:  # noqa: ARG002 - the port's
            return Several(documents=("ORD1", "ORD2"))

    await take_in(store, arrival(0), arrival(1))
    async with running(deliverer(store, {"order": Doubled()})):
        await until(lambda: len(outcomes(bus_dsn, store.connection)) == 2)

    last = outcomes(bus_dsn, store.connection)[-1]
    assert (last.state, last.cause, last.values) == ("parked", "person", {"documents": "ORD1, ORD2"})
    assert_sound(bus_dsn, store.connection)


async def test_target_that_cannot_tell_is_asked_again(store: Store) -> None:
    class Shy(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            if not self.found:
                raise UnknownOutcomeError("lost", "on the way")
            return await super().deliver(intent)

        async def find(self, intent: Intent) -> Finding:  # noqa: ARG002 - the port's
            self.found.append(0)
            match len(self.found):
                case 1:
                    return CannotTell(reason="away")
                case 2:
                    raise RefusedError("no", "even this is no end: the effect may be there")
            return Absent()

    target = Shy()
    await take_in(store, arrival(0))
    async with running(deliverer(store, {"order": target})):
        await until_done(store)

    assert (len(target.found), target.effects) == (3, {"clarity-main:1001": [0]})


async def test_record_without_a_sink_waits_for_a_person(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0, record="payment"))
    async with running(deliverer(store, {"order": Target()})):
        await until(lambda: outcomes(bus_dsn, store.connection))

    (outcome,) = outcomes(bus_dsn, store.connection)
    assert (outcome.cause, outcome.code, outcome.values) == ("person", "no_sink", {"record": "payment"})


@pytest.mark.parametrize("error", [FatalError("denied", "no"), ZeroDivisionError("a bug")])
async def test_what_no_row_survives_stops_the_worker_and_leaves_its_row(
    store: Store, bus_dsn: str, error: Exception
) -> None:
    class Broken(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            if row.root_key == "s:bad":
                raise error
            return await super().prepare(row)

    target = Broken()
    await take_in(store, arrival(0, "s:bad"), arrival(1, "s:good"))

    with pytest.raises(type(error)):
        await deliverer(store, {"order": target}).run()

    (left,) = look(bus_dsn, store.connection, "SELECT * FROM rows")
    assert (left["event_offset"], left["state"], left["attempts"]) == (0, "ready", 0)
    (key,) = look(bus_dsn, store.connection, "SELECT * FROM keys")
    assert key["state"] == "leased", "its lease runs out, so that the next worker does not fall over it at once"


async def test_slow_target_keeps_its_lease(store: Store, bus_dsn: str) -> None:
    class Slow(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            prepared = await super().prepare(row)
            await asyncio.sleep(1.5)
            return prepared

    target = Slow()
    await take_in(store, arrival(0))
    limits = Limits(lease_s=0.5, poll_s=0.1)
    async with running(*(deliverer(store, {"order": target}, limits=limits) for _ in range(2))):
        await until_done(store)

    assert (target.prepared, target.found) == ([0], [])


async def test_call_longer_than_the_lease_lengthens_it_first(store: Store) -> None:
    class Long(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            prepared = await super().prepare(row)
            assert isinstance(prepared, Intent)
            return Intent(reference=prepared.reference, body=prepared.body, timeout_s=30.0)

    target = Long()
    await take_in(store, arrival(0))
    async with running(deliverer(store, {"order": target}, limits=Limits(lease_s=1.0))):
        await until_done(store)

    assert (target.prepared, target.effects) == ([0], {"clarity-main:1001": [0]})


async def test_stop_finishes_what_is_under_way_and_takes_nothing_more(store: Store, bus_dsn: str) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    class Waiting(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            started.set()
            await go_on.wait()
            return await super().deliver(intent)

    target = Waiting()
    await take_in(store, arrival(0), arrival(1))
    worker = deliverer(store, {"order": target})
    run = asyncio.create_task(worker.run())
    await started.wait()
    worker.stop()
    go_on.set()
    await run

    assert target.effects == {"clarity-main:1001": [0]}
    assert look(bus_dsn, store.connection, "SELECT state FROM keys") == [{"state": "ready"}]
    assert_sound(bus_dsn, store.connection)


async def test_stop_does_not_wait_for_ever(store: Store, bus_dsn: str) -> None:
    started = asyncio.Event()

    class Stuck(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            prepared = await super().prepare(row)
            assert isinstance(prepared, Intent)
            return Intent(reference=prepared.reference, body=prepared.body, timeout_s=50.0)

        async def deliver(self, intent: Intent) -> Settlement:  # noqa: ARG002 - the port's
            started.set()
            await asyncio.sleep(100)
            raise AssertionError

    await take_in(store, arrival(0))
    limits = Limits(stop_within_s=0.1, lease_s=60.0)
    worker = deliverer(store, {"order": Stuck()}, limits=limits)
    run = asyncio.create_task(worker.run())
    await started.wait()
    worker.stop()
    await run

    (left,) = look(bus_dsn, store.connection, "SELECT * FROM rows")
    assert (left["state"], left["code"]) == ("unknown", "worker_stopped")
    assert_sound(bus_dsn, store.connection)


async def test_stop_ends_what_did_not_hear_of_it_at_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf, waiting = [1], asyncio.Event()

    async def wake_waiting() -> int:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not deaf:
                raise
        return deaf.pop()

    monkeypatch.setattr(store, "wake_waiting", wake_waiting)
    worker = deliverer(store, {"order": Target()})
    run = asyncio.create_task(worker.run())
    await waiting.wait()
    worker.stop()

    async with asyncio.timeout(10):
        await run


async def test_every_try_is_one_line_without_its_payload(store: Store) -> None:
    await take_in(store, arrival(0, payload=b"secret"))
    with capture_logs() as lines:
        async with running(deliverer(store, {"order": Target()})):
            await until_done(store)

    (line,) = [line for line in lines if line["event"] == "delivery.delivered"]
    assert (line["key"], line["offset"], line["code"], line["queue"]) == ("clarity-main:1001", 0, "created", QUEUE)
    assert "secret" not in str(lines)


async def test_open_rows_are_counted_by_state(store: Store) -> None:
    class Away(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:  # noqa: ARG002 - the port's
            raise RetryableError("away", "away", retry_after_s=60)

    await take_in(store, arrival(0), arrival(1))
    async with running(deliverer(store, {"order": Away()}, limits=LIMITS)):
        async with asyncio.timeout(20):
            while (await store.counts()).outbox == 0:
                await asyncio.sleep(0.01)

    assert set((await store.counts()).open_rows) == {
        OpenRows(queue=QUEUE, record="order", state=State.PARKED, cause=ParkedFor.BACKOFF, count=1),
        OpenRows(queue=QUEUE, record="order", state=State.READY, cause=None, count=1),
    }


async def test_words_that_postgresql_cannot_hold_stop_nothing(store: Store) -> None:
    await take_in(store, msgspec.structs.replace(arrival(0, "s:1"), currency="U\0D", origin="s\0"))
    (row,) = await store.claim(QUEUE, "me", 1, 60)
    error = RefusedError("no", "no", reply="caf\0")

    await store.settle(QUEUE, "me", [after(error, Step.PREPARE, row, None, Pace(), 0.5)], [])

    assert await open_rows(store) == {(State.PARKED, ParkedFor.REFUSED)}


async def test_sink_that_cannot_be_asked_does_not_start(store: Store) -> None:
    class Blind:
        repeats = Target.repeats
        prepare, deliver = Target.prepare, Target.deliver

    with pytest.raises(ConfigurationError, match="Blind has no `find`"):
        deliverer(store, {"order": Blind()})  # type: ignore[dict-item]  # that is the point


class Mute(Target):
    """Does it, loses the answer, and then says nothing about it."""

    def __init__(self, reason: str = "odd") -> None:
        super().__init__()
        self.reason = reason
        self.answers = False
        self.works = True

    async def deliver(self, intent: Intent) -> Settlement:
        self.apply(intent)
        raise UnknownOutcomeError("lost", "no answer")

    async def find(self, intent: Intent) -> Finding:
        finding = await super().find(intent)
        return finding if self.answers else CannotTell(reason=self.reason)

    async def probe(self) -> None:
        if not self.works:
            raise RetryableError("it.away", "no")


async def test_target_that_never_tells_calls_for_a_person_and_is_asked_again_on_release(
    store: Store, bus_dsn: str
) -> None:
    target = Mute()
    await take_in(store, arrival(0))
    pace = msgspec.structs.replace(PACE, looks_before_a_person=3)

    async with running(deliverer(store, {"order": target}, pace=pace)):
        await until(lambda: look(bus_dsn, store.connection, "SELECT 1 FROM rows WHERE cause = 'person'"))
        assert len(target.found) == 3
        (row,) = look(bus_dsn, store.connection, "SELECT code, code_values, intent, due FROM rows")
        assert (row["code"], row["code_values"]["reason"], row["due"]) == ("cannot_tell", "odd", None)
        assert row["intent"]
        target.answers = True
        await Acts(store, QUEUE, COMMANDS.name).carry_out(command(Act.RELEASE, cause="person"))
        await until_done(store)

    assert target.effects == {"clarity-main:1001": [0]}
    assert target.repeated == []
    assert_sound(bus_dsn, store.connection)


async def test_looks_while_the_target_is_away_do_not_count(store: Store, bus_dsn: str) -> None:
    target = Mute("it.away")
    target.works = False
    await take_in(store, arrival(0))
    pace = msgspec.structs.replace(PACE, looks_before_a_person=3)

    async with running(deliverer(store, {"order": target}, pace=pace, probe=target.probe)):
        await until(lambda: len(target.found) > 6)
        assert look(bus_dsn, store.connection, "SELECT 1 FROM rows WHERE cause = 'person'") == []
        target.works = True
        await until(lambda: look(bus_dsn, store.connection, "SELECT 1 FROM rows WHERE cause = 'person'"))


async def test_late_echo_answers_at_once_and_an_early_absence_is_not_believed(store: Store, bus_dsn: str) -> None:
    """The fetchers of the same connection read the document of two orders; one of them is not ours yet."""

    class Slow(Target):
        async def deliver(self, intent: Intent) -> Settlement:
            if int(intent.body) == 0:
                self.apply(intent)
            raise UnknownOutcomeError("lost", "no answer")

    target = Slow()
    await take_in(store, arrival(0, "s:0"), arrival(1, "s:1"))
    pace = msgspec.structs.replace(PACE, settling_delay_s=3600.0, longest_backoff_s=3600.0)

    async with running(deliverer(store, {"order": target}, pace=pace)):
        await until(lambda: len(look(bus_dsn, store.connection, "SELECT 1 FROM rows WHERE state = 'unknown'")) == 2)
        assert target.found == []
        await store.take_in("fetchers", TOPIC, "captured", [Advance(0, None, 1)], [], ["order:s:0", "order:s:1"])
        await until(lambda: len(target.found) == 2, within_s=10)
        await until(lambda: len(look(bus_dsn, store.connection, "SELECT 1 FROM rows")) == 1)

    (left,) = look(
        bus_dsn, store.connection, "SELECT state, code, due > now() + interval '1 hour' * 0.9 AS late FROM rows"
    )
    assert left == {"state": "unknown", "code": "still_settling", "late": True}
    assert (target.effects, target.prepared) == ({"s:0": [0]}, [0, 1])
    assert_sound(bus_dsn, store.connection)


async def test_tables_are_vacuumed_after_so_many_rows(
    store: Store, bus_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "VACUUM_AFTER", 10)
    await take_in(store, *(arrival(offset, f"clarity-main:{offset}") for offset in range(20)))

    async with running(deliverer(store, {"order": Target()})), asyncio.timeout(30):
        while not _vacuums(bus_dsn, store.schema):
            await asyncio.sleep(0.05)


def _vacuums(dsn: str, schema: str) -> int:
    with psycopg.connect(dsn) as wire:
        found = wire.execute(
            "SELECT min(vacuum_count) FROM pg_stat_all_tables WHERE schemaname = %s AND relname IN ('rows', 'keys')",
            [schema],
        ).fetchone()
    return int(found[0]) if found else 0
