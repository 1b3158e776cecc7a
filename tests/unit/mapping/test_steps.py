"""Every step of a mapping with its value, and what a field came of."""

from decimal import Decimal

from mapping.port import Lookups
from mapping.steps import Explained, Kind, behind
from mapping.watch import Watched
from tests.doubles.small_mappings import NOW, ORDER, mapping

MAPPING = """
lookups: [items]
let:
  off: default(order.discount, 0)
  count_of: count(order.lines)
require:
  - that: count_of > 0
    say: no lines
    field: lines
fields:
  key: trim(order.number)
  amount: round(order.total - off, 2)
  note: |-
    default(order.note, "none")
  lines:
    each: line in order.lines
    where: line.quantity > 1
    let:
      each_price: line.price
    fields:
      item: lookup("items", line.sku, line.sku)
      amount: round(each_price * line.quantity, 2)
"""
PART = """
parts:
  doubled:
    from: {given: integer}
    to: integer
    let: {twice: given * 2}
    value: twice + 0
fields:
  key: order.number
  whole: doubled(order.id)
"""


def explained(text: str = MAPPING, **changes: object) -> Explained:
    return Watched(mapping(text)).run({**ORDER, **changes}, Lookups({"items": {"A": "ITEM-A"}}), NOW)


def told(steps: object) -> list[str]:
    return [f"{step.place.kind} {step.field} = {step.value}" for step in steps]  # type: ignore[attr-defined]


def test_what_is_explained_is_what_comes_out() -> None:
    found = explained()

    assert found.made == mapping(MAPPING)(ORDER, Lookups({"items": {"A": "ITEM-A"}}), NOW)
    assert found.refused is None


def test_a_field_comes_of_its_named_values_and_of_what_had_to_hold() -> None:
    steps = explained().steps

    assert told(behind(steps, "amount")) == ["let off = 0", "field amount = 20.00"]
    assert told(behind(steps, "lines[2]")) == [
        "where lines[2] = false",
        "where lines[2] = true",
        "let lines[2].each_price = 1.00",
        'field lines[2].item = "ITEM-A"',
        "field lines[2].amount = 3.00",
    ]
    assert told(behind(steps, "lines.amount"))[-1] == "field lines[2].amount = 3.00"
    assert "require lines = true" in told(behind(steps, "lines"))
    assert behind(steps, "linse") == ()


def test_a_step_says_what_it_read_and_asked() -> None:
    (step,) = [each for each in explained().steps if each.field == "lines[1].item"]

    assert [(read.path, read.value) for read in step.reads] == [("line.sku", '"A"')]
    assert [(asked.table, asked.key, asked.value) for asked in step.lookups] == [("items", "A", "ITEM-A")]
    assert (step.place.expression, step.place.line) == ('lookup("items", line.sku, line.sku)', 25)


def test_turns_that_do_not_count_are_told_as_such() -> None:
    assert [each.value for each in explained().steps if each.place.kind is Kind.WHERE] == ["true", "false", "true"]


def test_steps_of_a_part_stand_before_the_one_that_called_it() -> None:
    steps = explained(PART).steps

    assert [(each.depth, each.place.part, each.field, each.value) for each in steps if "whole" in each.field] == [
        (1, "doubled", "whole.twice", "14"),
        (1, "doubled", "whole", "14"),
        (0, "", "whole", "14"),
    ]
    assert len(behind(steps, "whole")) == 3


def test_a_part_keeps_its_name_however_often_it_is_written() -> None:
    calls = "".join(f"  a{number}: short(order.number)\n" for number in range(120))
    looped = "  b: '[short(line.sku) for line in order.lines]'\n"
    part = "parts:\n  short: {from: {given: text}, to: text, value: trim(given)}\n"

    places = Watched(mapping(f"{part}let:\n{calls}{looped}fields: {{}}\n")).places

    assert [each.expression for each in places if each.part == "short"] == ["trim(given)"] * 3
    assert {each.part for each in places} == {"", "short"}


def test_what_was_refused_says_where() -> None:
    found = explained(lines=())

    assert found.made is None
    assert str(found.refused) == "mapping: lines: no lines"
    assert found.steps[-1].field == "lines"


def test_a_step_that_failed_has_no_value() -> None:
    found = explained(MAPPING.replace("round(order.total - off, 2)", "round(order.total / order.id, 2)"), id=0)

    assert (found.steps[-1].field, found.steps[-1].value) == ("amount", None)
    assert str(found.refused) == "mapping: amount: divided by zero"


def test_a_step_is_filled_when_there_is_something_in_it() -> None:
    filled = {each.field for each in explained(total=Decimal(0)).steps if each.filled}

    assert "key" in filled
    assert not {"amount", "off"} & filled


LISTED = """
fields:
  key: order.number
  texts: [order.number, "[line.sku for line in order.lines]"]
  lines:
    - each: line in order.lines
      group by: sku
      order by: total
      let: {sku: upper(line.sku), total: sum(each.price for each in group)}
      fields: {item: key, amount: 'round(total, 2)'}
    - when: order.note is none
      fields: {item: '"END"', amount: "0"}
"""


def test_each_block_of_a_list_is_explained_at_its_turn() -> None:
    steps = explained(LISTED).steps

    assert [step.field for step in steps if step.place.kind == Kind.FIELD and step.place.expression] == [
        "texts[1]", "texts[2]", "lines[1].item", "lines[1].amount", "lines[2].item", "lines[2].amount",
        "lines[3].item", "lines[3].amount", "key",
    ]  # fmt: skip
    assert [(step.field, step.place.expression) for step in steps if step.place.kind == Kind.LET][-2:] == [
        ("lines.total", "sum(each.price for each in group)")
    ] * 2
    assert {read.path for step in steps for read in step.reads} >= {"order.note", "total"}
