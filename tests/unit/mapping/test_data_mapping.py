"""A mapping file as the stages run it: what it makes, what it refuses, and what is said of a broken one."""

from decimal import Decimal
from typing import Any

import pytest

from errors import MappingError
from mapping.avro import from_avro
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.port import Lookups, stamp
from mapping.records import Records
from mapping.shapes import Record
from tests.doubles.small_mappings import NOW, ORDER, mapped, mapping, records

D = Decimal


def made(text: str, **order: Any) -> dict[str, Any]:
    return mapped(text, order)


def refused(text: str, **order: Any) -> MappingError:
    with pytest.raises(MappingError) as caught:
        mapped(text, order)
    return caught.value


def broken(text: str) -> str:
    with pytest.raises(BrokenMappingError) as caught:
        _ = mapping(text).compiled
    return caught.value.message


def test_what_is_not_mapped_keeps_its_default() -> None:
    assert made("fields:\n  key: trim(order.number)\n") == {
        "key": "W-7",
        "state": "open",
        "amount": D(0),
        "whole": 0,
        "note": None,
        "at": None,
        "lines": [],
        "texts": [],
        "more": {},
        "home": None,
    }


def test_named_values_build_on_each_other() -> None:
    text = "let:\n  first: order.id * 2\n  second: first + 1\nfields:\n  whole: second\n"

    assert made(text)["whole"] == 15


REPEATED = """
fields:
  lines:
    each: line in order.lines
    where: line.quantity > 1
    number: n
    let: {worth: line.price * line.quantity}
    require:
      - that: line.sku != "Z"
        say: "{line.sku} is not sold in {line.quantity}"
        field: item
    fields:
      item: f"{n} {line.sku}"
      amount: round(worth, 2)
"""


def test_a_list_is_repeated_filtered_and_numbered() -> None:
    assert made(REPEATED)["lines"] == (
        {"item": "1 A", "amount": D("10.00")},
        {"item": "2 A", "amount": D("3.00")},
    )


def test_a_refusal_names_the_field_of_its_turn() -> None:
    lines = [ORDER["lines"][0], {**ORDER["lines"][1], "sku": "Z", "quantity": 4}]

    error = refused(REPEATED, lines=lines)

    assert (error.field, error.reason) == ("lines[2].item", "Z is not sold in 4")


def test_turns_are_ordered_by_several_keys() -> None:
    text = """
fields:
  lines:
    each: line in order.lines
    order by: [line.sku, line.quantity descending]
    fields: {item: 'f"{line.sku}{line.quantity}"', amount: "0"}
"""

    assert [line["item"] for line in made(text)["lines"]] == ["A3", "A2", "B1"]


def test_turns_are_grouped_in_the_order_they_came() -> None:
    text = """
fields:
  lines:
    each: line in order.lines
    where: line.quantity < 3
    group by: line.sku
    order by: key descending
    fields:
      item: key
      amount: round(sum(each.price for each in group), 2)
"""

    assert made(text)["lines"] == ({"item": "B", "amount": D("8.00")}, {"item": "A", "amount": D("5.00")})


def test_a_block_may_have_a_condition() -> None:
    text = """
fields:
  home:
    when: order.buyer is not None
    fields: {city: order.buyer.name}
"""

    assert made(text)["home"] == {"city": "Ada"}
    assert made(text, buyer=None)["home"] is None


def test_a_blocks_own_names_are_its_own() -> None:
    text = """
fields:
  home:
    let: {x: '"Austin"'}
    fields: {city: x}
  lines:
    each: line in order.lines
    let: {x: line.sku}
    fields: {item: x, amount: "1"}
  texts: "[line['item'] for line in []]"
"""
    text = text.replace("  texts: \"[line['item'] for line in []]\"\n", "")

    assert made(text)["home"] == {"city": "Austin"}


def test_a_status_map_turns_and_refuses_strangers() -> None:
    text = """
statuses:
  state_of:
    inverts: true
    values: {new: open, paid: closed, void: gone}
fields:
  note: state_of(order.status)
  texts: '[state_of_back("open")]'
"""

    assert (made(text)["note"], made(text)["texts"]) == ("closed", ("new",))
    error = refused(text, status="lost")
    assert (error.field, error.reason) == ("note", "'lost' has no row in statuses.state_of: add it")


@pytest.mark.parametrize(
    ("rows", "call", "said"),
    [
        (
            "{payd: open, new: open, void: open}",
            "s(order.status)",
            ["6:16: payd is impossible here: did you mean paid?"],
        ),
        (
            "{payd: open}",
            "s(order.status)",
            ["6:3: 'new', 'paid', 'void': no row", "write new: …; paid: …; void: …, or"],
        ),
        ("{new: open}", 's("old")', ["'old': no row"]),
        ("{new: open, paid: closed, void: open}", "s(order.number)", []),
        ("{payd: open}, otherwise: open", "s(trim(order.number))", []),
        ("{payd: open}, otherwise: open", "s(order.status)", ["payd is impossible here"]),
        ("{paid: open}, otherwise: open", 's(order.status) if order.id > 1 else s("other")', []),
        (
            "{new: x, paid: y, void: z}, inverts: true",
            's_back("w") + s(order.status)',
            ["'w': no row to be turned back"],
        ),
    ],
)
def test_a_status_map_is_held_against_what_the_source_can_say(rows: str, call: str, said: list[str]) -> None:
    text = f"statuses:\n  s: {{values: {rows}}}\nfields:\n  note: |-\n    {call}\n"

    if not said:
        assert mapping(text).digest
    for each in said:
        assert each in broken(text)


def test_a_part_is_called_like_a_function() -> None:
    text = """
parts:
  short:
    from: {name: text, phone: "text?"}
    to: text
    let: {first: 'name[0:1]'}
    value: f"{first} {default(phone, '-')}"
fields:
  note: short(order.number.trim(), none)
  texts: "[short(line.sku, line.sku) for line in order.lines]"
"""

    result = made(text)

    assert (result["note"], result["texts"]) == ("W -", ("A A", "B B", "A A"))


def test_what_a_part_and_a_named_value_may_be_is_known() -> None:
    text = """
statuses: {one_row: {values: {paid: closed}, otherwise: closed}}
parts:
  state_of: {from: {status: text}, to: text, value: '"closed" if status == "paid" else "open"'}
let: {company: '"TWO"', turned: one_row(order.status)}
fields:
  state: state_of(order.status) if company == "ONE" else turned
"""
    quotient = (
        "parts:\n  third: {from: {x: decimal}, to: decimal, value: x / 3}\nfields: {amount: third(order.total)}\n"
    )

    assert made(text)["state"] == "closed"
    assert made("let: {fixed: '\"closed\"'}\nfields: {state: fixed}\n")["state"] == "closed"
    assert "'shut' is impossible here" in broken("let: {fixed: '\"shut\"'}\nfields: {state: fixed}\n")
    assert "is a quotient" in broken(quotient)


def test_a_rule_is_called_like_a_function_and_given_the_tables() -> None:
    def doubled(whole: int, lookups: Lookups) -> int:
        return whole * int(lookups.find("by", "x") or 1)

    text = "rules: [doubled]\nfields:\n  whole: doubled(order.id)\n"

    found = mapping(text, doubled=doubled)(ORDER, Lookups({"by": {"x": "2"}}), NOW)

    assert found["whole"] == 14


def test_a_missing_row_names_field_table_and_key() -> None:
    error = refused('lookups: [items]\nfields:\n  note: lookup("items", order.number)\n')

    assert (error.field, error.facts["table"], error.facts["key"]) == ("note", "items", " W-7 ")


def test_a_fault_names_the_field() -> None:
    error = refused("let:\n  none_of: order.id - 7\nfields:\n  amount: round(order.total / none_of, 2)\n")

    assert (error.field, error.reason) == ("amount", "divided by zero")


def test_a_record_that_is_not_what_it_says_is_refused_not_fatal() -> None:
    assert refused("fields:\n  note: trim(order.number)\n", number=5).field == "note"


def test_a_text_stands_as_it_is() -> None:
    assert made("fields:\n  note: {text: ' WEB '}\n")["note"] == " WEB "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("feilds:\n  key: order.number\n", "it.yaml:5:1: feilds means nothing in a mapping file: did you mean fields?"),
        ("fields:\n  kee: order.number\n", "it.yaml:7:3: ErpOrder has no field kee: did you mean key?"),
        ("fields:\n  key: order.nubmer\n", "it.yaml:6:8: ShopOrder has no field nubmer: did you mean number?"),
        ("fields:\n  key: |-\n    order.number +\n    order.nubmer\n", "it.yaml:8:5: ShopOrder has no field nubmer"),
        ("fields:\n  key: 'order.nubmer'\n", "it.yaml:6:9: ShopOrder"),
        ("let:\n  x: order.a\n  y: x + 1\nfields:\n  note: y\n", "it.yaml:6:6: ShopOrder has no field a"),
        ("fields:\n  note: order.number\nversion: 0\n", "stands here twice"),
        ("fields:\n  lines: order.lines\n", "needed"),
        ("fields:\n  lines:\n    fields: {item: '1'}\n", "write `each: line in …`"),
        ("fields:\n  lines:\n    each: line in order.lines\n    fields: {item: line.sku}\n", "ErpLine needs amount"),
        ("fields:\n  home:\n    city: order.number\n", "it.yaml:8:5: city: a field stands below `fields:`"),
        ("statuses:\n  s: {inverts: true, values: {a: x, b: x}}\nfields:\n  note: s('a')\n", "does not invert"),
        ("parts:\n  p: {from: {x: text}, to: text, value: p(x)}\nfields:\n  note: p('a')\n", "p calls itself"),
        ("parts:\n  p: {from: {x: text}, to: text, value: x}\nfields: {}\n", "nobody calls p"),
        ("require: [{that: order.id, say: x}]\nfields: {}\n", "compare it"),
        ("require: [{that: order.id > 1}]\nfields: {}\n", "`say:` is missing"),
        ("let: {order: order.id}\nfields: {}\n", "something else already"),
        ("let: {class: order.id}\nfields: {}\n", "cannot be a name"),
        ("let: {__x: order.id}\nfields: {}\n", "cannot be a name"),
        ("rules: [os]\nfields: {}\n", "there is no rule os: say it as an expression, or as a part under `parts:`"),
        ("\u00a0\u00a0lookups: []\nfields: {}\n", "means nothing in a mapping file: write plain blanks: lookups"),
        ("fields: {whole: 'max([])'}\n", "it.yaml:5:41: has no values: write max(line.tax for line in order.lines)"),
        ("fields: {amount: 'sum([])'}\n", "it.yaml:5:42: has no values: write sum(line.tax for line in order.lines)"),
        (
            "require: [{that: order.id > 1, say: x, field: totl}]\nfields: {}\n",
            "it.yaml:5:47: there is no field totl: did you mean total?",
        ),
        (
            "require: [{that: order.id > 1, say: x, field: 'lines[1].prise'}]\nfields: {}\n",
            "it.yaml:5:47: there is no field prise in lines[1].prise: did you mean price?",
        ),
        (
            "fields:\n  lines:\n    each: line in order.lines\n"
            "    require: [{that: line.quantity > 0, say: x, field: quanty}]\n"
            "    fields: {item: line.sku, amount: 1.00}\n",
            "it.yaml:9:56: there is no field quanty: did you mean quantity?",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text: str, said: str) -> None:
    assert said in broken(text)


@pytest.mark.parametrize(
    ("field", "expression", "write"),
    [
        ("whole", "order.number", "write to_integer(order.number)"),
        ("whole", "order.total", "write whole(order.total)"),
        ("amount", "order.number", "write to_decimal(order.number)"),
        ("amount", "1.005", "write round(1.005, 2)"),
        ("amount", "order.discount", "default(order.discount, 0)"),
        ("at", "order.number", "write to_instant(order.number, "),
        ("at", "date_in(order.ordered, 'UTC')", "write instant_of(date_in(order.ordered, 'UTC'), "),
        ("note", "order.ordered", 'write f"{order.ordered}"'),
        ("note", "order.id == 7", "write to_text(order.id == 7)"),
        ("note", "f'{order.id == 7}'", "write to_text("),
        ("note", "order.buyer if order.buyer is not none else none", "write"),
        ("note", "null", "write none"),
        ("note", "order.lines", "write order.lines[0] for the first"),
        ("note", "convert(order.total, 'USD', 'EUR', now)", 'write date_in(now, "America/Chicago")'),
        ("note", 'lookup("items", order.id)', 'write f"{order.id}"'),
        ("note", "“x”", "write plain quotes"),
        ("note", "order.number\u00a0+ 'x'", "write a plain blank"),
        ("note", "'x' if order.id > 7", "write … if … else …"),
        ("note", "trim(order.number", "close each bracket"),
        ("texts", "order.number", "write [order.number]"),
        ("texts", "[line.quantity for line in order.lines]", 'write [f"{each}" for each in '),
        ("texts", "none", "default(none, [])"),
        ("home", "order.number", "write a block with `fields:`, or call a part"),
        ("more", "order.number", 'write {"name": order.number}'),
        ("note", "default(order.buyer.home.city, 1)", "or else a whole number"),
    ],
)
def test_what_is_of_another_kind_is_said_with_what_turns_it(field: str, expression: str, write: str) -> None:
    assert write in broken(f"lookups: [items]\nfields:\n  {field}: |-\n    {expression}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parts:\n  sum: {from: {x: text}, to: text, value: x}\nfields: {}\n", "sum is a function already"),
        ("statuses: {lookup: {values: {a: b}}}\nfields: {}\n", "lookup is a function already"),
        (
            "fields:\n  note: {text: x, when: order.id > 1}\n",
            'it.yaml:7:9: `text:` stands alone: write an expression: "…"',
        ),
        ("fields:\n  home: {fields: {city: round(order.total, 2)}}\n", "is cut at a comma"),
    ],
)
def test_what_cannot_stand_there_is_said(text: str, said: str) -> None:
    assert said in broken(text)


def test_a_misspelt_module_is_said_with_the_nearest() -> None:
    with pytest.raises(BrokenMappingError, match=r"write canonical\.order|did you mean canonical\.order"):
        _ = DataMapping(
            b"mapping: a/b\nversion: 1\nfrom: {o: canonical.ordr.Order}\nto: canonical.order.Order\nfields: {}\n",
            "it.yaml",
        ).compiled


def test_all_that_is_wrong_is_said_at_once_and_once() -> None:
    said = broken("let:\n  x: order.a\nfields:\n  note: x\n  whole: x\n  state: '\"shut\"'\n").split("\n")

    assert [line.split(": ", 1)[1].split(":")[0] for line in said] == [
        "ShopOrder has no field a",
        "'shut' is impossible here",
    ]


def test_its_stamp_holds_version_and_digests() -> None:
    one, other = mapping("fields: {}\n"), mapping("fields: {note: order.number}\n")

    assert stamp(one, Lookups({})).startswith("try/it@1+")
    assert one.digest != other.digest
    assert one.digest == mapping("about: what it is for\nfields: {}  # a comment\n").digest
    assert stamp(one, Lookups({})) != stamp(one, Lookups({"a": {"b": "c"}}))


@pytest.mark.parametrize("name", ["{x:>99999999999}", "{", "{0}", "{x.__class__.__mro__}", "lines[{n}].q"])
def test_a_person_s_name_of_a_field_is_told_as_it_stands(name: str) -> None:
    require = f"    require:\n      - that: order.id > 9000\n        say: too few\n        field: '{name}'\n"
    wanted = refused(f"fields:\n  more:\n{require}    fields: {{}}\n")
    divided = refused(f"fields:\n  more:\n    fields:\n      '{name}': to_text(order.id // 0)\n")

    assert (wanted.field, divided.field) == (f"more.{name}", f"more.{name}")


@pytest.mark.parametrize(
    "name", ["key", "total", "lines", "lines[1].item", "lines.price", "buyer.home.city", "net", "extra.x"]
)
def test_a_requirement_may_be_about_what_is_made_what_is_read_or_a_named_value(name: str) -> None:
    text = "let: {net: order.total}\nrequire: [{that: order.id > 9000, say: too few, field: '%s'}]\nfields: {}\n"

    assert refused(text % name).field == name


def test_parts_of_like_names_are_told_apart_in_loops() -> None:
    text = """
parts:
  p: {from: {given: text}, to: text, value: given}
  p_in_loop: {from: {given: text}, to: text, value: '"WRONG"'}
fields:
  note: p_in_loop(order.number)
  texts: "[p(line.sku) for line in order.lines]"
"""

    found = made(text)
    assert (found["note"], found["texts"]) == ("WRONG", tuple(line["sku"] for line in ORDER["lines"]))


@pytest.mark.parametrize(
    ("block", "write"),
    [
        ("    where: order.id > 1\n", "when: for a condition"),
        ("    order by: order.id\n", "each: line in"),
        ("    number: n\n", "each: line in"),
        ("    otherwise: none\n", "when: …"),
        ("    each: line in order.lines\n    when: order.id > 1\n", "where: for the turns"),
        ("    each: line in order.lines\n    otherwise: '[]'\n", "when: …"),
    ],
)
def test_a_key_that_would_change_nothing_is_refused_where_it_stands(block: str, write: str) -> None:
    said = broken(f"fields:\n  lines:\n{block}    fields: {{}}\n")

    assert write in said
    assert ":5: `" in said


@pytest.mark.parametrize(
    ("expression", "is_"),
    [
        ('sum(round(y / 1000, 2, "half_up") for y in [0.0, 1005])', "1.01"),
        ("sum(round(y / 2, 2) for y in [2.5, 7])", "4.75"),
        ("round(default({'a': 1005, 'b': 2.5}['a'], 0.0) / 1000, 2, \"half_up\")", "1.01"),
        ("round((order.id if order.id > 0 else 2.5) / 28, 2)", "0.25"),
        ("sum(round(y / 8, 2) for y in ([1.5] if order.id < 0 else [l.quantity for l in order.lines]))", "0.75"),
        ("-7 // 2", "-3"),
        ("-7.0 // 2", "-3"),
        ("-7 % 2", "-1"),
        ("7 % -2", "1"),
    ],
)
def test_whole_numbers_among_decimals_are_decimals(expression: str, is_: str) -> None:
    found = made(f"fields:\n  amount: |-\n    {expression}\n")["amount"]

    assert (type(found), found) == (Decimal, D(is_))


def test_fields_may_be_called_as_what_is_in_the_code() -> None:
    names = ["item", "round", "steps", "text", "len", "tuple", "sum", "sorted", "lookups"]
    whole: dict[str, Any] = {"type": "array", "items": {"type": "record", "name": "Part", "fields": [
        {"name": "amount", "type": "string"}]}}  # fmt: skip
    parts = [{"name": name, "type": whole if name == "item" else {"type": "array", "items": "Part"}} for name in names]
    target = from_avro({"type": "record", "name": "All", "fields": parts})
    assert isinstance(target, Record)
    each = "{each: line in order.lines, order by: line.sku, fields: {amount: 'to_text(round(line.price, 2))'}}"
    text = "mapping: try/it\nversion: 1\nfrom: {order: shop.Order}\nto: all\nfields:\n"
    text += "".join(f"  {name}: {each}\n" for name in names)

    shop = records().type_named("shop.Order")
    assert isinstance(shop, Record)
    run = DataMapping(text.encode(), "it.yaml", rules={}, records=Records({"shop.Order": shop, "all": target}))
    found = run(ORDER, Lookups({}), NOW)

    assert [len(found[name]) for name in names] == [3] * len(names)


def test_what_a_named_value_says_is_looked_at_where_a_function_is_given_it() -> None:
    said = broken("let: {zone: '\"America/Chicgo\"'}\nfields: {note: 'format_instant(now, zone=zone)'}\n")

    assert "it.yaml:6:" in said
    assert "did you mean America/Chicago" in said
