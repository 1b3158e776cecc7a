"""While a stranger is behind a connection nobody is given anything to deliver there, in any process."""

from connect.identity import Known, Seen
from delivery import identity
from delivery.acts import Acts
from delivery.store import Store
from schemas.bus.command import Act
from schemas.topics import COMMANDS
from tests.integration.delivery.rows import QUEUE, arrival, command, ids, outcomes, take_in
from tests.integration.delivery.test_acts import claim

TWO = Seen(name="TWO", parts={"database": "1"}, high_water=7, newest="ORD7")
OTHER = Seen(name="TWO", parts={"database": "2"}, high_water=3, newest="ORD3")


def told(dsn: str, store: Store, state: str) -> list[tuple[str, str, str]]:
    return [(one.stage, one.code, one.who) for one in outcomes(dsn, store.connection) if one.state == state]


async def test_nothing_is_handed_out_until_somebody_accepts_who_is_there(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    await identity.meet(store, "fetchers", TWO, None)
    for _ in range(2):
        await identity.meet(store, "fetchers", OTHER, Known(system=TWO))
    both = [Acts(store, queue, COMMANDS.name) for queue in ("fetchers", QUEUE)]

    assert await claim(store) == []
    assert await store.due_in(QUEUE) is None
    for acts in both:
        await acts.carry_out(command(Act.RESUME))
    assert await claim(store) == []

    for acts in both:
        await acts.carry_out(command(Act.ACCEPT, id_="c-2"))
    await both[0].carry_out(command(Act.ACCEPT, id_="c-3"))

    assert ids(await claim(store)) == [0]
    assert told(bus_dsn, store, "identity") == [("fetchers", "identity.other", "")]
    assert told(bus_dsn, store, "answered") == [
        ("fetchers", "identity.still_held", "mara"),
        (QUEUE, "identity.still_held", "mara"),
        ("fetchers", "identity.accepted", "mara"),
        (QUEUE, "identity.accepted", "mara"),
        ("fetchers", "identity.not_held", "mara"),
    ]
    known = await identity.look(store)
    assert known is not None
    assert known.known == Known(system=OTHER, life=2)


async def test_first_system_is_remembered_and_the_right_one_is_recognised(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    assert await identity.meet(store, QUEUE, None, None) is None

    for seen in (TWO, OTHER, OTHER, TWO):
        await identity.meet(store, QUEUE, seen, None)

    assert ids(await claim(store)) == [0]
    assert [code for _, code, _ in told(bus_dsn, store, "identity")] == ["identity.other", "identity.recognised"]
