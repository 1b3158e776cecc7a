"""One mapping for every kind of transformation that is required of the bus, written from the reference pages alone.

A store's order as X-Cart tells it (floating numbers, epoch seconds, name and value pairs) becomes a document as ERPs
take it (short fields, numbers for truths, distributions to accounts).
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from errors import MappingError
from mapping.avro import from_avro
from mapping.data import DataMapping
from mapping.port import Lookups
from mapping.records import Records
from mapping.shapes import Record

D = Decimal
NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)


def amount(scale: int = 2) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": scale}


def record(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def many(kind: Any) -> dict[str, Any]:
    return {"type": "array", "items": kind}


def filled(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, each field with a default, so that a mapping may make one of them alone."""
    for field in schema["fields"]:
        field["default"] = None if isinstance(field["type"], list) else {"array": [], "map": {}}[field["type"]["type"]]
    return schema


ADDRESS = record(
    "Address", firstname="string", lastname="string", street="string", city="string", state="string", zipcode="string",
    country_code="string", phone="string",
)  # fmt: skip
STORE = record(
    "XOrder",
    orderNumber="string",
    store="string",
    date="long",
    placed="string",
    currency="string",
    paymentStatus={"type": "enum", "name": "PaymentStatus", "symbols": ["Q", "A", "P", "D", "R"]},
    shippingStatus="string",
    gateway=["null", "string"],
    carrier=["null", "string"],
    membership=["null", "string"],
    subtotal="double",
    total=amount(),
    tax=amount(),
    shipping=amount(),
    discount=amount(),
    promotion=amount(),
    taxable="string",
    notes=["null", "string"],
    billing=ADDRESS,
    shippingAddress=["null", "Address"],
    items=many(record(
        "XItem", sku="string", name="string", qty="int", price=amount(4), unit="string", discount=amount(),
        extended=amount(), tax=amount(), taxes=many(record("XTax", code="string", rate="double", cost=amount())),
        categories=many("int"),
    )),
    attributes=many(record("XAttribute", name="string", value=["null", "string", "double", "boolean"])),
    options={"type": "map", "values": ["null", "string", "long", "boolean"]},
)  # fmt: skip
LINE = record(
    "Line", item="string", description="string", quantity=amount(5), unit="string", price=amount(5), extended=amount(),
    tax=amount(), taxable="int",
)  # fmt: skip
ERP = filled(record(
    "Document",
    number=["null", "string"], company=["null", "string"], customer=["null", "string"], name=["null", "string"],
    docdate=["null", {"type": "int", "logicalType": "date"}],
    at=["null", {"type": "long", "logicalType": "timestamp-micros"}],
    text=["null", "string"], count=["null", "int"], whole=["null", "long"], flag=["null", "boolean"],
    status=["null", {"type": "enum", "name": "Status", "symbols": ["open", "shipped", "void"]}],
    account=["null", "string"], shipvia=["null", "string"], schedule=["null", "string"],
    amount=["null", amount()], freight=["null", amount()], total=["null", amount()],
    street1=["null", "string"], street2=["null", "string"], city=["null", "string"], state=["null", "string"],
    zip=["null", "string"], country=["null", "string"], phone=["null", "string"],
    lines=many(LINE),
    taxes=many(record("TaxLine", schedule="string", base=amount(), tax=amount())),
    distributions=many(record("Distribution", account="string", debit=amount(), credit=amount(), reference="string")),
    fields=many(record("UserField", name="string", value="string")),
    custom={"type": "map", "values": "string"},
))  # fmt: skip

ITEMS = [
    {"sku": " TP-1001 ", "name": "Bypass pruner", "qty": 3, "price": D("22.5000"), "unit": "EA", "discount": D("2.00"),
     "extended": D("65.50"), "tax": D("5.36"), "categories": [12, 7],
     "taxes": [{"code": "TX", "rate": 6.25, "cost": D("4.06")}, {"code": "AUS", "rate": 2.0, "cost": D("1.30")}]},
    {"sku": "tp-1044", "name": "Watering can, 9 l", "qty": 2, "price": D("19.0000"), "unit": "CS",
     "discount": D("0.00"), "extended": D("38.00"), "tax": D("3.00"), "categories": [],
     "taxes": [{"code": "TX", "rate": 6.25, "cost": D("3.00")}]},
]  # fmt: skip
BILLING = {
    "firstname": "Maren", "lastname": "Okonjo", "street": "400 Harbour Road, Suite 12", "city": "austin",
    "state": "Texas", "zipcode": "78701", "country_code": "US", "phone": "(512) 555-0117",
}  # fmt: skip
ORDER: dict[str, Any] = {
    "orderNumber": "1002", "store": "eu", "date": 1772460309, "placed": "03/02/2026 08:05 AM", "currency": "USD",
    "paymentStatus": "P", "shippingStatus": "N", "gateway": "authorize.net", "carrier": "UPS Ground",
    "membership": None, "subtotal": 103.5, "total": D("113.31"), "tax": D("8.36"), "shipping": D("9.95"),
    "discount": D("7.00"), "promotion": D("1.50"), "taxable": "Y", "notes": None, "billing": BILLING,
    "shippingAddress": None, "items": ITEMS,
    "attributes": [{"name": "gift_wrap", "value": "yes"}, {"name": "weight", "value": 1.5},
                   {"name": "insured", "value": True}, {"name": "blank", "value": None}],
    "options": {"PO": "PO-77123", "priority": 2, "rush": True},
}  # fmt: skip
TABLES = Lookups(
    {
        "accounts": {"authorize.net/P": "000-1100-00", "*/P": "000-1190-00", "freight": "000-4100-00",
                     "tax:TX": "000-2300-01", "tax:AUS": "000-2300-02"},
        "items": {"TP-1001": "PRUNER-BY"},
        "categories": {"7": "TOOLS"},
        "ship_via": {"UPS GROUND": "UPSG"},
        "units": {"CASE:EACH": "12"},
        "rates": {"USD/CAD@2026-03": "1.36"},
        "companies": {"eu": "TWO"},
        "schedules": {"US/TX": "USASTTX"},
        "connection:eu": {"currency": "CAD"},
    }
)  # fmt: skip


def made(text: str, **changes: Any) -> dict[str, Any]:
    """What a mapping makes of the order, without what it leaves at its default."""
    store, erp = from_avro(STORE), from_avro(ERP)
    assert isinstance(store, Record)
    assert isinstance(erp, Record)
    head = (
        "mapping: try/it\nversion: 1\nfrom: {order: x_cart.Order}\nto: erp.Document\n"
        "lookups: [accounts, items, categories, ship_via, units, rates, companies, schedules]\n"
    )
    run = DataMapping((head + text).encode(), "it.yaml", records=Records({"x_cart.Order": store, "erp.Document": erp}))
    found: dict[str, Any] = run({**ORDER, **changes}, TABLES, NOW)
    return {name: value for name, value in found.items() if value not in (None, (), [], {})}


def refused(text: str, **changes: Any) -> MappingError:
    with pytest.raises(MappingError) as caught:
        made(text, **changes)
    return caught.value


def test_d1_fields_go_where_they_belong_flat_and_nested() -> None:
    text = """
fields:
  number: order.orderNumber
  city: order.billing.city
  lines:
    each: item in order.items
    fields:
      item: item.sku
      description: item.name
      quantity: item.qty
      unit: item.unit
      price: item.price
      extended: item.extended
      tax: item.tax
      taxable: 1 if item.tax > 0 else 0
"""

    found = made(text)

    assert (found["number"], found["city"]) == ("1002", "austin")
    assert found["lines"][1] == {
        "item": "tp-1044", "description": "Watering can, 9 l", "quantity": D(2), "unit": "CS", "price": D("19.0000"),
        "extended": D("38.00"), "tax": D("3.00"), "taxable": 1,
    }  # fmt: skip


def test_d2_types_are_converted_in_sight() -> None:
    text = """
fields:
  amount: round(decimal_of(order.subtotal), 2)
  at: from_epoch(order.date, "s")
  docdate: date_in(from_epoch(order.date, "s"), "America/Chicago")
  flag: to_boolean(order.taxable)
  count: 1 if to_boolean(order.taxable) else 0
  whole: to_integer(order.orderNumber)
  total: to_decimal("1.234,50", ".", ",")
  text: f"{default(order.items[0].qty, 0)}"
"""

    assert made(text) == {
        "amount": D("103.50"), "at": datetime(2026, 3, 2, 14, 5, 9, tzinfo=UTC), "docdate": date(2026, 3, 2),
        "flag": True, "count": 1, "whole": 1002, "total": D("1234.50"), "text": "3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "gateway", "account"),
    [("P", "authorize.net", "000-1100-00"), ("P", "paypal", "000-1190-00"), ("Q", None, "000-1200-00")],
)
def test_d3_payment_status_and_gateway_choose_the_account(status: str, gateway: str | None, account: str) -> None:
    text = """
let:
  gateway: lower(default(order.gateway, "none"))
  paid: order.paymentStatus in ["A", "P"]
fields:
  account: >-
    lookup("accounts", f"{gateway}/{order.paymentStatus}", lookup("accounts", f"*/{order.paymentStatus}"))
    if paid else "000-1200-00"
"""

    assert made(text, paymentStatus=status, gateway=gateway) == {"account": account}


def test_d4_tables_turn_categories_items_and_carriers() -> None:
    text = """
let:
  codes: '[lookup("categories", f"{id}", none) for item in order.items for id in item.categories]'
fields:
  shipvia: lookup("ship_via", upper(trim(order.carrier)), "BEST WAY") if order.carrier is not none else "PICKUP"
  text: default(first(code for code in codes if code is not none), "MISC")
  lines:
    each: item in order.items
    let: {sku: upper(trim(item.sku))}
    fields:
      item: lookup("items", sku, without_prefix(sku, "TP-"))
      description: left(item.name, 30)
      quantity: item.qty
      unit: item.unit
      price: item.price
      extended: item.extended
      tax: item.tax
      taxable: "0"
"""

    found = made(text)

    assert (found["shipvia"], found["text"]) == ("UPSG", "TOOLS")
    assert [line["item"] for line in found["lines"]] == ["PRUNER-BY", "1044"]
    assert made(text, carrier=None)["shipvia"] == "PICKUP"


def test_d5_taxes_shipping_and_totals_of_lines_are_added_up() -> None:
    text = """
let:
  all_taxes: '[tax for item in order.items for tax in item.taxes]'
fields:
  amount: sum(item.extended for item in order.items)
  freight: order.shipping
  count: count(distinct(item.sku for item in order.items))
  taxes:
    each: tax in all_taxes
    group by: tax.code
    order by: total descending
    let: {total: sum(one.cost for one in group)}
    fields:
      schedule: key
      base: sum(item.extended for item in order.items if any(one.code == key for one in item.taxes))
      tax: total
"""

    found = made(text)

    assert (found["amount"], found["freight"], found["count"]) == (D("103.50"), D("9.95"), 2)
    assert found["taxes"] == (
        {"schedule": "TX", "base": D("103.50"), "tax": D("7.06")},
        {"schedule": "AUS", "base": D("65.50"), "tax": D("1.30")},
    )


def test_d6_what_is_absent_or_empty_has_a_default() -> None:
    text = """
fields:
  text: default(order.notes, "no note")
  customer: order.membership or "RETAIL"
  shipvia: default(order.carrier, option(order.store, "carrier", "BEST"))
  city: default(order.shippingAddress.city, order.billing.city)
  name: if_blank(order.billing.firstname, "Customer")
  account: to_text(order.options["account"], "000-0000-00")
"""

    assert made(text, carrier=None, billing={**BILLING, "firstname": " "}) == {
        "text": "no note", "customer": "RETAIL", "shipvia": "BEST", "city": "austin", "name": "Customer",
        "account": "000-0000-00",
    }  # fmt: skip


def test_d7_names_are_put_together() -> None:
    text = """
fields:
  name: join([trim(order.billing.firstname), trim(order.billing.lastname)], " ")
  text: f"{upper(order.billing.lastname)}, {order.billing.firstname[0:1]}."
"""

    assert made(text) == {"name": "Maren Okonjo", "text": "OKONJO, M."}
    assert made(text, billing={**BILLING, "firstname": ""})["name"] == "Okonjo"


@pytest.mark.parametrize(
    "address",
    [
        BILLING,
        {
            **BILLING,
            "street": "400 Harbour Road, Suite 12, Austin, Texas 78701",
            "city": "",
            "state": "",
            "zipcode": "",
        },
    ],
)
def test_d8_addresses_are_made_one_way_from_parts_or_from_one_line(address: dict[str, str]) -> None:
    text = """
parts:
  place:
    from: {given: Address}
    to: erp.Document
    let:
      whole: parse_address(given.street, given.country_code) if is_blank(given.city) else none
      country: country_code(given.country_code)
      streets: whole.lines if whole is not none else [trim(each) for each in split(given.street, ",")]
      state: whole.state if whole is not none else given.state
    fields:
      street1: default(streets[0], "")
      street2: default(streets[1], "")
      city: whole.city if whole is not none else capitalised(given.city)
      state: state_code(state, country)
      text: state_name(state, country)
      zip: whole.postal_code if whole is not none else postal_code(given.zipcode, country)
      country: country_name(country)
      phone: phone(given.phone, country)
let: {billing: place(order.billing)}
fields:
  street1: billing.street1
  street2: billing.street2
  city: billing.city
  state: billing.state
  text: billing.text
  zip: billing.zip
  country: billing.country
  phone: billing.phone
"""

    assert made(text, billing=address) == {
        "street1": "400 Harbour Road", "street2": "Suite 12", "city": "Austin", "state": "TX", "text": "Texas",
        "zip": "78701", "country": "United States", "phone": "+15125550117",
    }  # fmt: skip


def test_d8_a_long_street_is_broken_into_the_lines_there_are() -> None:
    text = """
let: {streets: 'wrap(order.billing.street, 20)'}
require: [{that: count(streets) <= 2, say: the street has more than two lines}]
fields:
  street1: default(streets[0], "")
  street2: default(streets[1], "")
"""

    assert made(text) == {"street1": "400 Harbour Road,", "street2": "Suite 12"}
    assert (
        "more than two"
        in refused(text, billing={**BILLING, "street": "a street with a name that has no end at all"}).reason
    )


def test_d9_skus_are_trimmed_and_padded() -> None:
    text = """
let: {sku: 'upper(trim(default(order.items[0].sku, "")))'}
fields:
  text: pad_end(without_prefix(sku, "TP-"), 8, ".")
  number: pad_start(digits(sku), 6, "0")
  name: cut(sku, 4)
"""

    assert made(text) == {"text": "1001....", "number": "001001", "name": "TP-1"}


def test_d10_the_net_price_of_a_unit_is_after_discounts_and_promotions_to_the_cent() -> None:
    text = """
let:
  shares: spread(order.discount + order.promotion, [item.extended for item in order.items])
fields:
  lines:
    each: item, share in zip(order.items, shares)
    let: {net: item.extended - share}
    fields:
      item: trim(item.sku)
      description: item.name
      quantity: item.qty
      unit: item.unit
      price: net_unit_price(item.price, item.qty, item.discount + share)
      extended: net
      tax: item.tax
      taxable: "1"
"""

    lines = made(text)["lines"]

    assert [line["price"] for line in lines] == [D("20.04000"), D("17.44000")]
    assert sum(line["extended"] for line in lines) == D("103.50") - D("8.50")
    assert all(line["price"] * line["quantity"] == line["extended"] for line in lines)


def test_d11_amounts_are_turned_into_the_base_currency() -> None:
    text = """
let:
  base: option(order.store, "currency", "USD")
  day: date_in(from_epoch(order.date, "s"), "America/Chicago")
fields:
  amount: round(convert(order.total, order.currency, base, day), 2)
  text: f"{order.currency}/{base} {exchange_rate(order.currency, base, day)}"
"""

    assert made(text) == {"amount": D("154.10"), "text": "USD/CAD 1.36"}
    assert made(text, currency="CAD")["amount"] == D("113.31")
    # from the other side a rate does not end
    away = made(text.replace("currency, base, day", "currency, 'USD', day"), currency="CAD")
    assert away["text"].endswith(" 0.7352941176")


def test_d12_dates_are_read_and_written_in_their_zones() -> None:
    text = """
let: {placed: 'to_instant(order.placed, "America/Chicago", "%m/%d/%Y %I:%M %p")'}
fields:
  at: placed
  docdate: date_in(placed, "Europe/Vienna")
  text: format_instant(placed, "%d.%m.%Y %H:%M", "Europe/Vienna")
  number: format_date(add_days(date_in(placed, "America/Chicago"), 30), "%Y%m%d")
"""

    assert made(text) == {
        "at": datetime(2026, 3, 2, 14, 5, tzinfo=UTC), "docdate": date(2026, 3, 2), "text": "02.03.2026 15:05",
        "number": "20260401",
    }  # fmt: skip


def test_d13_status_maps_go_both_ways() -> None:
    text = """
statuses:
  status_of: {inverts: true, values: {N: open, S: shipped, C: void}}
fields:
  status: status_of(order.shippingStatus)
  text: status_of_back(status_of(order.shippingStatus))
"""

    assert made(text, shippingStatus="S") == {"status": "shipped", "text": "S"}
    assert refused(text, shippingStatus="X").reason == "'X' has no row in statuses.status_of: add it"


def test_d14_custom_fields_become_user_defined_fields_and_back() -> None:
    text = """
let:
  attributes: '{one.name: to_text(one.value, "") for one in order.attributes}'
  weight: first(one.value for one in order.attributes if one.name == "weight" and one.value is not none)
fields:
  custom: filled(attributes)
  text: default(attributes["gift_wrap"], "no")
  amount: round(decimal_of(weight, 0), 2)
  count: 1 if boolean_of(order.options["rush"], false) else 0
  fields:
    - each: name, value in order.options.items()
      where: name != "rush"
      fields: {name: 'upper(name)', value: 'to_text(value, "")'}
    - when: order.notes is not none
      fields: {name: '"NOTE"', value: order.notes}
"""

    assert made(text, notes="ring twice") == {
        "custom": {"gift_wrap": "yes", "weight": "1.5", "insured": "true"}, "text": "yes", "amount": D("1.50"),
        "count": 1,
        "fields": ({"name": "PO", "value": "PO-77123"}, {"name": "PRIORITY", "value": "2"},
                   {"name": "NOTE", "value": "ring twice"}),
    }  # fmt: skip


def test_d15_quantities_and_prices_change_their_unit_of_measure() -> None:
    text = """
statuses:
  unit_of: {values: {EA: EACH, CS: CASE}}
fields:
  lines:
    each: item in order.items
    let: {unit: unit_of(item.unit)}
    fields:
      item: trim(item.sku)
      description: item.name
      quantity: convert_quantity(item.qty, unit, "EACH")
      unit: {text: EACH}
      price: convert_unit_price(item.price, unit, "EACH", decimals=5)
      extended: item.extended
      tax: item.tax
      taxable: "1"
"""

    assert [(line["quantity"], line["price"]) for line in made(text)["lines"]] == [
        (D(3), D("22.50000")),
        (D(24), D("1.58333")),
    ]


def test_d16_taxes_and_freight_go_to_schedules_and_accounts_that_balance() -> None:
    text = """
let:
  taxes: '[tax for item in order.items for tax in item.taxes]'
  region: f"{order.billing.country_code}/{state_code(order.billing.state, order.billing.country_code)}"
  goods: order.total - order.tax - order.shipping
fields:
  schedule: lookup("schedules", region, "NONTAX")
  freight: order.shipping
  distributions:
    - each: tax in taxes
      group by: tax.code
      fields:
        account: lookup("accounts", f"tax:{key}")
        debit: "0.00"
        credit: sum(one.cost for one in group)
        reference: f"tax {key}"
    - when: order.shipping != 0
      fields: {account: 'lookup("accounts", "freight")', debit: "0.00", credit: order.shipping, reference: '"freight"'}
    - fields: {account: '"000-4000-00"', debit: "0.00", credit: goods, reference: '"sales"'}
    - fields: {account: '"000-1200-00"', debit: order.total, credit: "0.00", reference: '"receivable"'}
"""

    found = made(text)

    assert (found["schedule"], found["freight"]) == ("USASTTX", D("9.95"))
    assert [(one["account"], one["credit"]) for one in found["distributions"]] == [
        ("000-2300-01", D("7.06")), ("000-2300-02", D("1.30")), ("000-4100-00", D("9.95")), ("000-4000-00", D("95.00")),
        ("000-1200-00", D("0.00")),
    ]  # fmt: skip
    assert sum(one["debit"] - one["credit"] for one in found["distributions"]) == 0
    assert len(made(text, shipping=D("0.00"))["distributions"]) == 4


TOTALS = """
let:
  parts: sum(item.extended for item in order.items) - order.discount - order.promotion + order.shipping + order.tax
require:
  - that: adds_up(order.total, [parts])
    say: the parts come to {parts}, the order says {order.total}; difference {order.total - parts}
    field: total
fields: {total: order.total}
"""


def test_d17_an_order_that_does_not_add_up_is_refused_with_the_difference() -> None:
    assert made(TOTALS) == {"total": D("113.31")}

    error = refused(TOTALS, total=D("113.30"))

    assert (error.field, error.reason) == (
        "total",
        "the parts come to 113.31, the order says 113.30; difference -0.01",
    )


def test_d17_a_cent_may_go_to_a_rounding_line() -> None:
    text = """
let:
  parts: '[item.extended for item in order.items] + [-order.discount, -order.promotion, order.shipping, order.tax]'
  rest: rounding_difference(order.total, parts, 0.05)
fields:
  total: order.total
  lines:
    - each: item in order.items
      fields: {item: trim(item.sku), description: item.name, quantity: item.qty, unit: item.unit, price: item.price,
               extended: item.extended, tax: item.tax, taxable: "1"}
    - when: rest != 0
      fields: {item: '"ROUNDING"', description: '"Rounding"', quantity: "1", unit: '"EACH"', price: rest,
               extended: rest, tax: "0", taxable: "0"}
"""

    assert [line["extended"] for line in made(text)["lines"]] == [D("65.50"), D("38.00")]
    assert made(text, total=D("113.30"))["lines"][2]["extended"] == D("-0.01")
    assert "which is more than 0.05" in refused(text, total=D("114.00")).reason


def test_e1_what_must_hold_is_checked_with_a_sentence_for_each() -> None:
    text = """
require:
  - {that: order.items, say: the order has no lines, field: lines}
  - that: is_currency(order.currency)
    say: "{order.currency} is no currency"
    field: currency
fields:
  lines:
    each: item in order.items
    number: n
    require:
      - {that: item.qty > 0, say: "line {n}: {item.qty} is not positive", field: quantity}
      - {that: 'has_row("items", upper(trim(item.sku)))', say: "{item.sku} is no item", field: item}
    fields: {item: trim(item.sku), description: item.name, quantity: item.qty, unit: item.unit, price: item.price,
             extended: item.extended, tax: item.tax, taxable: "1"}
"""

    assert len(made(text, items=ITEMS[:1])["lines"]) == 1
    assert (refused(text, items=[]).field, refused(text, currency="USX").field) == ("lines", "currency")
    wrong = refused(text, items=[ITEMS[0], {**ITEMS[1], "qty": 0}])
    assert (wrong.field, wrong.reason) == ("lines[2].quantity", "line 2: 0 is not positive")
    assert refused(text).reason == "tp-1044 is no item"


def test_e5_the_store_chooses_the_company() -> None:
    text = """
fields:
  company: lookup("companies", order.store)
  customer: f"{upper(order.store)}-RETAIL" if order.membership is none else cut(upper(order.membership), 15)
"""

    assert made(text) == {"company": "TWO", "customer": "EU-RETAIL"}
    error = refused(text, store="us")
    assert (error.field, error.facts["table"], error.facts["key"]) == ("company", "companies", "us")
