"""Whatever is killed in mid-flow: no order is lost, none becomes two documents, the store hears of all."""

import json
import random
import time
from functools import partial

import pytest

from tests.end_to_end.outside import Outside, kill, pids, towpath, until

pytestmark = pytest.mark.timeout(300)

ORDERS = 20
PER_SECOND = 8


def under_load(bus: Outside) -> range:
    """A customer starts to place orders; some webhooks are lost, some come twice. The ids the orders will have."""
    lossy = {"webhooks": {"drop_rate": 0.2, "duplicate_next": 5}}
    assert bus.store.put("/faults", json=lossy).status_code == 200
    before = bus.place()["id"]
    started = bus.store.post("/traffic", json={"orders": ORDERS, "per_second": PER_SECOND})
    assert started.status_code < 300, started.text
    return range(before + 1, before + 1 + ORDERS)


def all_arrive(bus: Outside, ids: range) -> None:
    """Each order is one document of its amount, and the store knows."""
    until(lambda: bus.order(ids[-1]).get("key"), within_s=60, what="all orders placed")
    for order_id in ids:
        bus.document(bus.order(order_id), within_s=120)
    for order_id in ids:
        until(partial(_confirmed, bus, order_id), within_s=120, what=f"order {order_id} confirmed at the store")


def _confirmed(bus: Outside, order_id: int) -> bool:
    return bool(bus.order(order_id)["status_key"] == "Confirmed")


def came_back(process: str, before: list[int]) -> list[int]:
    """The process ids it has after its supervisor started it again."""

    def others() -> list[int]:
        found = pids(process)
        return found if set(found).isdisjoint(before) else []

    return until(others, within_s=60, what=f"{process} started again")


@pytest.mark.parametrize(
    "processes",
    [
        ("gateway", "pollers", "streams", "projector"),
        ("fetchers@clarity-main", "consumers@clarity-main", "fetchers@gp-two", "consumers@gp-two"),
    ],
    ids="+".join,
)
def test_killed_processes_lose_nothing_and_double_nothing(bus: Outside, processes: tuple[str, ...]) -> None:
    before = {process: pids(process) for process in processes}
    ids = under_load(bus)
    until(lambda: bus.order(ids[3]).get("key"), within_s=30, what="traffic under way")

    for process in processes:
        kill(process)
    starting = {process: came_back(process, before[process]) for process in processes}
    time.sleep(random.uniform(0, 3))  # anywhere between the first line and the first events
    for process in processes:
        kill(process)

    for process in processes:
        came_back(process, starting[process])
    all_arrive(bus, ids)


@pytest.mark.parametrize("parts", [("kafka",), ("bus",), ("sandbox",), ("registry", "connect")], ids="+".join)
def test_restarted_servers_lose_nothing_and_double_nothing(bus: Outside, parts: tuple[str, ...]) -> None:
    ids = under_load(bus)
    until(lambda: bus.order(ids[3]).get("key"), within_s=30, what="traffic under way")

    for part in parts:
        towpath("stack", "restart", part)

    all_arrive(bus, ids)


def test_a_lost_answer_to_commit_makes_no_second_document(bus: Outside) -> None:
    ids = under_load(bus)
    lost = bus.gp.put("/faults", json={"proxy": {"lose_commit_answers": 3}})
    assert lost.status_code == 200, lost.text

    try:
        all_arrive(bus, ids)
    finally:
        bus.gp.delete("/faults")


def test_a_store_that_is_slow_limits_and_loses_answers_is_told_all_the_same(bus: Outside) -> None:
    ids = under_load(bus)
    faults = {"latency_ms": 50, "error_rate": 0.1, "error_status": 503, "lost_answers": 5, "rate_limit_per_minute": 600}
    assert bus.store.put("/faults", json=faults).status_code == 200
    try:
        all_arrive(bus, ids)
    finally:
        bus.store.delete("/faults")


def test_the_books_close_after_all_of_it(bus: Outside) -> None:
    books = json.loads(towpath("ledger", "--json"))

    open_work = [line for line in (*books["intake"], *books["delivery"]) if line["in_flight"]]
    assert books["balanced"], books
    assert not [line for line in (*books["intake"], *books["delivery"]) if line["remainder"]], books
    assert not open_work or until(lambda: not _in_flight(), within_s=120, what="everything at rest")


def _in_flight() -> int:
    books = json.loads(towpath("ledger", "--json"))
    return sum(line["in_flight"] for line in (*books["intake"], *books["delivery"]))
