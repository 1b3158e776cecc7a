"""What changed between two versions of a mapping, and what that reaches."""

import pytest

from mapping.changes import changes
from mapping.differences import differences
from mapping.spec import read

HEAD = "mapping: try/it\nversion: 1\nfrom: {order: shop.Order}\nto: erp.Order\n"
TEXT = (
    HEAD
    + """
lookups: [items]
statuses:
  state_of: {values: {new: open, paid: closed}}
parts:
  label:
    from: {sku: text}
    to: text
    value: upper(sku)
let:
  off: order.discount
  net: order.total - off
require:
  - {that: net > 0, say: nothing is left, field: amount}
fields:
  key: order.number
  state: state_of(order.status)
  amount: net
  lines:
    each: line in order.lines
    let: {price: line.price}
    fields:
      item: label(lookup("items", line.sku, line.sku))
      amount: price
  texts:
    - {each: one in order.lines, group by: {sku: one.sku}, having: sku != "", fields: {}}
    - order.number
"""
)


@pytest.mark.parametrize(
    ("old", "new", "what", "reaches"),
    [
        ("    - order.number", "    - order.id", "texts[2]", ("texts[2]",)),
        ("{sku: one.sku}", "{sku: one.price}", "texts[1][] group by sku", ()),
        ('having: sku != ""', 'having: sku != "x"', "texts[1][] having", ()),
        ("key: order.number", 'key: f"{order.id}"', "key", ("key",)),
        ("off: order.discount", "off: 0", "let off", ("require amount", "amount")),
        ("price: line.price", "price: line.price * 2", "lines[] let price", ("lines[].amount",)),
        ("paid: closed", "paid: open", "statuses state_of.paid", ("state",)),
        ("upper(sku)", "lower(sku)", "parts label: value", ("lines[].item",)),
        ("lookups: [items]", "lookups: {items: {inverts: true}}", "lookups items", ("lines[].item",)),
        ("net > 0", "net >= 0", "require amount", ("require amount",)),
        ("each: line in order.lines", "each: line in order.more", "lines[] each", ("lines[].item", "lines[].amount")),
        ("version: 1", "version: 2", "version", ()),
    ],
)
def test_a_change_is_told_with_what_it_reaches(old: str, new: str, what: str, reaches: tuple[str, ...]) -> None:
    assert old in TEXT

    (found,) = changes(read(TEXT.encode(), "a"), read(TEXT.replace(old, new).encode(), "b"))

    assert found.what == what
    assert found.reaches == reaches


def test_what_is_new_or_gone_is_told() -> None:
    more = TEXT.replace("  amount: net\n", "  note: order.note\n")

    found = {
        each.what: (each.before, each.after) for each in changes(read(TEXT.encode(), "a"), read(more.encode(), "b"))
    }

    assert found == {"note": (None, "order.note"), "amount": ("net", None)}


def test_the_same_mapping_has_no_changes() -> None:
    assert changes(read(TEXT.encode(), "a"), read((TEXT + "\n# a word\n").encode(), "b")) == ()


def test_differences_name_each_field() -> None:
    before = {"total": 1, "lines": ({"sku": "A", "price": 22}, {"sku": "B", "price": 1}), "note": "x" * 100}
    after = {"total": 1.0, "lines": ({"sku": "A", "price": 21},), "note": ""}

    found = [str(each) for each in differences(before, after)]

    assert found[0] == "lines[1].price: 22 -> 21"
    assert found[1:3] == ['lines[2]: {"sku":"B","price":1} -> nothing there', f'note: "{"x" * 70}… -> ""']
