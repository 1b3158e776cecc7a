"""Faults on the way to GP, rights of who calls, and what change data capture sees."""

import json
import threading
from typing import Any

import psycopg
import pyodbc
import pytest

from tests.integration.dynamics_gp.company import DEADLINE_S, HEADER, ITEM, LINE, Gp, Sandbox, eventually


def set_faults(gp: Gp, **faults: object) -> None:
    gp.sandbox.control.put("/control/faults", json=faults).raise_for_status()


def test_fault_is_played_so_often_and_no_more_though_the_caller_rolls_back(gp: Gp) -> None:
    set_faults(gp, procedures=[{"procedure": "taSopVoidDocument", "kind": "error", "value": 2022, "times": 2}])

    numbers = []
    for _ in range(3):
        numbers.append(gp.call("taSopVoidDocument", SOPTYPE=2, SOPNUMBE="NOPE"))
        gp.connection.rollback()

    assert numbers == [[2022], [2022], [90028]]
    assert [fault["left"] for fault in gp.sandbox.control.get("/control/faults").json()["procedures"]] == [0]


@pytest.mark.parametrize(("kind", "state"), [("deadlock", "40P01"), ("serialization", "40001"), ("terminate", "57P01")])
def test_database_errors_on_demand(gp: Gp, kind: str, state: str) -> None:
    set_faults(gp, procedures=[{"procedure": "taSopVoidDocument", "kind": kind}])

    with pytest.raises(psycopg.OperationalError) as error:
        gp.call("taSopVoidDocument", SOPTYPE=2, SOPNUMBE="NOPE")

    assert error.value.sqlstate == state


def odbc_order(connection: pyodbc.Connection) -> str:
    """A one-line order as the product sends it, not committed."""
    number = call(connection, "taGetSopNumber", {"I_tSOPTYPE": 2, "I_cDOCID": "WEB", "I_tInc_Dec": 1})[0]
    line = {f"I_v{name}": value for name, value in {**LINE, "SOPNUMBE": number}.items()}
    totals = {"SUBTOTAL": "26.85", "TAXAMNT": 0, "FREIGHT": 0, "DOCAMNT": "26.85"}
    header = {f"I_v{name}": value for name, value in {**HEADER, **totals, "SOPNUMBE": number}.items()}
    assert call(connection, "taSopLineIvcInsert", line) == (0, "")
    assert call(connection, "taSopHdrIvcInsert", header) == (0, "")
    return str(number)


def call(connection: pyodbc.Connection, procedure: str, parameters: dict[str, object]) -> tuple[Any, ...]:
    row = connection.execute(f'SELECT * FROM dbo."{procedure}"(?::jsonb)', json.dumps(parameters)).fetchone()
    assert row is not None
    return tuple(row)


def test_order_over_odbc_through_the_proxy(gp: Gp, sandbox: Sandbox) -> None:
    connection = sandbox.odbc()
    number = odbc_order(connection)
    connection.commit()
    connection.close()

    assert gp.document(2, number)["state"] == "work"


def test_answer_to_a_commit_is_lost_though_the_order_stands(gp: Gp, sandbox: Sandbox) -> None:
    set_faults(gp, proxy={"lose_commit_answers": 1, "commit_of": "taSopHdrIvcInsert"})
    connection = sandbox.odbc()
    call(connection, "taSopVoidDocument", {"I_vSOPTYPE": 2, "I_vSOPNUMBE": "NOPE"})
    connection.commit()
    number = odbc_order(connection)

    with pytest.raises(pyodbc.Error):
        connection.commit()

    connection.close()
    eventually(lambda: len(gp.rows('SELECT FROM dbo."SOP10100" WHERE "SOPNUMBE" = %s', number)) == 1)
    assert gp.sandbox.control.get("/control/faults").json()["proxy"]["lose_commit_answers"] == 0


def test_commit_is_lost_and_nothing_stands(gp: Gp, sandbox: Sandbox) -> None:
    set_faults(gp, proxy={"lose_commits": 1})
    connection = sandbox.odbc()
    number = odbc_order(connection)

    with pytest.raises(pyodbc.Error):
        connection.commit()

    connection.close()
    eventually(lambda: not open_transactions(sandbox))
    assert gp.rows('SELECT FROM dbo."SOP10100" WHERE "SOPNUMBE" = %s', number) == []


def open_transactions(sandbox: Sandbox) -> bool:
    with psycopg.connect(sandbox.superuser_dsn) as superuser:
        query = """
            SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
        """
        return superuser.execute(query).fetchone() is not None


def test_refused_and_dropped_connections(gp: Gp, sandbox: Sandbox) -> None:
    connection = sandbox.odbc()
    connection.execute("SELECT 1").fetchall()

    set_faults(gp, proxy={"mode": "refuse", "drop_now": True})

    with pytest.raises(pyodbc.Error):
        connection.execute("SELECT 1")
    connection.close()
    with pytest.raises(pyodbc.OperationalError):
        sandbox.odbc()
    gp.sandbox.control.delete("/control/faults").raise_for_status()
    again = sandbox.odbc()
    assert again.execute("SELECT 1").fetchone()[0] == 1
    again.close()


def test_stalled_connection_goes_on_afterwards(gp: Gp, sandbox: Sandbox) -> None:
    connection = sandbox.odbc()
    set_faults(gp, proxy={"mode": "stall"})
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.append(connection.execute("SELECT 7").fetchone()[0]))
    waiting.start()
    waiting.join(0.3)
    assert got == []

    gp.sandbox.control.delete("/control/faults").raise_for_status()

    waiting.join(DEADLINE_S)
    connection.close()
    assert got == [7]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE dbo.mine (a int)",
        "CREATE TABLE towpath.mine (a int)",
        'TRUNCATE dbo."SOP10100"',
        "SELECT * FROM sandbox.faults",
        'UPDATE "DYNAMICS"."taErrorCode" SET "ErrorDesc" = \'\'',
    ],
)
def test_the_product_may_what_members_of_gps_role_may_and_no_more(gp: Gp, statement: str) -> None:
    assert gp.rows('UPDATE dbo."RM00101" SET "HOLD" = 0 WHERE "CUSTNMBR" = \'C1001\' RETURNING "HOLD"') == [(0,)]

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        gp.connection.execute(statement.encode())


def test_captured_tables_are_published_whole(gp: Gp) -> None:
    published = gp.rows("SELECT tablename FROM pg_publication_tables WHERE pubname = 'towpath_cdc' ORDER BY 1")
    identity = gp.rows(
        """
        SELECT DISTINCT relreplident FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'dbo' AND relname = ANY (%s)
        """,
        [name for (name,) in published],
    )

    assert [name for (name,) in published] == [
        "IV00101", "IV00102", "RM00101", "SOP10100", "SOP10107", "SOP10200", "SOP30200", "SOP30300",
    ]  # fmt: skip
    assert identity == [("f",)]


def test_change_is_stamped_by_a_second_update_and_stock_stamps_its_item(gp: Gp) -> None:
    before = gp.rows('SELECT "DEX_ROW_TS", xmin::text FROM dbo."IV00101" WHERE "ITEMNMBR" = %s', ITEM)

    gp.user("stock", item=ITEM, site="MAIN", delta=1)

    gp.connection.rollback()
    after = gp.rows('SELECT "DEX_ROW_TS", xmin::text FROM dbo."IV00101" WHERE "ITEMNMBR" = %s', ITEM)
    assert after[0][0] > before[0][0]
