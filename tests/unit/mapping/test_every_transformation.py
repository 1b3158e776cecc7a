"""Every kind of transformation that mappings need, said in one of them: an order as an ERP's invoice."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from errors import MappingError
from mapping.data import DataMapping
from mapping.port import Lookups
from schemas.canonical.address import Address
from schemas.canonical.invoice import Invoice
from schemas.canonical.order import Order

D = Decimal
NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[3] / "schemas/examples/canonical.orders.v1/two_payments_and_taxes.json"
TABLES = Lookups(
    {
        "items": {"TP-1001": "1001"},
        "accounts": {"authorize.net/paid": "000-1100-00", "Gift Card/paid": "000-2200-00"},
        "units": {"CASE:EACH": "12"},
        "rates": {"USD/CAD@2026-03": "1.36"},
    }
)

MAPPING = """
mapping: try/every_transformation
version: 1
from: {order: canonical.order.Order}
to: canonical.invoice.Invoice
lookups: [items, accounts, units, rates]
statuses:
  state_of: {inverts: true, values: {open: open, cancelled: voided}}
parts:
  place:
    from: {given: canonical.address.Address}
    to: canonical.address.Address
    let:
      # one line with everything, or the parts as they are
      whole: parse_address(join(given.lines, ", "), "US") if is_blank(given.city) else none
      country: whole.country if whole is not None else country_code(if_blank(given.country, "US"))
    fields:
      name: full_name(split_name(given.name).first, split_name(given.name).last)
      company: fit_code_page(given.company, "cp1252")
      lines: whole.lines if whole is not None else given.lines
      city: whole.city if whole is not None else capitalised(given.city)
      region: whole.state if whole is not None else state_name(given.region, country)
      postal_code: whole.postal_code if whole is not None else postal_code(given.postal_code, country)
      country: country
      phone: phone(given.phone, country) if is_phone(given.phone, country) else digits(given.phone)
      email: lower(given.email)
let:
  day: date_in(order.ordered_at, "America/Chicago")
  off: '[absolute(line.discount) for line in order.lines]'
  shares: spread(order.discount, [line.extended for line in order.lines])
  taxes: spread(order.tax, [line.tax for line in order.lines])
  freight: convert(order.shipping_amount, order.currency, "CAD", day)
  subtotal: sum(extended_price(line.unit_price, line.quantity, line.discount) for line in order.lines)
  total: subtotal - order.discount + order.shipping_amount + order.handling_amount + order.tax
require:
  - that: adds_up(order.total, [total])
    say: the parts come to {total}, the order to {order.total}
    field: total
fields:
  id: f"{order.id}/INV{pad_start(digits(order.number), 8, '0')}"
  source_version: order.source_version
  invoiced_at: instant_of(day, "America/Chicago", 12)
  connection: '"gp-two"'
  order_id: order.id
  order_number: order.number
  number: f"INV{pad_start(digits(order.number), 8, '0')}"
  state: state_of(order.state)
  customer_number: upper(cut(if_blank(order.customer_id, digest(order.customer_email)), 15))
  payment_terms: '"PREPAID" if all(p.state == "paid" for p in order.payments) else "NET30"'
  due_at: instant_of(add_days(day, 30), "America/Chicago")
  currency: currency_code(order.currency)
  billing: place(order.billing)
  shipping: place(order.shipping)
  lines:
    each: line, share, tax in zip(order.lines, shares, taxes)
    number: n
    fields:
      line_id: f"{n}"
      sku: lookup("items", trim(line.sku), without_prefix(line.sku, "TP-"))
      description: squeeze(plain_text(line.description))
      quantity: convert_quantity(line.quantity, "CASE", "EACH", decimals=0)
      unit: {text: EACH}
      unit_price: >-
        convert_unit_price(net_unit_price(line.unit_price, line.quantity, line.discount + share), "CASE", "EACH",
                           decimals=5)
      extended: line.extended - share
      tax: tax
      tax_code: if_blank(line.tax_code, "NONTAX")
  subtotal: round(subtotal, 2)
  discount: order.discount
  shipping_amount: order.shipping_amount
  handling_amount: order.handling_amount
  tax: order.tax
  total: round(total, 2)
  note: |-
    join([to_text(freight), "CAD freight", format_date(day, "%d.%m.%Y"), f"off {sum(off)}"], " ")
  custom: >-
    {f"account {n}": lookup("accounts", f"{if_blank(p.gateway, p.method)}/{p.state}")
     for p, n in zip(order.payments, ["1", "2"])}
"""


def order() -> Order:
    return msgspec.json.decode(EXAMPLE.read_bytes(), type=Order)


def mapped(given: Order) -> Invoice:
    made = DataMapping(MAPPING.encode(), "every.yaml")(given, TABLES, NOW)
    assert isinstance(made, Invoice)
    return made


def test_an_order_becomes_what_the_erp_wants() -> None:
    made = mapped(order())

    assert (made.number, made.state, made.customer_number) == ("INV00001002", "open", "C-0017")
    assert made.payment_terms == "PREPAID"
    assert made.invoiced_at == datetime(2026, 3, 2, 18, tzinfo=UTC)
    assert [(line.sku, line.quantity, line.extended, line.tax) for line in made.lines] == [
        ("1001", D(36), D("62.34"), D("5.36")),
        ("1044", D(24), D("36.16"), D("3.00")),
    ]
    assert sum(line.extended for line in made.lines) == made.subtotal - made.discount
    assert (made.billing.region, made.billing.phone) == ("Texas", "15550117")
    assert made.custom == {"account 1": "000-1100-00", "account 2": "000-2200-00"}
    assert made.note == "13.53 CAD freight 02.03.2026 off 2.00"


def test_a_combined_line_is_taken_apart() -> None:
    combined = Address(name="Brandt, Ivo", lines=("Unit 3, 18 Mill Lane, Boulder, Colorado 80302",))

    made = mapped(msgspec.structs.replace(order(), shipping=combined)).shipping

    assert (made.name, made.lines, made.city) == ("Ivo Brandt", ("Unit 3", "18 Mill Lane"), "Boulder")
    assert (made.region, made.postal_code, made.country) == ("CO", "80302", "US")


def test_a_total_that_does_not_add_up_is_refused_with_the_difference_to_see() -> None:
    with pytest.raises(MappingError) as refused:
        mapped(msgspec.structs.replace(order(), total=D("118.30")))

    assert (refused.value.field, refused.value.reason) == ("total", "the parts come to 118.31, the order to 118.30")


def test_what_a_function_refuses_names_the_field() -> None:
    given = order()
    odd = msgspec.structs.replace(given.shipping, region="Bavaria", country="US")

    with pytest.raises(MappingError) as refused:
        mapped(msgspec.structs.replace(given, shipping=odd))

    assert refused.value.field.endswith("region")
    assert refused.value.reason == "'Bavaria' is no state or province of US"
