"""What a redrive would come to, asked of the target; nothing is changed by asking."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from delivery import preflight
from delivery.acts import Acts
from delivery.decide import Pace, Step, after
from delivery.ports import Intent, Row, Settlement, Sink
from delivery.states import Kind, State
from delivery.store import Store
from errors import DependencyError, RefusedError, RetryableError
from schemas.bus.command import Act
from schemas.bus.outcome import Outcome
from schemas.topics import COMMANDS
from tests.integration.delivery.rows import QUEUE, arrival, command, look, outcomes, take_in
from tests.integration.delivery.target import Target


class Rehearsing(Target):
    """Can be asked without writing; refuses offset 1."""

    async def rehearse(self, intent: Intent) -> None:
        if intent.body == b"1":
            raise RefusedError("gp.90023", "no", item="SKU-77")


class Preparing(Target):
    """Says something else about each row before it comes to a write."""

    async def prepare(self, row: Row) -> Intent | Settlement:
        match row.offset:
            case 0:
                return Settlement(state=State.SUPPRESSED, code="equal")
            case 1:
                raise DependencyError("customer:s:C1", "not yet")
            case 2:
                raise RetryableError("gp.away", "away")
            case 3:
                raise RefusedError("gp.90003", "no")
        return await super().prepare(row)


async def refused(store: Store, rows: int, **more: Any) -> None:
    await take_in(store, *(arrival(offset, f"s:{offset}", **more) for offset in range(rows)))
    claimed = await store.claim(QUEUE, "me", 100, 60)
    turns = [after(RefusedError("no", "no"), Step.PREPARE, row, None, Pace(), 0.5) for row in claimed]
    await store.settle(QUEUE, "me", turns, [])


async def verdicts(store: Store, dsn: str, sinks: Mapping[str, Sink], **selection: Any) -> dict[str, str]:
    """Root key to verdict."""
    await Acts(store, QUEUE, COMMANDS.name, sinks).carry_out(command(Act.PREFLIGHT, **selection))
    return {one.root_key: one.code for one in told(dsn, store.connection)}


def told(dsn: str, connection: str) -> list[Outcome]:
    return [one for one in outcomes(dsn, connection) if one.state == "found out"]


async def test_target_says_what_it_would_take(store: Store, bus_dsn: str) -> None:
    await refused(store, 2)
    before = look(bus_dsn, store.connection, "SELECT * FROM rows ORDER BY id")
    target = Rehearsing()

    assert await verdicts(store, bus_dsn, {"order": target}) == {
        "s:0": "preflight.passes",
        "s:1": "preflight.fails",
    }

    assert told(bus_dsn, store.connection)[1].values["why"] == "gp.90023"
    assert told(bus_dsn, store.connection)[1].values["item"] == "SKU-77"
    assert target.effects == {}
    assert look(bus_dsn, store.connection, "SELECT * FROM rows ORDER BY id") == before
    (answer,) = [one for one in outcomes(bus_dsn, store.connection) if one.state == "answered"]
    assert (answer.code, answer.values["rows"]) == ("command.done", "2")


async def test_each_way_it_can_end_before_the_write(store: Store, bus_dsn: str) -> None:
    await refused(store, 5)

    assert await verdicts(store, bus_dsn, {"order": Preparing()}) == {
        "s:0": "preflight.applied",
        "s:1": "preflight.blocked",
        "s:2": "preflight.cannot_tell",
        "s:3": "preflight.fails",
        "s:4": "preflight.maps",
    }


async def test_defect_of_a_sink_answers_and_stops_nobody(store: Store, bus_dsn: str) -> None:
    class Defective(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            raise KeyError(row.offset)

    await refused(store, 1)

    assert await verdicts(store, bus_dsn, {"order": Defective()}) == {"s:0": "preflight.cannot_tell"}


@pytest.mark.parametrize(("kind", "verdict"), [(Kind.STATE, "preflight.stale"), (Kind.DOCUMENT, "preflight.passes")])
async def test_state_that_a_newer_one_waits_behind_is_stale(
    store: Store, bus_dsn: str, kind: Kind, verdict: str
) -> None:
    await refused(store, 1, kind=kind)
    await take_in(store, arrival(9, "s:0", kind=kind))

    assert await verdicts(store, bus_dsn, {"order": Rehearsing()}) == {"s:0": verdict}


async def test_verdict_is_no_outcome_of_the_event(store: Store, bus_dsn: str) -> None:
    """Else the books would take it for what became of the event."""
    await refused(store, 1)

    await verdicts(store, bus_dsn, {"order": Rehearsing()})

    (found,) = told(bus_dsn, store.connection)
    assert (found.topic_id, found.offset) == ("", -1)


async def test_only_what_is_selected_is_asked(store: Store, bus_dsn: str) -> None:
    await refused(store, 3)
    assert await verdicts(store, bus_dsn, {"order": Rehearsing()}, root_key="s:2") == {"s:2": "preflight.passes"}


async def test_large_selection_is_asked_in_portions_until_its_time_is_over(
    store: Store, bus_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "PORTION", 4)
    await refused(store, 10)
    assert len(await verdicts(store, bus_dsn, {"order": Rehearsing()})) == 10

    class Slow(Target):
        async def prepare(self, row: Row) -> Intent | Settlement:
            if row.offset >= 6:
                await asyncio.Event().wait()
            return await super().prepare(row)

    monkeypatch.setattr(preflight, "ALL_WITHIN_S", 2.0)
    await Acts(store, QUEUE, COMMANDS.name, {"order": Slow()}).carry_out(command(Act.PREFLIGHT, id_="c-2"))

    asked = [one.root_key for one in told(bus_dsn, store.connection) if one.command_id == "c-2"]
    assert sorted(asked) == [f"s:{offset}" for offset in range(6)]
    answer = [one for one in outcomes(bus_dsn, store.connection) if one.state == "answered"][-1]
    assert (answer.code, answer.values["rows"]) == ("command.done", "6")


async def test_target_document_is_told_and_not_sent(store: Store, bus_dsn: str) -> None:
    await refused(store, 1)
    target = Rehearsing()

    await Acts(store, QUEUE, COMMANDS.name, {"order": target}).carry_out(command(Act.RENDER))

    (found,) = told(bus_dsn, store.connection)
    assert (found.code, found.values["document"]) == ("preflight.maps", "0")
    assert target.effects == {}
