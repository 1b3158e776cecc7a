"""What becomes of a GP connection after its use: kept only as clean as it came, and never waited for without end."""

import asyncio
import threading
from typing import Any

import pyodbc
import pytest

from connect.systems.dynamics_gp import session as session_module
from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from connect.systems.dynamics_gp.dialect import SqlServer, Statement
from errors import BusError, RefusedError, RetryableError, UnknownOutcomeError

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
        self.encoding = ("", 0)

    def setencoding(self, encoding: str, ctype: int) -> None:
        self.encoding = (encoding, ctype)

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


async def test_texts_are_sent_as_the_company_keeps_them(opened: list[Connection], client: GpClient) -> None:
    await asked(client, "SELECT 1")

    assert [connection.encoding for connection in opened] == [("cp1252", pyodbc.SQL_CHAR)]


class Results:
    """A cursor with several results, as a procedure has on which somebody hung a SELECT of his own."""

    def __init__(self, *results: list[int] | pyodbc.Error) -> None:
        self._results = list(results)
        self.description: object = None
        self._rows: list[int] = []
        self.nextset()

    def execute(self, _text: str, _parameters: object = ()) -> None:
        """The results are given."""

    def nextset(self) -> bool:
        if not self._results:
            return False
        found = self._results.pop(0)
        if isinstance(found, pyodbc.Error):
            raise found
        self.description, self._rows = "columns", found
        return True

    def fetchall(self) -> list[int]:
        return self._rows

    def close(self) -> None:
        """Nothing is held."""


def queried(*results: list[int] | pyodbc.Error) -> Any:
    connection: Any = Connection()
    connection.cursor = lambda: Results(*results)
    return session_module.Session(connection, SqlServer()).query(Statement(text="EXEC it"))


def test_own_result_is_the_last_one() -> None:
    assert queried([7, 8], [0]) == [0]


def test_error_behind_a_result_is_raised() -> None:
    with pytest.raises(UnknownOutcomeError):
        queried([0], sql_error("25000", 266))


def test_letter_the_company_cannot_keep_is_refused_by_name() -> None:
    class Narrow(Results):
        def execute(self, _text: str, _parameters: object = ()) -> None:
            "Ł".encode("cp1252")

    connection: Any = Connection()
    connection.cursor = lambda: Narrow([0])

    with pytest.raises(RefusedError) as refused:
        session_module.Session(connection, SqlServer()).query(Statement(text="EXEC it"))

    assert (refused.value.code, refused.value.facts["letter"]) == ("gp.code_page", "'\\u0141'")


def test_commit_on_a_connection_that_died_unnoticed_is_unknown_though_the_driver_says_success() -> None:
    connection = Connection()
    connection.refuses["SELECT 1"] = sql_error("08S01", 0)
    session = session_module.Session(connection, SqlServer())

    with pytest.raises(UnknownOutcomeError):
        session.commit()

    assert session.broken
