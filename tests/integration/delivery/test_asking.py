"""The system of record is asked for a thing rows wait for: by an operator, and by the bus itself."""

import pytest

from delivery.acts import Acts
from delivery.asking import Asking, Owned
from delivery.decide import Pace, Step, after
from delivery.store import Store
from errors import DependencyError, RetryableError
from schemas.bus.command import Act
from schemas.bus.outcome import Outcome
from schemas.topics import COMMANDS
from tests.integration.delivery.rows import QUEUE, arrival, assert_sound, command, ids, outcomes, take_in

ITEM = "item:SKU-77"
SLOW = Pace(first_recheck_s=3600.0, longest_recheck_s=3600.0)


class Owner:
    """A company that has these items, or does not answer."""

    def __init__(self, *has: str) -> None:
        self.has = set(has)
        self.away = False
        self.asked: list[str] = []

    async def __call__(self, thing: str, command_id: str) -> Owned:
        assert command_id
        self.asked.append(thing)
        if self.away:
            raise RetryableError("gp.away", "no answer")
        name = thing.replace("sku", "SKU")
        return Owned(code="ask.there", brings=name) if name in self.has else Owned(code="ask.not_there")


@pytest.fixture
def owner() -> Owner:
    return Owner(ITEM)


@pytest.fixture
def acts(store: Store, owner: Owner) -> Acts:
    return Acts(store, "fetchers", COMMANDS.name, owner=owner)


async def wait_for(store: Store, *names: str) -> None:
    """One order each that waits."""
    await take_in(store, *(arrival(offset, f"s:{offset}") for offset in range(len(names))))
    rows = await store.claim(QUEUE, "me", 100, 60)
    turns = [
        after(DependencyError(name, "not there"), Step.PREPARE, row, None, SLOW, 0.5)
        for row, name in zip(rows, names, strict=True)
    ]
    await store.settle(QUEUE, "me", turns, [])


def answers(dsn: str, store: Store) -> list[Outcome]:
    return [one for one in outcomes(dsn, store.connection) if one.state == "answered"]


async def test_what_waits_goes_on_when_its_owner_has_it_after_all(
    store: Store, acts: Acts, owner: Owner, bus_dsn: str
) -> None:
    await wait_for(store, ITEM, ITEM, "item:OTHER")

    await acts.carry_out(command(Act.ASK, queue="fetchers", values={"waits_for": "item:sku-77"}))
    await store.wake_waiting()

    assert ids(await store.claim(QUEUE, "me", 100, 60)) == [0, 1]
    assert owner.asked == ["item:sku-77"]
    (answer,) = answers(bus_dsn, store)
    assert (answer.code, answer.values) == ("ask.there", {"act": "ask", "thing": ITEM, "rows": "2"})
    assert (answer.who, answer.why, answer.stage) == ("mara", "because", "fetchers")
    assert_sound(bus_dsn, store.connection)


async def test_what_is_not_there_is_waited_for_and_the_answer_says_so(store: Store, acts: Acts, bus_dsn: str) -> None:
    await wait_for(store, "item:GONE")

    await acts.carry_out(command(Act.ASK, values={"waits_for": "item:GONE"}))
    await acts.carry_out(command(Act.ASK, values={"waits_for": "item:GONE"}))  # told twice by Kafka

    assert await store.wake_waiting() == 0
    (answer,) = answers(bus_dsn, store)
    assert (answer.code, answer.values["rows"]) == ("ask.not_there", "1")


async def test_owner_that_does_not_answer_holds_up_no_other_command(
    store: Store, acts: Acts, owner: Owner, bus_dsn: str
) -> None:
    owner.away = True
    await wait_for(store, ITEM)

    await acts.carry_out(command(Act.ASK, values={"waits_for": ITEM}))
    await Acts(store, QUEUE, COMMANDS.name).carry_out(command(Act.ASK, id_="c-2", values={"waits_for": ITEM}))

    told = [(answer.code, answer.values.get("why")) for answer in answers(bus_dsn, store)]
    assert told == [("ask.away", "gp.away"), ("ask.no_way", None)]


async def test_bus_asks_by_itself_for_each_thing_once_in_a_while(
    store: Store, acts: Acts, owner: Owner, bus_dsn: str
) -> None:
    await wait_for(store, ITEM, ITEM, "item:OTHER", "item:THIRD")
    await acts.carry_out(command(Act.ASK, values={"waits_for": "item:THIRD"}))  # by an operator, just now
    asking = Asking(store, "fetchers", acts.carry_out, 60.0)

    assert (await asking.look(), await asking.look()) == (2, 0)

    assert sorted(owner.asked[1:]) == ["item:OTHER", ITEM]
    told = {answer.values["thing"]: (answer.code, answer.who) for answer in answers(bus_dsn, store)[1:]}
    assert told == {ITEM: ("ask.there", "towpath"), "item:OTHER": ("ask.not_there", "towpath")}
    await store.wake_waiting()
    assert ids(await store.claim(QUEUE, "me", 100, 60)) == [0, 1]
    # what nobody waits for any more is not asked for
    assert await Asking(store, "fetchers", acts.carry_out, 0.0).look() == 2
