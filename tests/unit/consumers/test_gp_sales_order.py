"""An order as a GP document: to the cent, or not at all."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dynamics_gp.econnect import customer_calls
from consumers.dynamics_gp.rules import customer_number, short_reference
from consumers.dynamics_gp.steps import Step, Work, next_step
from consumers.dynamics_gp.target import target_of
from consumers.routes import SALES_ORDER
from delivery.ports import Settlement
from delivery.states import State
from errors import ConfigurationError, MappingError, TooLateError
from mapping.port import Lookups
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from schemas.systems.dynamics_gp.receipt import Receipt

D = Decimal
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LOOKUPS = Lookups(
    {
        "target": {
            "document_id": "WEB",
            "site": "MAIN",
            "tax_schedule": "WEBTAX",
            "tax_detail": "WEBTAX",
            "time_zone": "America/New_York",
        },
        "gp_items": {"OLD-SKU": "NEW-ITEM"},
    }
)


def order(**changes: object) -> Order:
    standing = Order(
        id="clarity-main:1001",
        source_version=17,
        ordered_at=datetime(2026, 3, 1, 3, 30, tzinfo=UTC),
        updated_at=datetime(2026, 3, 1, 3, 30, tzinfo=UTC),
        connection="clarity-main",
        number="1001",
        state="open",
        currency="USD",
        customer_id="c1007",
        customer_name="Zoë & Łucja O'Brien",
        customer_email="zoe@example.org",
        shipping=Address(name="山田 太郎", lines=("桜通り 1-2",), city="名古屋", country="JP", phone="+81 52-555-0100"),
        lines=(
            OrderLine(line_id="1", sku="COF-ESP-250", quantity=Decimal(3), unit_price=Decimal("8.95"),
                      discount=Decimal("1.00"), extended=Decimal("25.85"), tax=Decimal("2.07")),
            OrderLine(line_id="2", sku="OLD-SKU", quantity=Decimal(1), unit_price=Decimal(0), extended=Decimal(0)),
        ),
        subtotal=Decimal("25.85"),
        discount=Decimal("2.00"),
        shipping_amount=Decimal("5.00"),
        handling_amount=Decimal("1.50"),
        tax=Decimal("2.47"),
        total=Decimal("32.82"),
    )  # fmt: skip
    return msgspec.structs.replace(standing, **changes)


def test_the_document_comes_to_the_order_s_total() -> None:
    document = SALES_ORDER(order(), LOOKUPS, NOW)

    assert Decimal("32.82") == document.DOCAMNT
    assert sum(line.XTNDPRCE for line in document.lines) == document.SUBTOTAL
    extras = document.FREIGHT + document.MISCAMNT + document.TAXAMNT
    assert document.SUBTOTAL + extras - document.TRDISAMT == document.DOCAMNT


def test_tax_beyond_the_lines_is_put_on_the_last() -> None:
    document = SALES_ORDER(order(), LOOKUPS, NOW)

    assert [line.TAXAMNT for line in document.lines] == [Decimal("2.07"), Decimal("0.40")]


def test_the_day_is_the_company_s() -> None:
    document = SALES_ORDER(order(), LOOKUPS, NOW)

    assert date(2026, 2, 28) == document.DOCDATE
    assert document.BACHNUMB == "WEB260228"


def test_items_are_looked_up_and_lines_step_by_16384() -> None:
    document = SALES_ORDER(order(), LOOKUPS, NOW)

    assert [(line.LNITMSEQ, line.ITEMNMBR) for line in document.lines] == [(16384, "COF-ESP-250"), (32768, "NEW-ITEM")]


def test_letters_beyond_the_code_page_are_written_in_latin_ones() -> None:
    document = SALES_ORDER(order(), LOOKUPS, NOW)

    assert document.ship_to.CITY.isascii()
    assert document.ship_to.CITY
    assert document.customer.CUSTNAME == "Zoë & Lucja O'Brien"
    assert document.ship_to.PHNUMBR1 == "81525550100"


def test_an_order_without_lines_is_refused() -> None:
    with pytest.raises(MappingError, match="lines: the order has no lines"):
        SALES_ORDER(order(lines=()), LOOKUPS, NOW)


def test_taxes_of_lines_beyond_the_order_s_are_refused() -> None:
    with pytest.raises(MappingError, match="tax: the lines' taxes exceed the order's 1"):
        SALES_ORDER(order(tax=Decimal(1)), LOOKUPS, NOW)


def test_an_order_that_does_not_add_up_is_refused_with_the_difference() -> None:
    with pytest.raises(MappingError, match=r"difference 0\.01"):
        SALES_ORDER(order(total=Decimal("32.83")), LOOKUPS, NOW)


def test_another_currency_is_a_missing_row_and_a_negative_discount_is_refused() -> None:
    in_dollars = Lookups({"target": {"document_id": "WEB", "site": "MAIN", "currency": "USD"}, "gp_currencies": {}})
    with pytest.raises(MappingError, match="no row for 'JPY' in lookup table 'gp_currencies'") as refused:
        SALES_ORDER(order(currency="JPY"), in_dollars, NOW)
    assert (refused.value.facts["table"], refused.value.facts["key"]) == ("gp_currencies", "JPY")
    surcharged = order(discount=Decimal("-3.00"), total=Decimal("37.82"))
    with pytest.raises(MappingError, match=r"discount: the discounts come to -2\.99"):
        SALES_ORDER(surcharged, LOOKUPS, NOW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"total": D("-1.00"), "discount": D("35.82")},
            r"total: -1\.00 is negative, and GP takes what is given back as",
        ),
        ({"shipping_amount": D(-5), "total": D("22.82")}, "shipping_amount: -5 is negative"),
        ({"handling_amount": D("-1.50"), "total": D("29.82")}, r"handling_amount: -1\.50 is negative"),
        ({"tax": D("-2.47"), "total": D("27.88")}, r"tax: -2\.47 is negative"),
        ({"discount": D("1.995"), "total": D("32.825")}, r"total: 32\.825 has more than the 2 decimals GP keeps"),
        ({"shipping_amount": D("5.005"), "discount": D("2.005")}, r"shipping_amount: 5\.005 has more than the 2"),
        ({"handling_amount": D("1.505"), "discount": D("2.005")}, r"handling_amount: 1\.505 has more than the 2"),
        ({"tax": D("2.475"), "discount": D("2.005")}, r"tax: 2\.475 has more than the 2 decimals"),
    ],
)
def test_an_amount_gp_does_not_take_is_refused_by_its_name(changes: dict[str, object], said: str) -> None:
    with pytest.raises(MappingError, match=said):
        SALES_ORDER(order(**changes), LOOKUPS, NOW)


@pytest.mark.parametrize(
    ("changes", "total", "said"),
    [
        ({"extended": D("-3.00")}, D("31.82"), r"lines\[2\]\.extended: -3\.00 is negative, and GP takes no such price"),
        ({"tax": D("-0.10")}, D("32.82"), r"lines\[2\]\.tax: -0\.10 is negative"),
    ],
)
def test_a_line_gp_does_not_take_is_refused_by_its_number(changes: dict[str, Any], total: Decimal, said: str) -> None:
    first, second = order().lines
    second = msgspec.structs.replace(second, **changes)
    discount = max(order().discount + second.extended, D(0))

    with pytest.raises(MappingError, match=said):
        SALES_ORDER(order(lines=(first, second), discount=discount, total=total), LOOKUPS, NOW)


@given(
    lines=st.lists(
        st.tuples(
            st.decimals(min_value=0, max_value=999, places=5), st.decimals(min_value="0.01", max_value=99, places=5)
        ),
        min_size=1,
        max_size=6,
    ),
    decimals=st.sampled_from([0, 2, 3]),
)
def test_whatever_a_store_s_lines_are_gp_s_amounts_are_whole(lines: list[tuple[D, D]], decimals: int) -> None:
    smallest = D(1).scaleb(-decimals)
    made = tuple(OrderLine(sku="A", quantity=D(2), extended=extended, tax=tax) for extended, tax in lines)
    subtotal = sum((line.extended for line in made), D(0))
    tax = sum((line.tax for line in made), D(0)).quantize(smallest, ROUND_CEILING)
    total = (subtotal + tax).quantize(smallest, ROUND_FLOOR)
    target = {"document_id": "WEB", "site": "MAIN", "tax_schedule": "T", "tax_detail": "T"}
    lookups = Lookups({"target": {**target, "currency_decimals": str(decimals)}})
    discount, none = subtotal + tax - total, D(0)

    document = SALES_ORDER(
        order(lines=made, discount=discount, shipping_amount=none, handling_amount=none, tax=tax, total=total),
        lookups,
        NOW,
    )

    amounts = [document.SUBTOTAL, document.TRDISAMT, document.TAXAMNT, document.DOCAMNT]
    amounts += [each for line in document.lines for each in (line.UNITPRCE, line.XTNDPRCE, line.TAXAMNT)]
    assert [each for each in amounts if each < 0 or each % smallest] == []
    assert sum(line.TAXAMNT for line in document.lines) == document.TAXAMNT == tax
    assert total == document.DOCAMNT


def test_a_number_that_does_not_fit_is_refused_not_cut() -> None:
    with pytest.raises(MappingError, match="longer than GP's 20"):
        SALES_ORDER(order(number="9" * 21), LOOKUPS, NOW)


@given(
    quantity=st.integers(min_value=1, max_value=999),
    price=st.decimals(min_value=0, max_value=9999, places=2),
    discount_share=st.integers(min_value=0, max_value=100),
)
def test_a_line_s_price_times_its_quantity_is_its_extended_price(
    quantity: int, price: Decimal, discount_share: int
) -> None:
    full = price * quantity
    discount = (full * discount_share / 100).quantize(Decimal("0.01"))
    line = OrderLine(sku="A", quantity=Decimal(quantity), unit_price=price, discount=discount, extended=full - discount)
    given = order(lines=(line,), subtotal=line.extended, tax=Decimal(0), total=line.extended + Decimal("4.50"))

    document = SALES_ORDER(given, LOOKUPS, NOW)

    # GP refuses a line whose price times quantity is not its extended price, and a discount below zero
    assert document.lines[0].UNITPRCE * quantity == document.lines[0].XTNDPRCE
    assert given.total == document.DOCAMNT
    assert document.TRDISAMT >= 0


def customer_of(record: Order, rows: Mapping[str, str] = {}, **options: str) -> str:
    tables = {"target": {"document_id": "WEB", "site": "MAIN", **options}, "gp_customers": rows}
    lookups = Lookups(tables)
    return customer_number(record, lookups)


def test_customer_numbers_fit_and_stay() -> None:
    assert customer_of(order()) == "C1007"
    assert customer_of(order(customer_id="")) == customer_of(order(customer_id="", customer_email="ZOE@example.org"))
    assert len(customer_of(order(customer_id="x" * 40))) == 15
    assert customer_of(order(customer_id="Ω7")).startswith("WEB")
    with pytest.raises(MappingError, match="nobody to sell to"):
        customer_of(order(customer_id="", customer_email=""))


def test_stores_that_count_alike_have_customers_of_their_own() -> None:
    stores = [order(), order(connection="clarity-two")]

    assert {customer_of(one) for one in stores} == {"C1007"}
    assert len({customer_of(one, customer_numbers="by-store") for one in stores}) == 2


def test_a_customer_in_the_lookup_table_has_the_number_there() -> None:
    rows = {"clarity-main:c1007": "AARONFIT0001", "clarity-main:zoe@example.org": "GUEST-1"}

    assert customer_of(order(), rows) == "AARONFIT0001"
    assert customer_of(order(), rows, customer_numbers="by-store") == "AARONFIT0001"
    assert customer_of(order(customer_id=""), rows) == "GUEST-1"
    assert customer_of(order(connection="clarity-two"), rows) == "C1007"
    with pytest.raises(MappingError, match="longer than GP's 15"):
        customer_of(order(), {"clarity-main:c1007": "X" * 16})


@pytest.mark.parametrize("sku", ["ITEM-Ω", "ITEM\x07", "名古屋"])
def test_a_key_its_column_does_not_hold_is_refused(sku: str) -> None:
    (first, *others) = order().lines
    changed = order(lines=(msgspec.structs.replace(first, sku=sku), *others))

    with pytest.raises(MappingError, match=r"lines\[1\]\.ITEMNMBR"):
        SALES_ORDER(changed, LOOKUPS, NOW)


@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [
        ("currency_decimals", "two", "connections.gp-two.options.currency_decimals"),
        ("currency_decimals", "6", "connections.gp-two.options.currency_decimals"),
        ("code_page", "cp9999", "connections.gp-two.options.code_page"),
        ("time_zone", "New York", "connections.gp-two.time_zone"),
        ("customer_numbers", "shared", "connections.gp-two.options.customer_numbers"),
        ("document_id", "", "connections.gp-two.options.document_id"),
        ("site", " ", "connections.gp-two.options.site"),
    ],
)
def test_an_impossible_option_is_named(option: str, value: str, setting: str) -> None:
    options = {"document_id": "WEB", "site": "MAIN", option: value}

    with pytest.raises(ConfigurationError, match=setting):
        target_of(Lookups({"target": options}), "gp-two")


def test_a_taxed_order_needs_the_tax_options() -> None:
    lookups = Lookups({"target": {"document_id": "WEB", "site": "MAIN", "tax_schedule": "WEBTAX"}})

    with pytest.raises(MappingError, match="tax_detail"):
        SALES_ORDER(order(), lookups, NOW)


def test_an_email_address_that_does_not_fit_is_left_out() -> None:
    document = SALES_ORDER(order(customer_email="z" * 190 + "@example.org"), LOOKUPS, NOW)

    assert [procedure for procedure, _ in customer_calls(document)] == ["taUpdateCreateCustomerRcd"]


def test_a_reference_of_any_length_has_one_of_twenty() -> None:
    assert short_reference("clarity-main:1001") == "clarity-main:1001"
    assert len(short_reference("clarity-main:100000000000")) == 20


@given(st.text(max_size=200))
def test_text_always_fits_its_column(text: str) -> None:
    document = SALES_ORDER(order(note=text, customer_name=text), LOOKUPS, NOW)

    assert len(document.customer.CUSTNAME) <= 64
    assert len(document.comment) <= 500
    f"{document.customer.CUSTNAME}{document.comment}".encode("cp1252")


def receipt(operation: str, digest: str = "d1") -> Receipt:
    return Receipt(
        reference="clarity-main:1001", operation=operation, document_type=2, document_number="ORD0000007", digest=digest
    )


@pytest.mark.parametrize(
    ("cancelled", "receipts", "expected"),
    [
        (False, (), (Step.CREATE, "create", "")),
        (False, (receipt("create", "d0"),), (Step.UPDATE, "update:17:1", "ORD0000007")),
        (True, (receipt("create", "d0"),), (Step.CANCEL, "cancel", "ORD0000007")),
        (True, (receipt("create"),), (Step.CANCEL, "cancel", "ORD0000007")),
    ],
)
def test_receipts_tell_the_next_step(
    cancelled: bool, receipts: tuple[Receipt, ...], expected: tuple[Step, str, str]
) -> None:
    document = msgspec.structs.replace(SALES_ORDER(order(), LOOKUPS, NOW), cancelled=cancelled)

    work = next_step("clarity-main:1001", 17, document, "d1", receipts)

    assert isinstance(work, Work)
    assert (work.step, work.operation, work.number) == expected


@pytest.mark.parametrize(
    ("cancelled", "receipts", "expected"),
    [
        (True, (), (State.FILTERED, "cancelled_before_creation")),
        (False, (receipt("create"),), (State.SUPPRESSED, "equal")),
        (True, (receipt("create"), receipt("cancel")), (State.SUPPRESSED, "equal")),
    ],
)
def test_receipts_tell_that_nothing_is_left_to_do(
    cancelled: bool, receipts: tuple[Receipt, ...], expected: tuple[State, str]
) -> None:
    document = msgspec.structs.replace(SALES_ORDER(order(), LOOKUPS, NOW), cancelled=cancelled)

    settlement = next_step("clarity-main:1001", 17, document, "d1", receipts)

    assert isinstance(settlement, Settlement)
    assert (settlement.state, settlement.code) == expected


def test_a_void_document_is_not_taken_up_again() -> None:
    document = SALES_ORDER(order(), LOOKUPS, NOW)

    with pytest.raises(TooLateError):
        next_step("clarity-main:1001", 17, document, "d1", (receipt("create"), receipt("cancel")))


def test_a_mapping_mended_to_and_fro_makes_every_step_anew() -> None:
    document = SALES_ORDER(order(), LOOKUPS, NOW)
    receipts = [receipt("create", "d0")]
    for digest in ("d1", "d2", "d1"):
        work = next_step("clarity-main:1001", 17, document, digest, tuple(receipts))
        assert isinstance(work, Work)
        receipts.append(receipt(work.operation, digest))

    assert len({done.operation for done in receipts}) == 4
