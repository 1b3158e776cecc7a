"""Lists of a record: what is repeated, grouped and ordered, and what stands beside it in the same list."""

from decimal import Decimal
from pathlib import Path
from textwrap import indent
from typing import Any

import msgspec
import pytest

from errors import MappingError
from mapping.avro import from_avro
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from mapping.records import Records
from mapping.shapes import Record
from mapping.unused import unused
from schemas.canonical.order import Order
from tests.doubles.small_mappings import NOW, ORDER, mapped, mapping, records, worth

D = Decimal


def lines(text: str, **order: Any) -> list[tuple[str, Decimal]]:
    return [(line["item"], line["amount"]) for line in mapped(f"fields:\n  lines:\n{text}", order)["lines"]]


def broken(text: str) -> str:
    with pytest.raises(BrokenMappingError) as caught:
        _ = mapping(text).compiled
    return caught.value.message


SPLIT = """
mapping: try/split
version: 1
from: {order: canonical.order.Order}
to: canonical.order.Order
let:
  shares: spread(order.discount, [line.extended for line in order.lines])
  taxes: spread(order.tax, [line.extended for line in order.lines])
  # what the store rounded away: its total, less all that it is made of
  rest: |-
    rounding_difference(order.total - order.shipping_amount,
                        [line.extended for line in order.lines] + [-order.discount, order.tax], 0.05)
fields:
  id: order.id
  source_version: order.source_version
  ordered_at: order.ordered_at
  updated_at: order.updated_at
  connection: order.connection
  number: order.number
  state: order.state
  currency: order.currency
  total: order.total
  shipping_amount: order.shipping_amount
  lines:
    - each: line, share, tax in zip(order.lines, shares, taxes)
      number: n
      fields:
        line_id: f"{n}"
        sku: line.sku
        quantity: line.quantity
        unit_price: net_unit_price(line.unit_price, line.quantity, line.discount + share)
        extended: line.extended - share
        tax: tax
    - when: rest != 0
      number: n
      fields:
        line_id: f"{n}"
        sku: {text: ROUNDING}
        quantity: "1"
        unit_price: rest
        extended: rest
"""


@pytest.mark.parametrize(
    ("discount", "tax", "total", "beside"),
    [("10.00", "4.01", "26.90", ""), ("10.00", "4.01", "26.92", "0.02"), ("0.01", "0.02", "32.87", "-0.03")],
)
def test_a_split_adds_up_to_the_cent_with_a_line_for_what_was_rounded(
    discount: str, tax: str, total: str, beside: str
) -> None:
    line = {"quantity": "3", "unit_price": "3.33", "extended": "9.99"}
    given: dict[str, Any] = {
        "id": "a:1", "source_version": 1, "ordered_at": NOW, "updated_at": NOW, "connection": "a", "number": "1",
        "state": "open", "currency": "USD", "shipping_amount": "2.92", "discount": discount, "tax": tax, "total": total,
        "lines": [{"line_id": each, "sku": each, **line} for each in "abc"],
    }  # fmt: skip

    made = DataMapping(SPLIT.encode(), "split.yaml")(msgspec.convert(given, Order), Lookups({}), NOW)

    goods = [each for each in made.lines if each.sku != "ROUNDING"]
    assert sum(each.extended + each.tax for each in made.lines) + made.shipping_amount == made.total
    assert sum(each.extended for each in goods) == D("29.97") - D(discount)
    assert [each.extended for each in made.lines if each.sku == "ROUNDING"] == ([D(beside)] if beside else [])
    assert [each.line_id for each in made.lines] == [str(n + 1) for n in range(len(made.lines))]


def test_a_list_is_made_of_several_blocks_and_values() -> None:
    text = """
    - when: order.id > 100
      fields: {item: '"many"', amount: "1"}
      otherwise: {fields: {item: '"few"', amount: "2"}}
    - {each: line in order.lines, where: line.quantity > 2, fields: {item: line.sku, amount: "3"}}
    - fields: {item: '"end"', amount: "4"}
  texts: [order.status, '[line.sku for line in order.lines] + ["x"]', {text: as it stands}]
"""

    assert lines(text) == [("few", D(2)), ("A", D(3)), ("end", D(4))]
    assert mapped(f"fields:\n  lines:\n{text}")["texts"] == ("paid", "A", "B", "A", "x", "as it stands")


def test_a_fault_in_one_of_several_blocks_names_its_place_in_the_list() -> None:
    text = """
fields:
  lines:
    - {each: line in order.lines, fields: {item: line.sku, amount: "1"}}
    - {fields: {item: '"x"', amount: 'round(1 / (order.id - 7), 2)'}}
"""

    with pytest.raises(MappingError) as caught:
        mapped(text)

    assert caught.value.field == "lines[4].amount"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[1, 2] + [3]", (1, 2, 3)),
        ("[line.quantity for line in order.lines] + [0.5]", (D(2), D(1), D(3), D("0.5"))),
        ("[] + order.lines[0:0]", ()),
        ("count(order.lines + order.lines)", 6),
        ("sum([line.price for line in order.lines] + [1.00])", D("15.00")),
        ("sorted([line.quantity for line in order.lines], reverse=true)", (3, 2, 1)),
        ("sorted(distinct(line.sku for line in order.lines), reverse=true)", ("B", "A")),
        ("[f'{n}{line.sku}' for n, line in enumerate(order.lines)]", ("0A", "1B", "2A")),
        ("[n for n, line in enumerate(order.lines, 1)]", (1, 2, 3)),
        ("[line.sku for n, line in enumerate(order.lines) if n > 0]", ("B", "A")),
    ],
)
def test_lists_are_joined_turned_and_counted(expression: str, value: Any) -> None:
    found = worth(expression)

    assert (found, list(map(type, found)) if isinstance(found, tuple) else 0) == (
        value,
        list(map(type, value)) if isinstance(value, tuple) else 0,
    )


def test_a_list_that_doubles_again_and_again_is_refused() -> None:
    doubled = "".join(f"  a{n}: a{n - 1} + a{n - 1}\n" for n in range(1, 60))

    with pytest.raises(MappingError, match="too long"):
        mapped(f"let:\n  a0: order.lines\n{doubled}fields: {{}}\n")


def test_a_named_value_of_the_block_filters_and_orders_its_turns() -> None:
    text = """
    each: line in order.lines
    where: worth > 5 and line.quantity > 0
    order by: [shelf, worth descending]
    number: n
    let:
      rate: line.price * 2
      shelf: '"x"'
      worth: rate / 2 * line.quantity
      said: f"{n} {line.sku}"
    fields: {item: said, amount: 'round(worth, 2)'}
"""

    assert lines(text) == [("1 A", D(10)), ("2 B", D(8))]


def test_turns_are_grouped_by_several_values_and_by_what_may_be_absent() -> None:
    text = """
    each: line in order.lines
    group by: {sku: line.sku, many: line.quantity > 2}
    having: total > 1
    order by: total
    let: {total: sum(each.price for each in group)}
    fields: {item: 'f"{sku} {to_text(many)} {count(group)}"', amount: 'round(total, 2)'}
"""
    absent = """
    each: line in order.lines
    where: kind == "a" or line.sku == "A"
    group by: '(order.note if line.quantity > 2 else order.number)'
    let: {kind: lower(line.sku)}
    fields: {item: 'default(key, "-")', amount: count(group)}
"""

    assert lines(text) == [("A false 1", D(5)), ("B false 1", D(8))]
    assert lines(absent) == [(" W-7 ", D(1)), ("-", D(1))]


def test_a_list_runs_over_what_is_in_its_turns() -> None:
    text = """fields:
  lines:
    each: line in order.lines for tag in line.tags
    where: line.quantity > 0
    order by: [tag, line.sku descending, line.quantity]
    number: n
    fields: {item: 'f"{n} {tag} {line.sku}"', amount: line.quantity}
"""

    found = mapped(text)["lines"]

    assert [(line["item"], line["amount"]) for line in found] == [("1 x A", D(2)), ("2 x A", D(3)), ("3 y A", D(2))]


def test_groups_stand_within_groups() -> None:
    nested = """mapping: try/it
version: 1
from: {order: shop.Order}
to: packs
fields:
  packs:
    each: line in order.lines
    group by: line.sku
    fields:
      parts:
        each: line in group for tag in line.tags
        group by: {tag: tag}
        fields: {name: tag, count: count(group)}
      name: key
      count: count(group)
"""
    pack: dict[str, Any] = {
        "type": "record",
        "name": "Pack",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "count", "type": "long"},
            {"name": "parts", "type": {"type": "array", "items": "Pack"}, "default": []},
        ],
    }
    packs = from_avro(
        {"type": "record", "name": "Packs", "fields": [{"name": "packs", "type": {"type": "array", "items": pack}}]}
    )
    shop = records().type_named("shop.Order")
    assert isinstance(packs, Record)
    assert isinstance(shop, Record)

    known = Records({"shop.Order": shop, "packs": packs})
    nameless = DataMapping(nested.replace("{tag: tag}", "tag").encode(), "it.yaml", records=known)

    found = DataMapping(nested.encode(), "it.yaml", records=known)(ORDER, Lookups({}), NOW)["packs"]
    with pytest.raises(
        BrokenMappingError, match=r"12:19: key is the outer group's value: write group by: \{tag: tag\}"
    ):
        nameless.require_runnable()

    # behind the inner group the outer one is there again
    assert [(one["name"], one["count"]) for one in found] == [("A", 2), ("B", 1)]
    assert [[(part["name"], part["count"]) for part in one["parts"]] for one in found] == [[("x", 2), ("y", 1)], []]


def test_turns_with_two_names_are_grouped_together() -> None:
    text = """
    each: k, v in order.extra.items()
    group by: v
    fields: {item: 'join([a for a, b in group], "+")', amount: count(group)}
"""

    assert lines(text, extra={"gift": "yes", "card": "yes", "fast": "no"}) == [("gift+card", D(2)), ("fast", D(1))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  note: [order.number]\n", "not a list"),
        ("  texts: [order.id]\n", "a whole number, and text is needed"),
        ("  texts: [{each: l in order.lines, fields: {}}]\n", "not a list of records"),
        ("  lines: [[order.lines]]\n", "a list within a list"),
        ("  lines: {number: n, fields: {}}\n", "`number:` is for what is repeated"),
        ("  lines: {each: l in order.lines, having: l.quantity > 1, fields: {}}\n", "where: for the turns that count"),
        ("  lines: {each: l in order.lines, group by: [l.sku, l.quantity], fields: {}}\n", "write {sku: line.sku"),
        ("  lines: {each: l in order.lines, group by: l.tags, fields: {}}\n", "groups have a simple value"),
        ("  texts: '[order.number] + order.number'\n", "lists are joined with lists"),
        ("  texts: '[order.number] + [order.id]'\n", "a list has values of one kind"),
        ("  texts: 'sorted([order.number], descending=true)'\n", "reverse=true"),
    ],
)
def test_what_is_no_list_is_said(text: str, said: str) -> None:
    assert said in broken(f"fields:\n{text}")


def test_what_is_unused_is_told_of_loops_with_several_names_too() -> None:
    text = """
mapping: try/unused
version: 1
from: {order: canonical.order.Order}
to: canonical.order.Order
let:
  shares: spread(order.discount, [line.extended for line in order.lines])
  nobody: order.id
fields:
  id: order.id
  source_version: order.source_version
  ordered_at: order.ordered_at
  updated_at: order.updated_at
  lines:
    each: line, share in zip(order.lines, shares) for letter in [line.sku, line.unit]
    fields: {sku: letter, discount: share}
"""
    own = DataMapping(text.encode(), "it.yaml")

    assert [(each.line, each.text) for each in unused(own)] == [(8, "nothing uses nobody")]


def test_the_list_that_the_reference_page_shows_can_be_run() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "mapping-language.md").read_text("utf-8")
    _, _, rest = page.partition("## A list of several kinds of lines")
    _, _, rest = rest.partition("```yaml\n")
    example, _, _ = rest.partition("```")
    head = SPLIT.partition("  lines:\n")[0]

    assert DataMapping((head + indent(example, "  ")).encode(), "it.yaml").compiled is not None
