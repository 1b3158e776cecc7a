"""What becomes of a GP connection after its use: kept only as clean as it came, and never waited for without end."""

import asyncio
import threading
from typing import Any

import pyodbc
import pytest

from connect.systems.dynamics_gp import session as session_module
from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from connect.systems.dynamics_gp.dialect import Statement
from errors import BusError, RefusedError, RetryableError

LEVEL = "SET TRANSACTION ISOLATION LEVEL "


class Cursor:
    description = None

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    def execute(self, text: str, _parameters: object = ()) -> None:
        if text in self._connection.refuses:
            raise self._connection.refuses[text]
        if text.startswith(LEVEL):
            self._connection.level = text.removeprefix(LEVEL)

    def nextset(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is held."""


class Connection:
    """A driver's connection to SQL Server, as far as its isolation level goes."""

    def __init__(self) -> None:
        self.level = "READ COMMITTED"
        self.closed = False
        #: What a statement's text is answered with.
        self.refuses: dict[str, pyodbc.Error] = {}
        self.timeout = 0

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        """Nothing was written."""

    def rollback(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """Connections in the order they were opened."""
    connections: list[Connection] = []

    def connect(*_arguments: Any, **_options: Any) -> Connection:
        connections.append(Connection())
        return connections[-1]

    monkeypatch.setattr(pyodbc, "connect", connect)
    return connections


@pytest.fixture
def client() -> GpClient:
    return GpClient("DSN=company", "sql-server", in_flight=2)


def sql_error(state: str, number: int) -> pyodbc.Error:
    return pyodbc.Error(state, f"[{state}] what it says ({number}) (SQLExecDirectW)")


async def asked(client: GpClient, text: str) -> None:
    def work(gp: GpTransaction) -> None:
        gp._session.query(Statement(text=text))

    await client.in_transaction(work)


async def test_snapshot_that_took_too_long_leaves_the_session_as_it_was(
    monkeypatch: pytest.MonkeyPatch, opened: list[Connection], client: GpClient
) -> None:
    levels: list[str] = []

    def work(gp: GpTransaction) -> None:
        levels.append(opened[0].level)
        monkeypatch.setattr(gp._session, "deadline", 0.0)
        gp.now()

    with pytest.raises(RetryableError, match="too_slow"):
        await client.in_snapshot(work)

    assert levels == ["SNAPSHOT"]
    assert [(connection.level, connection.closed) for connection in opened] == [("READ COMMITTED", False)]


async def test_session_whose_level_cannot_be_set_back_is_not_used_again(
    opened: list[Connection], client: GpClient
) -> None:
    def work(_gp: GpTransaction) -> str:
        opened[0].refuses[LEVEL + "READ COMMITTED"] = sql_error("HYT00", 0)
        return "read"

    assert await client.in_snapshot(work) == "read"

    await asked(client, "SELECT 1")
    assert [connection.closed for connection in opened] == [True, False]


@pytest.mark.parametrize(
    ("error", "kind"),
    [(sql_error("40001", 1205), RetryableError), (sql_error("23000", 2627), RetryableError),
     (sql_error("22001", 8152), RefusedError)],
)  # fmt: skip
async def test_refused_statement_is_no_dead_server(
    opened: list[Connection], client: GpClient, error: pyodbc.Error, kind: type[BusError]
) -> None:
    await asked(client, "SELECT 1")
    opened[0].refuses["UPDATE"] = error

    with pytest.raises(kind):
        await asked(client, "UPDATE")

    await asked(client, "SELECT 1")
    assert [connection.closed for connection in opened] == [False]


async def test_lost_connection_takes_its_idle_neighbours_along(opened: list[Connection], client: GpClient) -> None:
    both = threading.Barrier(2)

    def meet(gp: GpTransaction) -> None:
        gp._session.query(Statement(text="SELECT 1"))
        both.wait(10)

    await asyncio.gather(client.in_transaction(meet), client.in_transaction(meet))
    for connection in opened:
        connection.refuses["SELECT 2"] = sql_error("08S01", 0)

    with pytest.raises(RetryableError):
        await asked(client, "SELECT 2")

    assert [connection.closed for connection in opened] == [True, True]


async def test_closing_waits_for_nobody_for_ever(
    monkeypatch: pytest.MonkeyPatch, opened: list[Connection], client: GpClient
) -> None:
    monkeypatch.setattr(session_module, "_CLOSE_WITHIN_S", 0.05)
    begun, goes_on = threading.Event(), threading.Event()

    def hang(_gp: GpTransaction) -> None:
        begun.set()
        goes_on.wait(30)

    hanging = asyncio.create_task(client.in_transaction(hang))
    await asyncio.to_thread(begun.wait, 10)

    await asyncio.wait_for(client.aclose(), 10)

    assert not hanging.done()
    goes_on.set()
    await hanging
    assert [connection.closed for connection in opened] == [True]


def test_statements_may_take_the_minute_the_vendor_asks_for() -> None:
    assert session_module._STATEMENT_TIMEOUT_S >= 60
