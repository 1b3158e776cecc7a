"""While a stranger is behind a connection nobody is given anything to deliver there, in any process."""

import msgspec

from connect.identity import Known, Seen, Verdict
from delivery import identity
from delivery.acts import Acts
from delivery.identity import Watch
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

    shown = {"seen": str(OTHER), "seen_newest": "ORD2 (receipt 2)"}
    await both[0].carry_out(command(Act.ACCEPT, id_="c-0", values=shown))
    assert await claim(store) == [], "it is another one than was shown"

    shown |= {"seen_newest": "ORD3 (receipt 3)"}
    for acts in both:
        await acts.carry_out(command(Act.ACCEPT, id_="c-2", values=shown))
    await both[0].carry_out(command(Act.ACCEPT, id_="c-3"))

    assert ids(await claim(store)) == [0]
    assert told(bus_dsn, store, "identity") == [("fetchers", "identity.other", "")]
    assert told(bus_dsn, store, "answered") == [
        ("fetchers", "identity.still_held", "mara"),
        (QUEUE, "identity.still_held", "mara"),
        ("fetchers", "identity.still_held", "mara"),
        ("fetchers", "identity.accepted", "mara"),
        (QUEUE, "identity.accepted", "mara"),
        ("fetchers", "identity.not_held", "mara"),
    ]
    known = await identity.look(store)
    assert known is not None
    assert known.known == Known(system=OTHER, life=2)


class Writes:
    """A system to which another process writes while it is asked who it is: what it answers is older by then."""

    known: Known | None = None
    refusals = 0

    def __init__(self, store: Store) -> None:
        self._store = store

    async def who(self) -> Seen:
        """The answer, once the other process has told of a newer document."""
        newer = msgspec.structs.replace(TWO, high_water=9, newest="ORD9")
        await identity.meet(self._store, "fetchers", None, Known(system=newer))
        return TWO

    def expect(self, known: Known | None, refusals: int) -> bool:
        """Whoever it is."""
        return known is not None and refusals == self.refusals

    def refuse(self, why: Verdict) -> None:
        """It would be said in the store, too."""


async def test_what_was_written_while_it_was_asked_is_not_missing_from_its_answer(store: Store, bus_dsn: str) -> None:
    await identity.meet(store, QUEUE, TWO, None)

    await Watch(store, QUEUE, Writes(store)).ask()

    known = await identity.look(store)
    assert known is not None
    assert (known.held, known.known.system.high_water) == ("", 9)
    assert told(bus_dsn, store, "identity") == []


async def test_first_system_is_remembered_and_the_right_one_is_recognised(store: Store, bus_dsn: str) -> None:
    await take_in(store, arrival(0))
    assert await identity.meet(store, QUEUE, None, None) is None

    for seen in (TWO, OTHER, OTHER, TWO):
        await identity.meet(store, QUEUE, seen, None)

    assert ids(await claim(store)) == [0]
    assert [code for _, code, _ in told(bus_dsn, store, "identity")] == ["identity.other", "identity.recognised"]
