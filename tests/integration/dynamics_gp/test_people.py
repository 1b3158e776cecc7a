"""The people at GP's windows: what they ship, cancel and type in, and what the control interface refuses."""

from decimal import Decimal

import pytest

from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from schemas.systems.dynamics_gp.receipt import Receipt
from schemas.systems.dynamics_gp.sales_order import DocumentId
from tests.integration.dynamics_gp.company import ITEM, OTHER_ITEM, Gp, Sandbox, eventually


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


async def test_family_of_an_order_is_in_work_and_history_and_known_without_its_number(gp: Gp, client: GpClient) -> None:
    number, stranger = gp.order(), gp.order()
    shipped = gp.user("ship", number=number, lines={ITEM: 1}, tracking=[])["invoice"]["number"]
    open_one = gp.user("transfer", number=number, lines={ITEM: 1})["invoice"]["number"]
    gp.user("ship", number=stranger, tracking=[])
    order = DocumentId(SOPTYPE=2, SOPNUMBE=number)

    def read(transaction: GpTransaction) -> list[list[tuple[str, bool]]]:
        master = transaction.document(order)
        assert master is not None
        return [
            [(one.SOPNUMBE, one.in_history) for one in transaction.family(order, number)]
            for number in (master.MSTRNUMB, 0)
        ]

    wanted = sorted([(shipped, True), (open_one, False)])
    assert await client.in_transaction(read) == [wanted, wanted]


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
    eventually(lambda: done_by_autopilot(gp).get("shipped") == 1)
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


async def test_receipts_go_with_the_documents(gp: Gp, client: GpClient) -> None:
    receipt = Receipt(
        reference="shop:1", operation="create", record="order", document_type=2, document_number="A", digest=""
    )

    def work(transaction: GpTransaction) -> None:
        transaction.add_receipt(receipt)
        transaction.commit()

    await client.in_transaction(work)

    gp.sandbox.control.post("/control/reset").raise_for_status()

    assert gp.rows("SELECT * FROM towpath.receipts") == []


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
