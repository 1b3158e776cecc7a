"""The Dynamics GP simulator as its callers see it: procedures, the people at its windows, the bad network."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pyodbc
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

REPOSITORY_ROOT = Path(__file__).parents[2]
ITEM, OTHER_ITEM, NO_BACK_ORDER_ITEM = "COF-ESP-250", "COF-ESP-1KG", "NBO-1"
DAY = "2026-01-31"
DEADLINE_S = 20


class Sandbox(msgspec.Struct, frozen=True):
    """A running simulator with a database of its own."""

    superuser_dsn: str
    dsn: str
    control: httpx.Client
    proxied: str

    def odbc(self) -> pyodbc.Connection:
        return pyodbc.connect(self.proxied, autocommit=False, timeout=5)


@pytest.fixture(scope="session")
def cluster_dsn(request: pytest.FixtureRequest) -> str:
    given = os.environ.get("TOWPATH_TEST_SANDBOX_DSN")
    return given or str(request.getfixturevalue("stack").sandbox_dsn)


@pytest.fixture(scope="session")
def sandbox(cluster_dsn: str) -> Iterator[Sandbox]:
    suffix = f"_test_{os.getpid()}"
    port, proxy_port = free_port(), free_port()
    command = [sys.executable, "-m", "sandbox.dynamics_gp", "--port", str(port), "--proxy-port", str(proxy_port)]
    options = [
        "--dsn",
        cluster_dsn,
        "--database",
        f"GP{suffix}",
        "--role-suffix",
        suffix,
        "--towpath-password",
        "secret",
    ]
    process = subprocess.Popen([*command, *options], cwd=REPOSITORY_ROOT, stderr=subprocess.DEVNULL)
    where = conninfo_to_dict(cluster_dsn)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as control:
            eventually(lambda: answers(control), process)
            yield Sandbox(
                make_conninfo(cluster_dsn, dbname=f"GP{suffix}"),
                make_conninfo(cluster_dsn, dbname=f"GP{suffix}", user=f"towpath{suffix}", password="secret"),
                control,
                f"Driver={{PostgreSQL Unicode}};Server={where.get('host', '127.0.0.1')};Port={proxy_port};"
                f"Database=GP{suffix};Uid=towpath{suffix};Pwd=secret",
            )
    finally:
        process.terminate()
        ended = process.wait(DEADLINE_S)
        with psycopg.connect(cluster_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"GP{suffix}")))
            for role in ("towpath", "debezium", "gpuser"):
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role + suffix)))
    assert ended == 0


@pytest.fixture
def gp(sandbox: Sandbox) -> Iterator["Gp"]:
    sandbox.control.post("/control/reset").raise_for_status()
    with psycopg.connect(sandbox.dsn) as connection:
        yield Gp(connection, sandbox)


class Gp:
    """A caller of the procedures, in one transaction until `commit`."""

    def __init__(self, connection: psycopg.Connection, sandbox: Sandbox) -> None:
        self.connection = connection
        self.sandbox = sandbox

    def call(self, procedure: str, **parameters: object) -> list[int]:
        """The error numbers."""
        named = {name if name.startswith("I_") else f"I_v{name}": value for name, value in parameters.items()}
        statement = sql.SQL("SELECT * FROM dbo.{}(%s::jsonb)").format(sql.Identifier(procedure))
        row = self.connection.execute(statement, [json.dumps(named)]).fetchone()
        assert row is not None
        numbers = [int(number) for number in row[1].split()]
        assert row[0] == (numbers[0] if numbers else 0)
        return numbers

    def take_number(self, document_id: str = "WEB", kind: int = 2, step: int = 1) -> str:
        row = self.connection.execute(
            'SELECT "O_vSopNumber", "O_iErrorState" FROM dbo."taGetSopNumber"(%s::jsonb)',
            [json.dumps({"I_tSOPTYPE": kind, "I_cDOCID": document_id, "I_tInc_Dec": step})],
        ).fetchone()
        assert row is not None
        assert row[1] == 0
        return str(row[0])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), list(values)).fetchall()

    def line(self, number: str, **changes: object) -> list[int]:
        return self.call("taSopLineIvcInsert", **{**LINE, "SOPNUMBE": number, **changes})

    def header(self, number: str, **changes: object) -> list[int]:
        return self.call("taSopHdrIvcInsert", **{**HEADER, "SOPNUMBE": number, **changes})

    def lines_and_taxes(self, number: str) -> None:
        """3 x 8.95 and 2 x 29.50 with their tax: 85.85 and 7.09."""
        assert self.line(number) == []
        assert self.line(number, ITEMNMBR=OTHER_ITEM, UNITPRCE="29.50", QUANTITY=2, XTNDPRCE="59.00") == []
        for sequence, sales, tax in ((16384, "26.85", "2.22"), (32768, "59.00", "4.87")):
            row = {"SOPTYPE": 2, "SOPNUMBE": number, "CUSTNMBR": "C1001", "LNITMSEQ": sequence, "TAXDTLID": "WEBTAX"}
            assert self.call("taSopLineIvcTaxInsert", **row, SALESAMT=sales, STAXAMNT=tax) == []

    def order(self, **changes: object) -> str:
        """A committed order of 97.94: lines 85.85, tax 7.09, freight 5.00."""
        number = self.take_number()
        self.lines_and_taxes(number)
        assert self.header(number, **changes) == []
        self.connection.commit()
        return number

    def document(self, kind: int, number: str) -> dict[str, Any]:
        answer = self.sandbox.control.get(f"/control/documents/{kind}/{number}")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def user(self, action: str, **body: object) -> dict[str, Any]:
        answer = self.sandbox.control.post(f"/control/user/{action}", json=body)
        assert answer.status_code == 200, answer.text
        done: dict[str, Any] = answer.json()
        return done

    def stock(self, item: str, site: str) -> tuple[Decimal, Decimal]:
        rows = self.sandbox.control.get("/control/stock", params={"item": item}).json()["stock"]
        row = next(row for row in rows if row["site"] == site)
        return Decimal(row["on_hand"]), Decimal(row["allocated"])


LINE: dict[str, object] = {
    "SOPTYPE": 2, "CUSTNMBR": "C1001", "DOCDATE": DAY, "ITEMNMBR": ITEM, "UNITPRCE": "8.95", "XTNDPRCE": "26.85",
    "QUANTITY": 3, "LOCNCODE": "MAIN", "UOFM": "EACH",
}  # fmt: skip
HEADER: dict[str, object] = {
    "SOPTYPE": 2, "DOCID": "WEB", "DOCDATE": DAY, "CUSTNMBR": "C1001", "BACHNUMB": "WEB20260131", "CSTPONBR": "1001",
    "SUBTOTAL": "85.85", "FREIGHT": "5.00", "TAXAMNT": "7.09", "DOCAMNT": "97.94",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(control: httpx.Client) -> bool:
    try:
        return control.get("/control/health").status_code == 200
    except httpx.TransportError:
        return False


def eventually(holds: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert process is None or process.poll() is None, "the simulator ended"
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.02)


# The procedures.


def test_order_stands_with_lines_taxes_user_fields_and_batch(gp: Gp) -> None:
    number = gp.take_number()
    gp.lines_and_taxes(number)
    assert gp.call("taSopUserDefined", SOPTYPE=2, SOPNUMBE=number, USERDEF1="clarity-main:1001") == []

    assert gp.header(number, SHIPMTHD="UPS", COMMENT_1="leave at the door") == []

    gp.connection.commit()
    document = gp.document(2, number)
    assert (document["state"], document["CSTPONBR"], document["USERDEF1"]) == ("work", "1001", "clarity-main:1001")
    header = document["header"]
    assert (header["SUBTOTAL"], header["TAXAMNT"], header["DOCAMNT"]) == ("85.85000", "7.09000", "97.94000")
    assert (header["SHIPMTHD"], header["CITY"], header["PRSTADCD"]) == ("UPS", "Austin", "SHIP1")
    assert [(line["LNITMSEQ"], line["ITEMNMBR"], line["QTYREMAI"]) for line in document["lines"]] == [
        (16384, ITEM, "3.00000"),
        (32768, OTHER_ITEM, "2.00000"),
    ]
    assert [(tax["LNITMSEQ"], tax["STAXAMNT"]) for tax in document["taxes"]] == [
        (0, "7.09000"),
        (16384, "2.22000"),
        (32768, "4.87000"),
    ]
    batch = gp.rows('SELECT "BCHSOURC", "NUMOFTRX", "BCHTOTAL" FROM dbo."SY00500"')
    assert batch == [("Sales Entry    ", 1, Decimal("97.94000"))]


def test_text_is_padded_as_in_the_product(gp: Gp) -> None:
    number = gp.order()

    assert gp.rows('SELECT "SOPNUMBE" FROM dbo."SOP10100"') == [(number.ljust(21),)]
    assert gp.rows('SELECT count(*) FROM dbo."SOP10100" WHERE "SOPNUMBE" = %s', number) == [(1,)]


def test_new_customer_by_class_with_addresses_and_mail(gp: Gp) -> None:
    given = {
        "CUSTNMBR": "NEW1",
        "CUSTNAME": "Fresh Beans",
        "CUSTCLAS": "WEB",
        "UseCustomerClass": 1,
        "ADRSCODE": "PRIMARY",
    }
    assert gp.call("taUpdateCreateCustomerRcd", **given, ADDRESS1="1 Road", CITY="Waco") == []
    assert gp.call("taCreateCustomerAddress", CUSTNMBR="NEW1", ADRSCODE="SHIP1", ADDRESS1="2 Road", CITY="Troy") == []
    mail = {"Master_Type": "CUS", "Master_ID": "NEW1", "ADRSCODE": "PRIMARY", "INET1": "buyer@example.com"}
    assert gp.call("taCreateInternetAddresses", **mail) == []

    number = gp.order(CUSTNMBR="NEW1", PRSTADCD="SHIP1")

    header = gp.document(2, number)["header"]
    assert (header["CUSTNAME"], header["ADDRESS1"], header["CITY"]) == ("Fresh Beans", "2 Road", "Troy")
    assert (header["SHIPMTHD"], header["PYMTRMID"]) == ("GROUND", "PREPAID")
    customer = gp.sandbox.control.get("/control/customers/NEW1").json()
    assert customer["emails"] == {"PRIMARY": "buyer@example.com"}


def test_null_leaves_a_customer_as_it_is(gp: Gp) -> None:
    before = gp.rows('SELECT "CUSTNAME", "CITY", "PYMTRMID" FROM dbo."RM00101" WHERE "CUSTNMBR" = \'C1001\'')

    assert gp.call("taUpdateCreateCustomerRcd", CUSTNMBR="C1001", COMMENT1="prefers mornings") == []

    after = gp.rows('SELECT "CUSTNAME", "CITY", "PYMTRMID" FROM dbo."RM00101" WHERE "CUSTNMBR" = \'C1001\'')
    assert after == before


HEADER_REFUSALS = [
    (67, {"SUBTOTAL": "85.86", "DOCAMNT": "97.95"}),
    (235, {"DOCAMNT": "97.95"}),
    (712, {"TAXAMNT": "7.00", "DOCAMNT": "97.85"}),
    (7023, {"TAXSCHID": "NOWHERE"}),
    (483, {"CURNCYID": "DOUBLOON"}),  # and 9370, since the lines have none
    (9370, {"CURNCYID": "USD"}),
    (90002, {"DOCID": "NOSUCHID"}),
    (90003, {"CUSTNMBR": "NOBODY"}),
    (90008, {"BACHNUMB": " "}),
    (90011, {"SHIPMTHD": "CARRIER PIGEON"}),
    (90012, {"PYMTRMID": "NEVER"}),
    (90013, {"LOCNCODE": "MOON"}),
    (90014, {"PRSTADCD": "NOWHERE"}),
    (90015, {"PRCLEVEL": "FREE"}),
    (90016, {"PYMTRCVD": "1.00"}),
    (90041, {"CREATETAXES": 1}),
]


@pytest.mark.parametrize(("number", "changes"), HEADER_REFUSALS)
def test_header_is_refused_and_writes_nothing(gp: Gp, number: int, changes: dict[str, object]) -> None:
    document = gp.take_number()
    gp.lines_and_taxes(document)

    assert gp.header(document, **changes)[:1] == [number]

    assert gp.rows('SELECT count(*) FROM dbo."SOP10100"') == [(0,)]
    assert gp.rows('SELECT count(*) FROM dbo."SY00500"') == [(0,)]


LINE_REFUSALS = [
    (722, {"XTNDPRCE": "26.86"}),
    (7023, {"TAXSCHID": "NOWHERE"}),
    (90003, {"CUSTNMBR": "NOBODY"}),
    (90011, {"SHIPMTHD": "CARRIER PIGEON"}),
    (90013, {"LOCNCODE": "MOON"}),
    (90021, {"QUANTITY": "2.5", "XTNDPRCE": "22.38"}),
    (90022, {"QUANTITY": 0, "XTNDPRCE": 0}),
    (90022, {"QTYTBAOR": 2, "QTYCANCE": 2}),
    (90023, {"ITEMNMBR": "NO-SUCH-ITEM"}),
    (90026, {"UOFM": "PALLET"}),
    (90038, {"ITEMNMBR": "LABOUR", "NONINVEN": 1}),
    (2905, {"QTYFULFI": 1}),
]


@pytest.mark.parametrize(("number", "changes"), LINE_REFUSALS)
def test_line_is_refused_and_writes_nothing(gp: Gp, number: int, changes: dict[str, object]) -> None:
    assert gp.line(gp.take_number(), **changes) == [number]

    assert gp.rows('SELECT count(*) FROM dbo."SOP10200"') == [(0,)]


def test_several_numbers_are_reported_at_once(gp: Gp) -> None:
    document = gp.take_number()
    gp.lines_and_taxes(document)

    assert gp.header(document, SUBTOTAL="1.00", SHIPMTHD="CARRIER PIGEON") == [90011, 67, 235]


def test_header_before_its_lines_is_refused(gp: Gp) -> None:
    assert gp.header(gp.take_number()) == [90010]


def test_item_that_is_not_at_the_site(gp: Gp, sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.superuser_dsn) as superuser:
        superuser.execute('DELETE FROM dbo."IV00102" WHERE "ITEMNMBR" = %s AND "LOCNCODE" = \'NORTH\'', [ITEM])

    assert gp.line(gp.take_number(), LOCNCODE="NORTH") == [90025]


def test_back_order_of_an_item_that_allows_none(gp: Gp) -> None:
    item = gp.rows(
        'SELECT rtrim("ITEMNMBR") FROM dbo."IV00101" WHERE "ALWBKORD" = 0 AND "SELNGUOM" = \'EACH\' LIMIT 1'
    )[0][0]

    assert gp.line(gp.take_number(), ITEMNMBR=item, QTYTBAOR=1) == [4776]


@pytest.mark.parametrize("half_cent", ["0.12", "0.13"])
def test_half_a_cent_may_be_rounded_either_way(gp: Gp, half_cent: str) -> None:
    assert gp.line(gp.take_number(), UNITPRCE="0.125", QUANTITY=1, XTNDPRCE=half_cent) == []


def test_number_in_use_is_refused_in_work_and_in_history(gp: Gp) -> None:
    number = gp.order()
    assert gp.header(number) == [2221]
    gp.connection.rollback()

    gp.user("void", number=number)

    assert gp.header(number) == [2221, 90010]
    assert gp.line(number) == [2221]
    assert gp.header(number, UpdateExisting=1) == [90009, 90010]


def test_same_number_may_stand_under_two_types(gp: Gp) -> None:
    number = gp.order()

    assert gp.line(number, SOPTYPE=3) == []


def test_document_open_on_somebodys_screen_is_busy(gp: Gp) -> None:
    number = gp.order()
    gp.user("edit-lock", number=number, locked=True)

    assert gp.header(number, UpdateExisting=1) == [2022]
    assert gp.line(number) == [2079]

    gp.user("edit-lock", number=number, locked=False)
    gp.connection.rollback()
    assert gp.header(number, UpdateExisting=1) == []


def test_customer_on_hold_or_without_address(gp: Gp) -> None:
    document = gp.take_number()
    gp.lines_and_taxes(document)
    gp.connection.commit()
    gp.user("block-customer", number="C1001", hold=True)
    gp.call("taUpdateCreateCustomerRcd", CUSTNMBR="BARE", CUSTNAME="No Address")

    assert gp.header(document, CKHOLD=1) == [90005]
    assert gp.header(document, CUSTNMBR="BARE") == [90007]
    assert gp.header(document) == []


def test_unknown_parameter_is_an_error_of_the_database(gp: Gp) -> None:
    with pytest.raises(psycopg.ProgrammingError, match="8145: @I_vTYPO is not a parameter") as error:
        gp.header("ORD1", TYPO=1)

    assert error.value.sqlstate == "42P02"


def test_missing_parameter_is_an_error_of_the_database(gp: Gp) -> None:
    with pytest.raises(psycopg.ProgrammingError, match=r'201: .* expects parameter "@I_vSOPNUMBE"') as error:
        gp.call("taSopVoidDocument", SOPTYPE=2)

    assert error.value.sqlstate == "42P02"


def test_value_that_is_no_number_is_an_error_of_the_database(gp: Gp) -> None:
    with pytest.raises(psycopg.DataError):
        gp.line("ORD1", QUANTITY="three")


def test_too_long_and_too_precise_values_are_cut_without_a_word(gp: Gp) -> None:
    number = gp.take_number()
    gp.line(number, ITEMDESC="d" * 150, UNITPRCE="8.950000004")
    text = gp.rows('SELECT rtrim("ITEMDESC"), "UNITPRCE" FROM dbo."SOP10200"')

    assert text == [("d" * 100, Decimal("8.95000"))]


def test_item_number_in_another_case_is_the_same_item(gp: Gp) -> None:
    number = gp.take_number()

    assert gp.line(number, ITEMNMBR=ITEM.lower()) == []

    assert gp.rows('SELECT rtrim("ITEMNMBR") FROM dbo."SOP10200"') == [(ITEM,)]


def test_order_is_changed_in_place(gp: Gp) -> None:
    number = gp.order()
    first_line = {"LNITMSEQ": 16384, "QUANTITY": 1, "XTNDPRCE": "8.95"}
    assert gp.line(number, **first_line) == [90019]
    assert gp.line(number, **first_line, UpdateIfExists=1) == []
    tax = {"SOPTYPE": 2, "SOPNUMBE": number, "CUSTNMBR": "C1001", "LNITMSEQ": 16384, "TAXDTLID": "WEBTAX"}
    assert gp.call("taSopLineIvcTaxInsert", **tax, SALESAMT="8.95", STAXAMNT="0.74") == []

    totals = {"SUBTOTAL": "67.95", "TAXAMNT": "5.61", "DOCAMNT": "78.56"}
    assert gp.header(number, **totals, UpdateExisting=1, CSTPONBR="1001-B") == []

    gp.connection.commit()
    document = gp.document(2, number)
    assert [line["QUANTITY"] for line in document["lines"]] == ["1.00000", "2.00000"]
    assert (document["CSTPONBR"], document["header"]["DOCAMNT"]) == ("1001-B", "78.56000")
    assert gp.rows('SELECT "NUMOFTRX", "BCHTOTAL" FROM dbo."SY00500"') == [(1, Decimal("78.56000"))]


def test_line_of_another_item_is_not_overwritten(gp: Gp) -> None:
    number = gp.order()
    other = {"ITEMNMBR": OTHER_ITEM, "UNITPRCE": "29.50", "QUANTITY": 1, "XTNDPRCE": "29.50"}

    assert gp.line(number, LNITMSEQ=16384, UpdateIfExists=1, **other) == [2902]


def test_line_is_deleted(gp: Gp) -> None:
    number = gp.order()
    asked = {"SOPTYPE": 2, "SOPNUMBE": number, "DeleteType": 1}
    assert gp.call("taSopLineDelete", **asked, LNITMSEQ=16384, ITEMNMBR=OTHER_ITEM) == [2902]
    assert gp.call("taSopLineDelete", **asked, LNITMSEQ=99, ITEMNMBR=ITEM) == [90027]

    assert gp.call("taSopLineDelete", **asked, LNITMSEQ=16384, ITEMNMBR=ITEM) == []

    assert gp.rows('SELECT "LNITMSEQ" FROM dbo."SOP10200"') == [(32768,)]
    assert gp.rows('SELECT count(*) FROM dbo."SOP10105" WHERE "LNITMSEQ" = 16384') == [(0,)]


def test_deposit_counts_in_the_header(gp: Gp) -> None:
    number = gp.take_number()
    gp.lines_and_taxes(number)
    paid = {"SOPTYPE": 2, "SOPNUMBE": number, "CUSTNMBR": "C1001", "DOCDATE": DAY, "DOCAMNT": "97.94"}
    assert gp.call("taCreateSopPaymentInsertRecord", **paid, PYMTTYPE=6, CARDNAME="VISA") == [90031]
    assert gp.call("taCreateSopPaymentInsertRecord", **paid, PYMTTYPE=3) == [90032]
    assert gp.call("taCreateSopPaymentInsertRecord", **paid, PYMTTYPE=3, CARDNAME="VISA", AUTHCODE="A1") == []

    assert gp.header(number, PYMTRCVD="97.94") == []

    gp.connection.commit()
    header = gp.document(2, number)["header"]
    assert (header["DEPRECVD"], header["ACCTAMNT"]) == ("97.94000", "0.00000")


def test_void_and_delete_by_procedure(gp: Gp) -> None:
    voided, deleted = gp.order(), gp.order()

    assert gp.call("taSopVoidDocument", SOPTYPE=2, SOPNUMBE=voided) == []
    assert gp.call("taSopDeleteDocument", SOPTYPE=2, SOPNUMBE=deleted) == []
    assert gp.call("taSopVoidDocument", SOPTYPE=2, SOPNUMBE=voided) == [90009]
    assert gp.call("taSopDeleteDocument", SOPTYPE=2, SOPNUMBE=deleted) == [90028]

    gp.connection.commit()
    assert gp.document(2, voided)["voided"]
    assert gp.sandbox.control.get(f"/control/documents/2/{deleted}").status_code == 404
    assert gp.rows('SELECT "NUMOFTRX", "BCHTOTAL" FROM dbo."SY00500"') == [(0, 0)]


def test_tracking_number_is_added_once(gp: Gp) -> None:
    number = gp.order()
    asked = {"SOPTYPE": 2, "SOPNUMBE": number, "Tracking_Number": "1Z999"}

    assert gp.call("taSopTrackingNum", **asked) == []
    assert gp.call("taSopTrackingNum", **asked) == [90030]
    assert gp.call("taSopTrackingNum", SOPTYPE=3, SOPNUMBE=number, Tracking_Number="1Z999") == [90028]


# Numbers.


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


# What people do.


def test_order_shipped_in_two_parts_adds_up(gp: Gp) -> None:
    number = gp.order()
    on_hand, _ = gp.stock(ITEM, "MAIN")

    first = gp.user("ship", number=number, lines={ITEM: 2}, tracking=["1Z1"])

    assert first["order"]["state"] == "work"
    assert [(line["QTYPRINV"], line["QTYREMAI"]) for line in first["order"]["lines"]] == [
        ("2.00000", "1.00000"),
        ("0.00000", "2.00000"),
    ]
    invoice = first["invoice"]
    assert (invoice["state"], invoice["posted"], invoice["tracking"]) == ("history", True, ["1Z1"])
    assert (invoice["header"]["ORIGTYPE"], invoice["header"]["ORIGNUMB"]) == (2, number)
    assert invoice["header"]["MSTRNUMB"] == first["order"]["header"]["MSTRNUMB"]
    assert invoice["CSTPONBR"] == "1001"
    assert gp.stock(ITEM, "MAIN") == (on_hand - 2, Decimal(0))

    second = gp.user("ship", number=number, tracking=["1Z2"])

    assert second["order"]["state"] == "history"
    assert gp.stock(ITEM, "MAIN") == (on_hand - 3, Decimal(0))
    invoices = [shipment["invoice"]["header"] for shipment in (first, second)]
    assert [invoice["FRTAMNT"] for invoice in invoices] == ["5.00000", "0.00000"]
    for amount, whole in (("SUBTOTAL", "85.85"), ("TAXAMNT", "7.09"), ("DOCAMNT", "97.94")):
        assert sum(Decimal(invoice[amount]) for invoice in invoices) == Decimal(whole)
    owed = gp.sandbox.control.get("/control/receivables", params={"customer": "C1001"}).json()["receivables"]
    assert [row["CSPORNBR"] for row in owed] == ["1001", "1001"]


def test_both_stock_rows_move_together(gp: Gp) -> None:
    before, _ = gp.stock(ITEM, "")

    gp.user("stock", item=ITEM, site="NORTH", delta=7)

    assert gp.stock(ITEM, "")[0] == before + 7


def test_steps_of_a_shipment_one_by_one(gp: Gp) -> None:
    number = gp.order()
    _, allocated = gp.stock(ITEM, "MAIN")

    assert gp.user("allocate", number=number)["short"] == "0.00000"
    assert gp.stock(ITEM, "MAIN")[1] == allocated + 3
    lines = gp.user("fulfil", number=number)["lines"]
    assert [line["QTYFULFI"] for line in lines] == ["3.00000", "2.00000"]
    assert gp.user("track", number=number, tracking=["1ZA"])["tracking"] == ["1ZA"]
    done = gp.user("transfer", number=number, tracking=["1ZB"])
    assert done["order"]["state"] == "history"
    assert (done["invoice"]["state"], sorted(done["invoice"]["tracking"])) == ("work", ["1ZA", "1ZB"])
    assert gp.user("post", number=done["invoice_number"])["posted"]
    assert gp.stock(ITEM, "MAIN")[1] == allocated


def test_rest_of_an_order_is_cancelled_with_the_shipment(gp: Gp) -> None:
    number = gp.order()

    done = gp.user("ship", number=number, lines={OTHER_ITEM: 2}, back_order="cancel")

    order = done["order"]
    assert order["state"] == "history"
    assert [line["QTYCANCE"] for line in order["lines"]] == ["3.00000", "0.00000"]
    assert (order["header"]["SUBTOTAL"], order["header"]["TAXAMNT"]) == ("59.00000", "4.87000")


def test_quantity_of_a_line_is_cancelled(gp: Gp) -> None:
    number = gp.order()

    order = gp.user("cancel-line", number=number, item=ITEM, quantity=1)

    assert order["lines"][0]["QTYREMAI"] == "2.00000"
    header = order["header"]
    assert (header["SUBTOTAL"], header["TAXAMNT"], header["DOCAMNT"]) == ("76.90000", "6.35000", "88.25000")


def test_shelf_that_is_empty_stops_the_shipment(gp: Gp) -> None:
    number = gp.order()
    gp.user("stock", item=ITEM, site="MAIN", on_hand=1)

    refused = gp.sandbox.control.post("/control/user/ship", json={"number": number, "lines": {ITEM: 3}})
    assert (refused.status_code, refused.json()["error"], refused.json()["field"]) == (409, "conflict", "lines")
    shipped = gp.user("ship", number=number, lines={ITEM: 3}, shortage="override")

    assert shipped["invoice"]["lines"][0]["QUANTITY"] == "3.00000"


def test_document_id_that_allocates_by_line(gp: Gp) -> None:
    _, allocated = gp.stock(ITEM, "MAIN")
    gp.sandbox.control.put("/control/document-ids/2/WEB", json={"allocate_by": "line"}).raise_for_status()
    try:
        gp.order()
        assert gp.stock(ITEM, "MAIN")[1] == allocated + 3
    finally:
        gp.sandbox.control.put("/control/document-ids/2/WEB", json={"allocate_by": "document"}).raise_for_status()


def test_shortage_at_entry_goes_on_back_order(gp: Gp) -> None:
    gp.user("stock", item=ITEM, site="MAIN", on_hand=1)
    number = gp.take_number()

    assert gp.line(number, ALLOCATE=1, QtyShrtOpt=4) == []

    amounts = gp.rows('SELECT "ATYALLOC", "QTYTBAOR", "QTYTOINV" FROM dbo."SOP10200"')
    assert amounts == [(Decimal(1), Decimal(2), Decimal(1))]
    back_ordered = gp.rows('SELECT "QTYBKORD" FROM dbo."IV00102" WHERE "ITEMNMBR" = %s AND "LOCNCODE" = \'MAIN\'', ITEM)
    assert back_ordered == [(Decimal(2),)]


def test_voiding_an_invoice_gives_the_order_its_quantities_back(gp: Gp) -> None:
    number = gp.order()
    gp.user("allocate", number=number)
    invoice = gp.user("transfer", number=number, lines={ITEM: 1})["invoice_number"]

    gp.user("void", number=invoice, type=3)

    assert gp.document(2, number)["lines"][0]["QTYREMAI"] == "3.00000"
    assert gp.sandbox.control.post("/control/user/void", json={"number": number}).status_code == 200


def test_order_shipped_in_part_cannot_be_voided(gp: Gp) -> None:
    number = gp.order()
    gp.user("ship", number=number, lines={ITEM: 1})

    assert gp.call("taSopVoidDocument", SOPTYPE=2, SOPNUMBE=number) == [90029]
    gp.connection.rollback()
    assert gp.sandbox.control.post("/control/user/void", json={"number": number}).status_code == 409


def test_documents_are_found_by_reference_and_time(gp: Gp) -> None:
    gp.sandbox.control.put("/control/clock", json={"offset_s": 86400}).raise_for_status()
    number = gp.order(CSTPONBR="ABC-7")
    now = gp.sandbox.control.get("/control/clock").json()["now"]

    by_reference = gp.sandbox.control.get("/control/documents", params={"reference": "ABC-7"}).json()
    later = gp.sandbox.control.get("/control/documents", params={"since": now}).json()

    assert [document["number"] for document in by_reference["documents"]] == [number]
    assert later == {"total": 0, "documents": []}


def test_customer_typed_in_by_hand(gp: Gp) -> None:
    made = gp.user("customer", number="HAND1", name="Walk-in", city="Waco", email="w@example.com")

    assert made["customer"]["CITY"] == "Waco"
    again = gp.sandbox.control.post("/control/user/customer", json={"number": "HAND1", "name": "Walk-in"})
    assert again.status_code == 409


def test_autopilot_ships_what_comes(gp: Gp) -> None:
    number = gp.order()

    gp.user(
        "autopilot", ship_share=1, partial_share=0, cancel_share=0, per_second=50, stock_changes_per_second=20, seed=1
    )

    eventually(lambda: gp.document(2, number)["state"] == "history")
    eventually(lambda: done_by_autopilot(gp).get("stock_changes", 0) > 0)
    assert done_by_autopilot(gp)["shipped"] == 1
    stopped = gp.sandbox.control.delete("/control/user/autopilot").json()
    assert not stopped["running"]


def done_by_autopilot(gp: Gp) -> dict[str, int]:
    done: dict[str, int] = gp.sandbox.control.get("/control/user/autopilot").json()["done"]
    return done


def test_reset_leaves_the_seed(gp: Gp) -> None:
    gp.call("taUpdateCreateCustomerRcd", CUSTNMBR="NEW1", CUSTNAME="Fresh Beans", ADRSCODE="PRIMARY")
    number = gp.order()
    on_hand, _ = gp.stock(ITEM, "MAIN")
    gp.user("ship", number=number)

    gp.sandbox.control.post("/control/reset").raise_for_status()

    assert gp.sandbox.control.get("/control/documents").json() == {"total": 0, "documents": []}
    assert gp.stock(ITEM, "MAIN") == (on_hand, Decimal(0))
    assert gp.sandbox.control.get("/control/customers/NEW1").status_code == 404
    assert gp.take_number() > number


def test_receipts_an_administrator_made_are_writable_and_go_with_the_documents(gp: Gp, sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.superuser_dsn) as superuser:
        superuser.execute("CREATE TABLE towpath.receipts (reference text)")
    gp.connection.execute("INSERT INTO towpath.receipts VALUES ('1001')")
    gp.connection.commit()

    gp.sandbox.control.post("/control/reset").raise_for_status()

    assert gp.rows("SELECT * FROM towpath.receipts") == []


# Bad input.


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "user/ship", {"number": "ORD1", "shp": 1}, 400, "shp"),
        ("POST", "user/ship", {}, 400, "number"),
        ("POST", "user/ship", {"number": "ORD1", "lines": {ITEM: -1}}, 400, None),
        ("POST", "user/ship", {"number": "NOPE"}, 404, "number"),
        ("POST", "user/ship", {"number": "A\u0000B"}, 400, None),
        ("POST", "user/track", {"number": "ORD1", "tracking": []}, 400, "tracking"),
        ("POST", "user/stock", {"item": ITEM, "site": "MAIN"}, 400, None),
        ("POST", "user/stock", {"item": "NOPE", "delta": 1}, 404, "item"),
        ("POST", "user/edit-lock", {"number": "NOPE", "locked": True}, 404, "number"),
        ("POST", "user/autopilot", {"ship_share": 0.9, "partial_share": 0.9}, 400, None),
        ("PUT", "clock", {"now": "yesterday"}, 400, "now"),
        ("PUT", "faults", {"procedures": [{"procedure": "nope", "kind": "deadlock"}]}, 400, "procedures"),
        ("PUT", "faults", {"proxy": {"mode": "odd"}}, 400, "proxy.mode"),
        ("GET", "documents?type=9", None, 400, "type"),
        ("GET", "documents?limit=x", None, 400, "limit"),
        ("GET", "documents/2/NOPE", None, 404, "number"),
        ("GET", "customers/NOPE", None, 404, "number"),
        ("GET", "nowhere", None, 404, None),
        ("DELETE", "stock", None, 405, None),
    ],
)
def test_bad_requests_are_answered_plainly(
    sandbox: Sandbox, method: str, path: str, body: object, status: int, field: str | None
) -> None:
    answer = sandbox.control.request(method, f"/control/{path}", json=body)

    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert set(answer.json()) == {"error", "message", "field"}


def test_body_that_is_no_json(sandbox: Sandbox) -> None:
    assert sandbox.control.post("/control/user/ship", content=b"\xff{").status_code == 400


# Faults.


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


# Rights and change data capture.


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


def test_every_error_number_has_a_text(gp: Gp) -> None:
    known = {number for (number,) in gp.rows('SELECT "ErrorCode" FROM "DYNAMICS"."taErrorCode"')}

    assert {number for number, _ in HEADER_REFUSALS + LINE_REFUSALS} <= known
