"""A process keeps to its share of a connection's requests per minute."""

import asyncio
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.secret import Secret
from bus.settings import Connection
from connect.paced import SHARES, Pace, at_once
from connect.systems.clarity.client import open_client
from connect.systems.dynamics_gp.client import open_company
from errors import ConfigurationError


def connection(requests_per_minute: int, in_flight: int = 8) -> Connection:
    return Connection(
        name="shop",
        system="clarity",
        store_dsn=Secret(""),
        url="http://store.example",
        password=Secret("key"),
        odbc=Secret("DSN=company"),
        in_flight=in_flight,
        requests_per_minute=requests_per_minute,
        options={"auth": "api-key"},
    )


@given(st.integers(1, 1000), st.lists(st.floats(0, 30), max_size=80))
def test_no_minute_holds_more_than_it_may(per_minute: int, pauses: list[float]) -> None:
    pace, now_s, left = Pace(per_minute), 0.0, list[float]()
    for pause_s in pauses:
        now_s += pause_s
        left.append(now_s + pace.wait_s(now_s))

    assert left == sorted(left), "first come, first served"
    for first in left:
        # A thousandth less than a minute, as the times are rounded.
        assert sum(first <= at < first + 59.999 for at in left) <= per_minute


def test_who_asks_rarely_never_waits() -> None:
    pace = Pace(60)

    assert [pace.wait_s(at) for at in (10.0, 11.0, 12.5)] == [0.0, 0.0, 0.0]
    assert [pace.wait_s(12.5), pace.wait_s(12.5)] == [1.0, 2.0]


async def test_requests_of_a_client_leave_at_their_pace() -> None:
    left: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response:
        left.append(time.monotonic())
        return httpx.Response(200, json={})

    started = time.monotonic()
    async with open_client(connection(60 * SHARES * 50), httpx.MockTransport(answer)) as site:
        await asyncio.gather(*(site.probe() for _ in range(6)))

    assert len(left) == 6
    assert left[-1] - started >= 5 / 50


@pytest.mark.parametrize(("per_minute", "rows"), [(0, 8), (60, 1), (480, 4), (100_000, 8)])
def test_rows_under_way_are_no_more_than_can_have_their_call_soon(per_minute: int, rows: int) -> None:
    assert at_once(connection(per_minute)) == rows


def test_limit_that_nobody_would_keep_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="in_flight"):
        open_company(connection(600))
