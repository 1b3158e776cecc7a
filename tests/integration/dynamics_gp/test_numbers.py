"""Document numbers: one after the other, back when nobody used them."""

import threading

import psycopg
import pytest

from tests.integration.dynamics_gp.company import DEADLINE_S, Gp, Sandbox, eventually


@pytest.mark.parametrize(
    ("number", "following"),
    [("ORD0000009", "ORD0000010"), ("ORD999", "ORD1000"), ("A1B09-X", "A1B10-X"), ("7", "8"), ("WEB", "WEB1")],
)
def test_last_run_of_digits_counts_on(sandbox: Sandbox, number: str, following: str) -> None:
    with psycopg.connect(sandbox.superuser_dsn) as superuser:
        row = superuser.execute("SELECT engine.stepped_number(%s, 1)", [number]).fetchone()

    assert row == (following,)


def test_two_callers_take_different_numbers_one_after_the_other(gp: Gp, sandbox: Sandbox) -> None:
    first = gp.take_number()
    taken: list[str] = []

    def take() -> None:
        with psycopg.connect(sandbox.dsn) as other:
            taken.append(Gp(other, sandbox).take_number())

    waiting = threading.Thread(target=take)
    waiting.start()
    eventually(lambda: somebody_waits(sandbox))
    assert taken == []
    gp.connection.commit()
    waiting.join(DEADLINE_S)

    assert taken == [first[:-1] + str(int(first[-1]) + 1) if first[-1] != "9" else taken[0]]
    assert taken[0] > first


def somebody_waits(sandbox: Sandbox) -> bool:
    with psycopg.connect(sandbox.superuser_dsn) as superuser:
        query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return superuser.execute(query).fetchone() is not None


def test_number_comes_back_when_the_caller_rolls_back(gp: Gp) -> None:
    first = gp.take_number()
    gp.connection.rollback()

    assert gp.take_number() == first


def test_number_is_put_back_on_request(gp: Gp) -> None:
    first = gp.take_number()

    assert gp.take_number(step=0) == first

    assert gp.take_number() == first


def test_document_id_without_numbers_falls_back_to_the_type(gp: Gp, sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.superuser_dsn) as superuser:
        superuser.execute('UPDATE dbo."SOP40200" SET "SOPNUMBE" = \'\' WHERE "DOCID" = \'STDORD\'')

    assert gp.take_number("STDORD").startswith("SOR")
