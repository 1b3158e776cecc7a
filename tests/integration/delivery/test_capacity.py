"""A full queue takes nothing more in; what is parked fills none."""

from datetime import UTC, datetime

from bus.events import Advance
from bus.secret import Secret
from bus.settings import Connection
from delivery.acts import Acts
from delivery.capacity import Capacity, Marks
from delivery.decide import Pace, Step, after, settled
from delivery.store import Store
from errors import RefusedError, RetryableError
from operations import findings_of_stores
from operations.projection import queues
from tests.integration.delivery.rows import QUEUE, arrival, command, delivered, look, outcomes, take_in

OWNER = "worker-1"
PLENTY = 1_000_000


def capacity(store: Store, *, rows: int = 4, size: int = PLENTY) -> Capacity:
    """A worker's; a new one has asked nothing yet."""
    return Capacity(store, QUEUE, Marks(rows=rows, bytes=size))


async def end(store: Store, count: int) -> None:
    """So many keys are delivered."""
    rows = await store.claim(QUEUE, OWNER, count, 60)
    turns = [settled(row, delivered(), None) for row in rows]
    await store.settle(QUEUE, OWNER, turns, [])


async def test_take_in_pauses_above_the_mark_and_goes_on_at_half_of_it(store: Store, bus_dsn: str) -> None:
    await take_in(store, *(arrival(n, f"clarity-main:{n}") for n in range(4)))
    at_the_mark = await capacity(store)()
    await take_in(store, arrival(4, "clarity-main:4"))
    above = [await capacity(store)(), await capacity(store)()]  # two workers
    await end(store, 2)
    above_half = await capacity(store)()
    await end(store, 1)
    at_half = [await capacity(store)(), await capacity(store)()]

    assert (at_the_mark, above, above_half, at_half) == (True, [False, False], False, [True, True])
    said = [outcome for outcome in outcomes(bus_dsn, store.connection) if outcome.state == "intake"]
    assert [(one.code, one.values["rows"]) for one in said] == [("intake.full", "5"), ("intake.room", "2")]


async def test_bytes_of_payload_fill_a_queue_too(store: Store) -> None:
    await take_in(store, arrival(0, payload=b"x" * 600), arrival(1, payload=b"x" * 600))

    assert await capacity(store, size=1200)()
    assert not await capacity(store, size=1199)()


async def test_parked_keys_and_those_that_wait_for_their_time_fill_nothing(store: Store, bus_dsn: str) -> None:
    await take_in(store, *(arrival(2 * n + m, f"clarity-main:{n}") for n in range(10) for m in range(2)))
    rows = await store.claim(QUEUE, OWNER, 10, 60)
    errors = [RefusedError("refused", "no") if n % 2 else RetryableError("busy", "later") for n in range(10)]
    assert not await capacity(store)()
    turns = [
        after(error, Step.DELIVER, row, None, Pace(first_backoff_s=600), 1.0)
        for row, error in zip(rows, errors, strict=True)
    ]
    await store.settle(QUEUE, OWNER, turns, [])

    assert await capacity(store)(), "ten keys wait, and ten rows behind them"
    assert len(look(bus_dsn, store.connection, "SELECT id FROM rows")) == 20


async def test_a_command_needs_no_room_and_the_status_tells_of_the_full_queue(store: Store, bus_dsn: str) -> None:
    await take_in(store, *(arrival(n, f"clarity-main:{n}") for n in range(9)))
    rows = await store.claim(QUEUE, OWNER, 1, 60)
    refused = after(RefusedError("refused", "no"), Step.DELIVER, rows[0], None, Pace(), 0.5)
    await store.settle(QUEUE, OWNER, [refused], [])
    full = not await capacity(store)()

    await Acts(store, QUEUE, "bus.commands.v1")(
        "id", [Advance(0, None, 1)], [command("skip", root_key="clarity-main:0")]
    )
    standing = queues.standing(
        Connection(name=store.connection, system="dynamics-gp", store_dsn=Secret(bus_dsn, reference="env:DSN"))
    )

    assert full
    assert [one["code"] for one in look(bus_dsn, store.connection, "SELECT code FROM history")] == ["skipped"]
    found = list(findings_of_stores.of_full([standing], datetime.now(UTC)))
    assert [(each.severity.value, each.count) for each in found] == [("warning", 5)], "counted no further than the mark"
