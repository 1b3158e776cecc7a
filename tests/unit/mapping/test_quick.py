"""The quick form of a mapping: what it makes is what the careful one makes, and what it is unsure of it leaves."""

import decimal
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from errors import MappingError
from mapping import runtime
from mapping.data import DataMapping
from mapping.port import Lookups
from mapping.quick import quick
from schemas.canonical.inventory_level import InventoryLevel
from schemas.types import RootKey
from tests.doubles.small_mappings import NOW, ORDER, mapping

D = Decimal
ODD = ["NaN", "-Infinity", "-0", "0E+9", "1E-9", "1." + "0" * 30, "9" * 17, "99999999999999", "7" * 30]
LINE: dict[str, Any] = ORDER["lines"][0]

SUMS = """
let:
  worth: sum(line.price for line in order.lines if line.quantity > 0)
  tags: sum(count(line.tags) for line in order.lines)
  pairs: sum(line.price for line in order.lines for tag in line.tags)
fields:
  amount: round(worth, 2)
  whole: "tags if tags > sum(line.quantity for line in order.lines) else 3"
  texts: "[f'{pairs}', f'{sum(sum(l.price for tag in l.tags) for l in order.lines)}']"
"""
NUMBERS = """
let:
  given: default(order.discount, order.total)
fields:
  amount: round(order.total, 2)
  whole: order.id // 7 + order.id % 7
  note: '"none" if given == 0 else "some" if order.discount == order.total else f"{given + order.total}"'
"""
TOGETHER = """
fields:
  lines:
    each: line in order.lines
    where: line.quantity > 1
    fields: {item: line.sku, amount: 'round(line.price, 2)'}
  amount: round(sum(line.price * line.quantity for line in order.lines), 2)
  whole: sum(line.quantity for line in order.lines if line.sku != "A")
"""
#: A function of the code is called as what this part is given.
CALLED_ALIKE = """
parts:
  shown:
    from: {mapped: "text?"}
    to: text
    value: '"none" if mapped is none else mapped'
fields:
  note: f"{shown(order.note)} {shown(order.number)}"
"""
WRITTEN = [*range(65)]
#: Of each loop more turns than the longest list has items.
TURNS = {
    "several loops in one": """
fields:
  lines:
    each: a in order.lines for b in order.lines for c in order.lines
    where: sum(d.quantity for d in order.lines) < 0
    fields: {item: a.sku, amount: 'round(a.price, 2)'}
""",
    "values written down": f"""
fields:
  whole: sum(sum(count(1 for a in order.lines for b in order.lines) for x in {WRITTEN}) for y in {WRITTEN})
""",
    "groups": """
fields:
  lines:
    each: a in order.lines for b in order.lines
    group by: {name: 'f"{a.sku}{b.sku}"'}
    having: sum(d.quantity for d in order.lines for e in order.lines) < 0
    fields: {item: name, amount: 'round(order.total, 2)'}
""",
    "turns in an order": """
fields:
  lines:
    each: a in order.lines for b in order.lines
    order by: a.sku
    fields: {item: a.sku, amount: 'round(sum(d.price for d in order.lines for e in order.lines), 2)'}
""",
}
TEXTS = "fields:\n  note: f'{order.number}{order.number}'\n"


STOCK = """
mapping: try/stock
version: 1
from: {level: canonical.inventory_level.InventoryLevel}
to: canonical.inventory_level.InventoryLevel
fields:
  id: level.id
  source_version: level.source_version
  occurred_at: level.occurred_at
  connection: level.connection
  sku: level.sku
  site: level.site
  on_hand: level.on_hand
  allocated: level.on_hand + level.allocated
  on_order: level.on_order
  back_ordered: level.back_ordered
"""
LEVEL = InventoryLevel(
    id=RootKey("store:1"),
    source_version=1,
    occurred_at=NOW,
    connection="store",
    sku="TP-1",
    site="MAIN",
    on_hand=D(4),
    allocated=D(1),
    on_order=D(0),
    back_ordered=D(0),
)


def told(text: str, order: dict[str, Any], **rules: Any) -> tuple[object, object]:
    """What the mapping makes or says, and what its careful form does."""
    one = mapping(text, **rules)
    record = {**ORDER, **order}
    return _told(one, record), _told(partial(one.run, one.compiled.function), record)


def _told(function: Any, record: object) -> object:
    try:
        return repr(function(record, Lookups({}), NOW))
    except MappingError as error:
        return error.facts


def made_quickly(one: DataMapping, **order: Any) -> Any:
    form = quick(one.compiled)
    with decimal.localcontext(form.numbers):
        return form.function({**ORDER, **order}, Lookups({}), NOW)


@pytest.mark.parametrize("text", [SUMS, NUMBERS, TOGETHER, TEXTS, CALLED_ALIKE])
def test_what_is_usual_is_made_by_the_quick_form(text: str) -> None:
    one = mapping(text)

    assert made_quickly(one) == one.run(one.compiled.function, ORDER, Lookups({}), NOW)


@pytest.mark.parametrize("number", ODD)
@pytest.mark.parametrize("text", [SUMS, NUMBERS, TOGETHER])
def test_a_number_that_is_odd_comes_to_the_same(text: str, number: str) -> None:
    for order in (
        {"total": D(number)},
        {"discount": D(number)},
        {"discount": D(number), "total": D(number)},
        {"lines": [LINE, {**LINE, "price": D(number)}]},
        {"lines": [{**LINE, "price": D("0.01")}, {**LINE, "price": D(number)}]},
    ):
        quick_one, careful_one = told(text, order)
        assert quick_one == careful_one


@pytest.mark.parametrize("number", [*ODD, "%.0s", "%.0r", "%.0a", 7, True, 1.5, None])
def test_an_amount_is_held_against_its_field_as_ever(number: Any) -> None:
    one = DataMapping(STOCK.encode(), "it.yaml")
    numbers = {field: D(number) if number in ODD else number for field in ("on_hand", "on_order")}

    for field, odd in numbers.items():
        level = msgspec.structs.replace(LEVEL, **{field: odd})
        assert _told(one, level) == _told(partial(one.run, one.compiled.function), level)


@pytest.mark.parametrize("id_", [0, -1, -7, -8, 8, 2**63, D("-0.00"), 1e17, "%.0s", None])
def test_whole_numbers_are_divided_towards_zero_as_ever(id_: Any) -> None:
    quick_one, careful_one = told(NUMBERS, {"id": id_})

    assert quick_one == careful_one


@pytest.mark.parametrize("total", ["%.0s", "", "1.00", None, 1.5, 3, True, []])
def test_what_is_no_decimal_at_all_is_told_as_ever(total: Any) -> None:
    quick_one, careful_one = told(NUMBERS, {"total": total})

    assert quick_one == careful_one


def test_a_sum_with_more_digits_than_an_amount_keeps_them() -> None:
    prices = [D("99999999999999.99999"), D("0.00001"), D(-1), D(1).scaleb(-20)]
    text = "fields:\n  note: f'{sum(line.price for line in order.lines)}'\n"

    made = mapping(text)({**ORDER, "lines": [{**LINE, "price": price} for price in prices]}, Lookups({}), NOW)

    assert made["note"] == "99999999999999.00000000000000000001"


@pytest.mark.parametrize("count", [7_000, 9_000, 400_000])
def test_a_list_that_is_longer_than_the_quick_form_takes_is_mapped_or_refused_as_ever(count: int) -> None:
    quick_one, careful_one = told(SUMS, {"lines": [{**LINE, "tags": []}] * count})

    assert quick_one == careful_one


def test_a_text_that_grew_too_long_is_refused_with_its_field() -> None:
    quick_one, careful_one = told(TEXTS, {"number": "x" * (runtime.TEXT_LIMIT // 2 + 1)})

    assert quick_one == careful_one
    assert "field" in str(quick_one)


def test_loops_that_are_too_deep_for_the_quick_form_are_run_once_by_the_careful() -> None:
    deep = " ".join(f"for {name} in order.lines" for name in "abcdefgh")
    asked = []

    def known(sku: str) -> str:
        asked.append(sku)
        if sku == "A":
            return sku
        raise ValueError(sku)

    one = mapping(f"rules: [known]\nfields:\n  whole: count(1 {deep})\n  note: known(order.number)\n", known=known)

    assert one({**ORDER, "lines": [LINE, LINE], "number": "A"}, Lookups({}), NOW)["whole"] == 256
    with pytest.raises(MappingError):
        one({**ORDER, "lines": [LINE, LINE], "number": "B"}, Lookups({}), NOW)
    assert asked == ["A", "B"]


@pytest.mark.parametrize("count", [16, 32, 64])
@pytest.mark.parametrize("text", TURNS.values(), ids=TURNS)
def test_what_turns_cost_together_is_never_taken_for_less(text: str, count: int) -> None:
    quick_one, careful_one = told(text, {"lines": [{**LINE, "sku": f"S{place}"} for place in range(count)]})

    assert quick_one == careful_one


def test_loops_that_are_deeper_than_statements_can_be_are_mapped_all_the_same() -> None:
    deep = " ".join(f"for {name}{name} in [1]" for name in "abcdefghijklmnopqrstu")
    one = mapping(f"fields:\n  whole: sum(order.id {deep})\n")

    assert one(ORDER, Lookups({}), NOW)["whole"] == 7


def test_a_rule_counts_as_ever_though_it_is_given_a_text() -> None:
    def third(text: str) -> str:
        try:
            return str(D(text) / 3)
        except ArithmeticError:
            return "none"

    text = "rules: [third]\nfields:\n  amount: round(order.total + 1, 2)\n  note: third('10')\n"
    quick_one, careful_one = told(text, {}, third=third)

    assert quick_one == careful_one
    assert "3.3333333333333333333333" in str(quick_one)


def test_what_fits_a_field_is_the_same_whatever_its_thread_counts_by() -> None:
    one = mapping("fields:\n  amount: to_decimal(order.number)\n")

    with decimal.localcontext(decimal.Context(prec=1, Emin=0, Emax=0, traps=[])):
        made = one({**ORDER, "number": "1.05"}, Lookups({}), NOW)

    assert made["amount"] == D("1.05")


def test_what_was_set_for_numbers_is_as_it_was_whatever_came_of_a_record() -> None:
    before = decimal.getcontext()
    one = mapping(NUMBERS)

    one(ORDER, Lookups({}), NOW)
    with pytest.raises(MappingError):
        one({**ORDER, "total": D("NaN")}, Lookups({}), NOW)

    assert decimal.getcontext() is before
