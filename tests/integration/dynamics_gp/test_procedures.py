"""The eConnect procedures: what they write, what they refuse and by which number."""

from decimal import Decimal

import psycopg
import pytest

from tests.integration.dynamics_gp.company import DAY, ITEM, OTHER_ITEM, Gp, Sandbox


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


def test_every_error_number_has_a_text(gp: Gp) -> None:
    known = {number for (number,) in gp.rows('SELECT "ErrorCode" FROM "DYNAMICS"."taErrorCode"')}

    assert {number for number, _ in HEADER_REFUSALS + LINE_REFUSALS} <= known
