"""What expressions are worth, and what is said of those that are none."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from errors import MappingError
from mapping.checker import Checker
from mapping.expressions import Parsed
from mapping.messages import BrokenMappingError, WrongError
from mapping.port import Lookups
from mapping.shapes import Number, Text, Type
from tests.doubles.small_mappings import FUNCTIONS, NOW, ORDER, mapped, mapping, scope, worth

D = Decimal


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('"W-" + order.number.trim()', "W-W-7"),
        ('f"{order.id}/{order.number.trim()} {order.total}"', "7/W-7 20.00"),
        ("trim(order.number).upper()", "W-7"),
        ("order.number[0:2]", " W"),
        ("0.1 + 0.2", D("0.3")),
        ("order.total * 0.10", D("2.0000")),
        ("order.id / 2", D("3.5")),
        ("order.id // 2 + order.id % 2", 4),
        ("-order.id * 3", -21),
        ("round(order.total / 3, 2)", D("6.67")),
        ('round(2.345, 2, "half_up")', D("2.35")),
        ("round(2.345, 2)", D("2.34")),
        ("sum(line.price * line.quantity for line in order.lines)", D("21.00")),
        ("sum(line.quantity for line in order.lines)", 6),
        ("count(order.lines)", 3),
        ('count(line for line in order.lines if line.sku == "A")', 2),
        ("max(line.price for line in order.lines)", D("8.00")),
        ("default(min(line.price for line in order.lines if line.price > 100), 0)", D(0)),
        ("min(order.id, 3)", 3),
        ("any(line.quantity > 2 for line in order.lines)", True),
        ("all(line.quantity > 2 for line in order.lines)", False),
        ("[line.sku for line in order.lines if line.quantity > 1]", ("A", "A")),
        ("distinct(line.sku for line in order.lines)", ("A", "B")),
        ("sorted(line.quantity for line in order.lines)", (1, 2, 3)),
        ("[tag for line in order.lines for tag in line.tags]", ("x", "y", "x")),
        ("[a * b for a, b in zip([1, 2], [3, 4])]", (3, 8)),
        ('{name: f"{value}!" for name, value in order.extra.items()}', {"gift": "yes!"}),
        ('order.extra["gift"] or "no"', "yes"),
        ('default(order.extra["card"], "none")', "none"),
        ("default(order.lines[0].sku, order.number)", "A"),
        ("default(order.lines[9].sku, order.number)", " W-7 "),
        ('order.note or "nothing"', "nothing"),
        ("default(order.discount, 0)", D(0)),
        ('default(none, "x")', "x"),
        ("default(none, order.note, order.number)", " W-7 "),
        ('default(order.buyer.home.city, "?")', "Austin"),
        ('default(order.buyer.phone, order.note, "?")', "?"),
        ('order.buyer.name if order.buyer is not None else "guest"', "Ada"),
        ('"guest" if order.buyer is None or order.buyer.phone is None else order.buyer.phone', "guest"),
        ('order.buyer is not None and order.buyer.name == "Ada"', True),
        ('not order.note and order.status in ["new", "paid"]', True),
        ('"A" in [line.sku for line in order.lines]', True),
        ('"gift" in order.extra', True),
        ("1 < order.id <= 7", True),
        ("order.ordered == now", True),
        ('lookup("items", "A")', "TEA"),
        ('lookup("items", "X", order.number)', " W-7 "),
        ('lookup("items", "X", lookup("items", "A"))', "TEA"),
        ('lookup("items", "X", none) or "-"', "-"),
        ('option("shop", "currency", "USD")', "EUR"),
        ("spread(10.00, [1, 1, 1])", (D("3.34"), D("3.33"), D("3.33"))),
        ("[a for a in spread(10.00, [1, 1], decimals=1)]", (D("5.0"), D("5.0"))),
    ],
)
def test_an_expression_is_worth(expression: str, value: Any) -> None:
    tables = Lookups({"items": {"A": "TEA"}, "connection:shop": {"currency": "EUR"}})

    found = worth(expression, lookups=tables)

    assert found == value
    assert type(found) is type(value)


def test_the_absent_is_not_taken_for_zero() -> None:
    assert worth("default(order.discount, 5)", {"discount": D(0)}) == 0


def test_a_part_of_what_is_absent_is_not_asked() -> None:
    assert worth('default(order.buyer.home.city, "?")', {"buyer": None}) == "?"


def test_a_refusal_carries_its_reason() -> None:
    with pytest.raises(MappingError) as caught:
        worth('order.note if order.note is not None else refuse(f"order {order.id} has no note")')

    assert caught.value.reason == "order 7 has no note"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("order.numbr", "ShopOrder has no field numbr: did you mean number?"),
        ("ordr.number", "did you mean order?"),
        ('order.status == "payed"', "'payed' is impossible here; possible are new, paid, void"),
        ("order.note.trim()", "may be absent"),
        ("order.note in order.number", "may be absent where it is looked for in a text"),
        ("order.note not in 'abc'", "may be absent where it is looked for in a text"),
        ("order.buyer.name", 'default(order.buyer.name, "")'),
        ("order.discount + 1", "write default(order.discount, 0)"),
        ("order.total or 5", "0 would count as absent: write default(order.total, …)"),
        ("order.number if order.total else order.number", "compare it: `order.total != 0`"),
        ("order.number if order.discount else order.number", "0 is not the same as absent"),
        ("order.number + 1", 'join texts as f"{a}{b}"'),
        ("order.number * 3", "`*` takes numbers"),
        ("order.id == '7'", "compared with"),
        ("order.id ** 2", "no powers"),
        ("trimm(order.number)", "did you mean trim or"),
        ("trim()", "trim needs text: write trim(text, characters=…)"),
        ("trim(order.id)", 'f"{order.id}"'),
        ("len(order.lines)", "count(…)"),
        ("lambda: 1", "`let:`"),
        ("open", "a text stands in quotes"),
        ("order.number.strip()", "trim(…)"),
        ("[order.id, order.number]", "values of one kind"),
        ("order.number if order.id > 1 else 0", "both must be of one kind"),
        ("lookup('stuff', order.number)", "declares no table stuff"),
        ("lookup(order.number, order.number)", "written down"),
        ("[x for x in order.number]", "a loop runs over a list"),
        ("[x for x in order.extra]", "order.extra.items()"),
        ("[order for order in order.lines]", "something else already"),
        ("default(order.number, 'x')", "always there"),
        ("sum(line.sku for line in order.lines)", "adds numbers"),
        ("f'{order.total:.2f}'", "format_decimal"),
        ("f'{order.buyer}'", "may be absent"),
        ("order.number = 'x'", "compare with `==`"),
        ("order.number && 'x'", "write `and`"),
        ("1e3", "such as 0.10"),
        ("order.lines[order.id]", "written down"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(expression: str, said: str) -> None:
    with pytest.raises(WrongError) as caught:
        Checker(FUNCTIONS, frozenset({"items"})).check(Parsed(expression), scope())

    assert said.replace("; ", ": ") in f"{caught.value.text}: {caught.value.write}".replace("; ", ": ")


@pytest.mark.parametrize(
    ("expression", "wanted", "said"),
    [
        ("order.total", Number(scale=2, precision=19), "may have 5 decimals, and the field keeps 2"),
        ("order.total / 3", Number(scale=5, precision=19), "round(order.total / 3, 5)"),
        ("order.total * order.rate", Number(scale=5, precision=19), "may have 15 decimals"),
        ("0.005", Number(scale=2, precision=19), "0.005 has more than 2 decimals"),
        ("1000000", Number(scale=2, precision=6), "more than 4 digits before the point"),
        ("order.note", Text(), "may be absent"),
        ('"opn"', Text(frozenset({"open", "closed"})), "write one of closed, open"),
        ("order.number", Text(frozenset({"open", "closed"})), "`statuses:`"),
        ("order.status", Text(frozenset({"open", "closed"})), "'new', 'paid', 'void'"),
        ("order.ordered", Text(), 'f"{order.ordered}"'),
    ],
)
def test_what_does_not_fit_a_field_is_said(expression: str, wanted: Type, said: str) -> None:
    with pytest.raises(WrongError) as caught:
        Checker(FUNCTIONS, frozenset()).check(Parsed(expression), scope(), wanted)

    assert said in f"{caught.value.text}: {caught.value.write}"


@pytest.mark.parametrize(
    ("value", "called", "said"),
    [
        ("x * x", "p(order.total, none)", "may have 10 decimals, and the field keeps 2: write round(p(order.total"),
        ("x", "p(order.total, none)", "may have 5 decimals"),
        ("x", "p(order.total / 3, none)", "is a quotient"),
        ("default(y, x)", "p(1.25, order.discount)", "may have 5 decimals"),
        ("x * x", "p(0.5, none)", ""),
        ("x", "p(order.id, none) + round(p(order.total, none), 2)", ""),
        ("round(x * x, 2)", "p(order.total, order.discount)", ""),
    ],
)
def test_what_a_part_makes_of_a_number_has_the_decimals_of_what_it_was_given(
    value: str, called: str, said: str
) -> None:
    part = f"parts:\n  p: {{from: {{x: decimal, y: 'decimal?'}}, to: decimal, value: '{value}'}}\n"
    try:
        told = str(not mapping(f"{part}fields: {{amount: '{called}'}}\n").digest)
    except BrokenMappingError as error:
        told = error.message

    assert said in told if said else told == "False"


@pytest.mark.parametrize("expression", ["order.total", "round(order.total / 3, 2)", "order.id", "0.10", "5"])
def test_what_fits_is_not_complained_of(expression: str) -> None:
    checked = Checker(FUNCTIONS, frozenset()).check(Parsed(expression), scope(), Number(scale=5, precision=19))

    assert checked.code is not None


def test_the_place_of_what_is_wrong_is_told() -> None:
    with pytest.raises(WrongError) as caught:
        Checker(FUNCTIONS, frozenset()).check(Parsed("order.id + Größe + order.number"), scope())

    assert (caught.value.start, caught.value.end) == (11, 16)


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ('f"{order.id} é {order.numbr}"', "order.numbr"),
        ('trim(f"a" "{{b}}" f"{order.number}" f"{upper(order.numbr)} {{}}")', "order.numbr"),
        ("f\"{f'{order.numbr}'}\"", "order.numbr"),
        ('f"""{order.extra["x"]} {order.number[\'a\']}"""', 'order.extra["x"]'),
        ('f"\\N{EN DASH}\\"{order.buyer.name}"', "order.buyer"),
        ('f"{order.id == 7}"', "order.id == 7"),
        ('f"{order.id:>9}"', "{order.id:>9}"),
        ("f'{order.number +} x'", "order.number +"),
    ],
)
def test_the_place_of_what_is_wrong_within_a_text_is_told(expression: str, wrong: str) -> None:
    with pytest.raises(WrongError) as caught:
        Checker(FUNCTIONS, frozenset()).check(Parsed(expression), scope())

    assert caught.value.start == expression.index(wrong)


def test_the_place_of_what_is_wrong_within_a_message_is_told() -> None:
    text = 'it\'s "{order.id}",\n{{not}} {order.numbr} {'
    with pytest.raises(WrongError) as caught:
        Checker(FUNCTIONS, frozenset()).check(Parsed(text.rstrip("{"), template=True), scope())

    assert (caught.value.start, caught.value.end) == (text.index("order.numbr"), text.index("order.numbr") + 11)


def test_a_text_that_never_ends_is_looked_through_once() -> None:
    with pytest.raises(WrongError, match="never closed"):
        Parsed("f'\\N{order {order.number +'")


@pytest.mark.parametrize(("expression", "value"), [('f"{1.0} {1.00}"', "1.0 1.00"), ('f"{1_000.10}{10}"', "1000.1010")])
def test_numbers_in_a_text_are_as_they_were_written(expression: str, value: str) -> None:
    assert worth(expression) == value


def test_an_instant_is_told_in_utc_of_its_own() -> None:
    assert worth("order.ordered") == NOW == datetime(2026, 3, 2, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ('f"{1.000} of {0.1 + 0.20}"', "1.000 of 0.30"),
        ("f\"{f'{1_000.50}'}\"", "1000.50"),
        ('f"{0.1234567890123456789}"', "0.1234567890123456789"),
        ('f"{round(-0.001, 2)} {0.00 * -1}"', "0.00 0.00"),
        ("to_text(0.00 * -1)", "0.00"),
        ("format_decimal(0 * -1.0)", "0.00"),
    ],
)
def test_a_number_is_shown_as_it_was_written_and_zero_has_no_sign(expression: str, text: str) -> None:
    assert worth(expression) == text


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("order.number) + (order.number", "a bracket is closed that was not opened"),
        ('"\\ud800"', "half a character"),
        ('f"\\ud800{order.id}"', "half a character"),
    ],
)
def test_what_is_written_is_one_expression_of_whole_characters(expression: str, said: str) -> None:
    with pytest.raises(WrongError, match=said):
        Parsed(expression)


@pytest.mark.parametrize(
    ("expression", "said"),
    [("to_text(order.ordered)", "has no zone"), ("f\"{date_in(order.ordered, 'UTC')}\"", "has no zone")],
)
def test_an_instant_without_zone_is_nobody_s(expression: str, said: str) -> None:
    with pytest.raises(MappingError, match=said):
        worth(expression, {"ordered": NOW.replace(tzinfo=None)})


def test_the_zone_of_the_machine_is_none() -> None:
    with pytest.raises(MappingError, match="no time zone"):
        worth("date_in(order.ordered, order.number)", {"number": "localtime"})


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (
            'date_in(now, "America/Chicgo")',
            "'America/Chicgo' is no time zone, such as America/Chicago: did you mean Ame",
        ),
        ('today("US/Pacifc")', "did you mean US/Pacific"),
        ('to_instant(order.number, "Chicago")', "is no time zone"),
        ('format_instant(now, "%Q")', "format '%Q': %Q is none of"),
        ('format_date(today("UTC"), "MM/DD/YYYY")', "format 'MM/DD/YYYY' has no signs: write %m/%d/%Y"),
        ('to_date(order.number, "datum")', "has no signs: write %Y-%m-%d"),
        ('rounded_money(order.total, "USX")', "'USX' is no currency of ISO 4217, such as USD: did you mean"),
        ('rounded_money(order.total, "XAU")', "XAU has no smallest unit"),
        ('percent_of(order.total, 5, 2, "halfup")', "rounding 'halfup': one of"),
        ('percent_of(order.total, 5, 2, "halfup")', "did you mean half_up"),
        ("percent_of(order.total, 5, decimals=99)", "decimals '99': from 0 to 15"),
        ('state_code(order.number, "Untied States")', "did you mean United States"),
        ('phone(order.number, "UX")', "'UX' is no country"),
        ('phone("12", "US")', "not a telephone number"),
        ('currency_code("USX")', "'USX' is no currency of ISO 4217"),
        ('to_date("2026-02-30", "%Y-%m-%d")', "2026-02-30"),
        ('country_name("US", "klingon")', "'klingon' is no language"),
        (
            'fit_code_page(order.number, "cp12522")',
            "is no code page known here, such as cp1252 or iso8859-1: did you mean c",
        ),
        ('pad_start(order.number, 5, "ab")', "fill 'ab': one character"),
        ("pad_start(order.number, -1)", "-1 characters: write 0 to 65536"),
        ("digest(order.number, 4)", "from 8 to 64"),
        ('split(order.number, "")', "the mark to look for is empty"),
        ('replace(order.number, "", "x")', "the mark to look for is empty"),
        ('from_epoch(order.id, "msec")', "unit 'msec': one of s, ms"),
        ('instant_of(today("UTC"), "UTC", 24)', "24:0 is no time of a day"),
        ('to_decimal(order.number, ",", ",")', "separators: one character each, and not the same one"),
        ('to_decimal(order.number, ".")', "separators: one character each, and not the same one"),
        (f'like(order.number, "{"a" * 101}")', "the pattern has 101 characters"),
    ],
)
def test_what_is_written_down_for_a_function_is_looked_at_when_it_is_loaded(expression: str, said: str) -> None:
    with pytest.raises(WrongError) as caught:
        Checker(FUNCTIONS, frozenset()).check(Parsed(expression), scope())

    assert said in f"{caught.value.text}: {caught.value.write}"
    assert caught.value.end > caught.value.start


@pytest.mark.parametrize(
    "expression",
    [
        'to_instant(order.number, "", "%Y-%m-%d %z")',
        'to_instant(order.number, "Europe/Vienna", "")',
        'to_integer(order.number, ".")',
        'state_code(order.number, "Austria")',
        'fit_code_page(order.number, "Windows-1252")',
        "to_date(order.number, order.number) == today(order.number)",
        "round(order.total, 2)",
    ],
)
def test_what_functions_can_do_is_let_pass(expression: str) -> None:
    assert Checker(FUNCTIONS, frozenset()).check(Parsed(expression), scope()).code is not None


def test_a_map_loses_no_value_of_a_name_that_comes_twice() -> None:
    order = {**ORDER, "extra": {"a": "1", "A": "2"}}

    with pytest.raises(MappingError, match="'A' comes twice in a map, with two values: put them together first"):
        mapped("fields:\n  more: '{line.sku: f\"{line.price}\" for line in order.lines}'\n")
    with pytest.raises(MappingError, match="'A' comes twice"):
        mapped("fields:\n  more: '{upper(name): value for name, value in order.extra.items()}'\n", order)
    with pytest.raises(MappingError, match="'paid' comes twice"):
        mapped('fields:\n  more: \'{order.status: "x", "paid": "y"}\'\n')
    with pytest.raises(BrokenMappingError, match="a name stands here twice: leave one of them out"):
        mapped('fields:\n  more: \'{"a": order.number, "a": order.status}\'\n')


def test_a_name_that_comes_twice_with_one_value_loses_nothing() -> None:
    made = mapped("fields:\n  more: '{line.sku: order.number for line in order.lines}'\n")

    assert made["more"] == {"A": " W-7 ", "B": " W-7 "}
