"""Store against GP: whatever differs is named, and nothing else."""

from decimal import Decimal

import msgspec
import pytest

from operations.demo.facts import GpDocument, Stock
from operations.demo.reconcile import Difference, compare, duplicated
from operations.demo.states import state_of
from tests.doubles.demo_world import SHELF, STORE, World, agreeing, document, gp_line

replace = msgspec.structs.replace


def differences(world: World) -> list[tuple[str, str]]:
    found = compare(world.placed, world.shop, world.company, STORE)
    return [(each.subject, each.field) for each in found]


def with_document(world: World, number: str, **changes: object) -> World:
    documents = tuple(replace(each, **changes) if each.number == number else each for each in world.company.documents)
    return replace(world, company=replace(world.company, documents=documents))


def with_entry(world: World, order_id: int, **changes: object) -> World:
    orders = tuple(replace(each, **changes) if each.id == order_id else each for each in world.shop.orders)
    return replace(world, shop=replace(world.shop, orders=orders))


def test_a_world_that_agrees_has_no_differences() -> None:
    assert differences(agreeing()) == []


def test_a_wrong_amount_is_named_with_both_amounts() -> None:
    world = with_document(agreeing(), "ORD1", amount=Decimal("30.01"))

    found = compare(world.placed, world.shop, world.company, STORE)

    assert found == (Difference(subject="order 1", field="amount", store="30.00", gp="30.01"),)


def test_a_second_document_is_named_and_counted() -> None:
    world = agreeing()
    twice = (*world.company.documents, document("ORD9", "2", "12.50"))
    world = replace(world, company=replace(world.company, documents=twice))

    assert differences(world) == [("order 2", "documents")]
    assert duplicated(world.placed, world.company) == 1


def test_a_missing_document_is_named() -> None:
    world = agreeing()
    documents = tuple(each for each in world.company.documents if each.number != "ORD2")
    world = replace(world, company=replace(world.company, documents=documents))

    assert ("order 2", "documents") in differences(world)


def test_an_order_gp_may_never_have_is_named_when_it_has() -> None:
    world = agreeing()
    world.placed[1] = replace(world.placed[1], story="unknown_sku")

    assert differences(world) == [("order 2", "documents")]


def test_a_document_that_stands_though_its_customer_cancelled_is_named() -> None:
    world = with_entry(agreeing(), 2, status="Void")
    world.placed[1] = replace(world.placed[1], cancelled=True)

    assert ("order 2", "cancelled") in differences(world)


def test_a_change_that_came_too_late_does_not_count_against_gp() -> None:
    world = with_entry(agreeing(), 2, total=Decimal("25.00"))
    world.placed[1] = replace(world.placed[1], total_before_late_edit=Decimal("12.50"))

    assert differences(world) == []


def test_a_document_without_our_receipt_is_named() -> None:
    world = agreeing()
    world = replace(world, company=replace(world.company, receipts={"ORD1": (f"{STORE}:1",), "ORD2": ()}))

    assert differences(world) == [("order 2", "receipt")]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "Processing"}, "status"),
        ({"parcels": ()}, "shipment"),
        ({"tracking_number": "1Z9"}, "tracking"),
        ({"mails": {"shipped": 2}}, "mails of shipping"),
        ({"mails": {}}, "mails of shipping"),
    ],
)
def test_what_the_store_was_not_told_is_named(change: dict[str, object], field: str) -> None:
    world = with_entry(agreeing(), 1, **change)

    assert field in {named for subject, named in differences(world) if subject.startswith("order 1")}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tracking_number": "1Z9"}, "tracking"),
        ({"items": {"TEA": Decimal(2)}}, "quantities"),
        ({"key": "INV2"}, "shipment"),
    ],
)
def test_a_shipment_that_is_not_its_invoice_is_named(change: dict[str, object], field: str) -> None:
    world = agreeing()
    (parcel,) = world.shop.orders[0].parcels
    world = with_entry(world, 1, parcels=(replace(parcel, **change),))

    assert field in {named for _, named in differences(world)}


def test_a_voided_invoice_has_nothing_in_it() -> None:
    world = with_document(agreeing(), "INV1", voided=True)

    assert {"tracking", "quantities", "status"} <= {field for _, field in differences(world)}


@pytest.mark.parametrize("field", ["on_hand", "allocated"])
def test_other_stock_is_named_by_item_and_site(field: str) -> None:
    world = agreeing()
    other = replace(world.shop.stock[SHELF], **{field: Decimal(39)})
    world = replace(world, shop=replace(world.shop, stock={SHELF: other}))

    assert differences(world) == [("stock TEA at MAIN", field)]


def test_stock_the_store_does_not_have_is_named() -> None:
    world = agreeing()
    stock = world.company.stock | {("TEA", "NORTH"): Stock(on_hand=Decimal(0), allocated=Decimal(0))}
    world = replace(world, company=replace(world.company, stock=stock))

    assert differences(world) == [("stock TEA at NORTH", "on_hand"), ("stock TEA at NORTH", "allocated")]


def test_an_order_nobody_of_us_placed_is_named() -> None:
    world = agreeing()
    world.placed.pop()

    assert differences(world) == [("order 3", "order")]


def order(*quantities: int, voided: bool = False, **values: Decimal) -> GpDocument:
    return document("ORD1", "1", "1.00", lines=tuple(gp_line(each, **values) for each in quantities), voided=voided)


@pytest.mark.parametrize(
    ("of", "invoiced", "state"),
    [
        (order(3), (), "received"),
        (order(3, allocated=Decimal(1)), (), "processing"),
        (order(3, back_ordered=Decimal(3)), (), "backordered"),
        (order(3, 1), (order(1),), "partially_shipped"),
        (order(3, 1), (order(1), order(3)), "shipped"),
        (order(3, cancelled=Decimal(1)), (order(2),), "shipped"),
        (order(3), (order(3, voided=True),), "received"),
        (order(3, voided=True), (), "cancelled"),
        (order(3, cancelled=Decimal(3)), (), "cancelled"),
    ],
)
def test_how_far_an_order_is_follows_from_its_rows(
    of: GpDocument, invoiced: tuple[GpDocument, ...], state: str
) -> None:
    assert state_of(of, invoiced) == state
