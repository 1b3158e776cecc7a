"""What fields say of their values beyond the kind: asked when a mapping is loaded, else of each record."""

from decimal import Context, Decimal, getcontext, localcontext
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from errors import MappingError
from mapping.avro import from_avro
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from mapping.records import Records, type_of
from mapping.shapes import Record, Unreadable
from tests.doubles.small_mappings import NOW, ORDER, mapped, mapping

D = Decimal


class Grade(IntEnum):
    GOOD = 1
    BAD = 2


class Given(msgspec.Struct, frozen=True, kw_only=True):
    d: Decimal = D("1.005")
    ds: tuple[Decimal, ...] = (D("1.5"),)
    by: dict[str, Decimal] = {}
    n: int = 7
    text: str = "abc"
    grade: Grade = Grade.GOOD
    size: Literal[1, 2] = 1


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    money: Annotated[Decimal, msgspec.Meta(extra={"precision": 6, "scale": 2})] = D(0)
    amounts: tuple[Annotated[Decimal, msgspec.Meta(extra={"precision": 6, "scale": 2})], ...] = ()
    named: dict[str, Annotated[Decimal, msgspec.Meta(extra={"precision": 6, "scale": 2})]] = {}
    free: Decimal = D(0)
    small: Annotated[int, msgspec.Meta(ge=0, lt=100)] = 0
    perhaps: Annotated[int, msgspec.Meta(ge=0)] | None = None
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=3)] = "-"
    grade: Grade = Grade.GOOD
    size: Literal[1, 2] = 1
    whole: int = 0
    flag: bool = False


AVRO = from_avro(
    {
        "type": "record",
        "name": "Avro",
        "fields": [
            {"name": "long", "type": "long", "default": 0},
            {"name": "int", "type": ["null", "int"], "default": None},
        ],
    }
)


def made(field: str, expression: str, to: str = "Wanted", **given: Any) -> Any:
    assert isinstance(AVRO, Record)
    text = f"mapping: try/it\nversion: 1\nfrom: {{o: Given}}\nto: {to}\nfields:\n  {field}: |-\n    {expression}\n"
    records = Records({"Given": Given, "Wanted": Wanted, "Avro": AVRO})
    found = DataMapping(text.encode(), "it.yaml", records=records)(Given(**given), Lookups({}), NOW)
    return found[field] if to == "Avro" else getattr(found, field)


@pytest.mark.parametrize(
    ("field", "expression", "given", "reason"),
    [
        ("money", "o.d", {}, "1.005 has more than 2 decimals: write round(…, 2)"),
        ("money", "o.d * o.d", {"d": D("1.01")}, "1.0201 has more than 2 decimals"),
        ("money", 'to_decimal("1.2345")', {}, "1.2345 has more than 2 decimals"),
        ("money", "round(o.d / 7, o.n)", {}, "has more than 2 decimals"),
        ("money", "round(o.d, 2)", {"d": D(10000)}, "10000.00 has more than 4 digits before the point"),
        ("money", "sum(each for each in o.ds)", {"ds": (D(9999), D(1))}, "10000 has more than 4 digits"),
        ("money", "o.n", {"n": 10**9}, "1000000000 has more than 4 digits"),
        ("amounts", "o.ds", {"ds": (D(1), D("0.001"))}, "0.001 has more than 2 decimals"),
        ("named", "o.by", {"by": {"a": D("0.001")}}, "0.001 has more than 2 decimals"),
        ("small", "o.n - 8", {}, "-1 is less than 0, the least there"),
        ("small", "o.n * 20", {}, "140 is more than 99, the most there"),
        ("perhaps", "o.n - 8 if o.n > 1 else none", {}, "-1 is less than 0"),
        ("code", "o.text + o.text", {}, "has 6 characters, and the field holds 3: write cut(…, 3)"),
        ("code", "trim(o.text)", {"text": " "}, "has 0 characters, and the field wants 1 or more"),
        ("free", "o.d", {"d": D("NaN")}, "NaN is no number"),
        ("money", "round(o.d + 1, 2)", {"d": D("NaN")}, "NaN is no number"),
        ("money", "o.d", {"d": D("Infinity")}, "Infinity is no number"),
        ("money", "o.d", {"d": D("-10000")}, "-10000 has more than 4 digits before the point"),
        ("money", "o.d", {"d": D("-9999.999")}, "-9999.999 has more than 2 decimals"),
        ("money", "o.d", {"d": D("1E+90")}, "1E+90 has more than 4 digits before the point"),
        ("money", "o.d", {"d": D("1E-600")}, "1E-600 has more than 2 decimals"),
        ("flag", "o.d > 5", {"d": D("Infinity")}, "Infinity is no number"),
        ("flag", "1 < o.d", {"d": D("Infinity")}, "Infinity is no number"),
        ("flag", "o.d == 5", {"d": D("NaN")}, "NaN is no number"),
        ("free", "5 / o.d", {"d": D("Infinity")}, "Infinity is no number"),
        ("free", "5.0 // o.d", {"d": D("-Infinity")}, "-Infinity is no number"),
        ("free", "max(o.d, 5)", {"d": D("Infinity")}, "Infinity is no number"),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_refused_with_the_field(
    field: str, expression: str, given: dict[str, Any], reason: str
) -> None:
    with pytest.raises(MappingError) as refused:
        made(field, expression, **given)

    assert refused.value.field == field
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    ("expression", "reason"),
    [("9223372036854775807 + o.n", "the most there"), ("-9223372036854775807 - o.n", "the least there")],
)
def test_a_long_of_avro_has_64_bits(expression: str, reason: str) -> None:
    with pytest.raises(MappingError, match=reason):
        made("long", expression, to="Avro")
    with pytest.raises(MappingError, match="2147483647"):
        made("int", "o.n * 1000000000", to="Avro")


@pytest.mark.parametrize(
    ("field", "expression", "given", "value"),
    [
        ("money", "o.d", {"d": D("1.5000")}, D("1.5")),
        ("money", "-9999.99", {}, D("-9999.99")),
        ("money", "o.d", {"d": D("-9999.99000")}, D("-9999.99")),
        ("money", "o.d", {"d": D("0E+20")}, D(0)),
        ("money", "o.n", {}, D(7)),
        ("amounts", "[round(each, 2) for each in o.ds if each > 9]", {}, ()),
        ("perhaps", "none", {}, None),
        ("small", "o.n", {}, 7),
        ("code", "o.text", {}, "abc"),
        ("grade", "2 if o.n == 7 else 1", {}, Grade.BAD),
        ("grade", "o.grade", {}, Grade.GOOD),
        ("size", "o.size", {"size": 2}, 2),
        ("flag", "o.size == 1 and o.grade in [1]", {}, True),
        ("whole", "o.grade + o.size", {}, 2),
        ("code", 'f"{o.grade}{o.size}"', {}, "11"),
    ],
)
def test_a_value_that_fits_stays_as_it_is(field: str, expression: str, given: dict[str, Any], value: Any) -> None:
    assert made(field, expression, **given) == value


def test_a_number_that_fits_keeps_its_digits() -> None:
    assert str(made("money", "o.d", d=D("1.5"))) == "1.5"


@pytest.mark.parametrize(
    ("field", "expression", "said"),
    [
        ("small", "100", "100 is impossible here: 99 is the most"),
        ("small", "-1", "-1 is impossible here: 0 is the least"),
        ("small", "5 if o.n > 1 else 400", "400 is impossible here"),
        ("code", '"abcd"', "'abcd' has 4 characters, and the field holds 3"),
        ("code", '"a" if o.n > 1 else ""', "'' has 0 characters, and the field wants 1 or more"),
        ("grade", "3", "3 is impossible here: write one of 1, 2"),
        ("size", "o.n", "may be any whole number, and only 1, 2 are possible"),
        ("size", '"2"', "is text, and one of 1, 2 is needed"),
        ("flag", "o.size == 3", "3 is impossible here"),
        ("flag", 'o.size == "1"', "is text, compared with one of 1, 2"),
    ],
)
def test_what_is_written_down_is_held_against_the_field_when_it_is_loaded(
    field: str, expression: str, said: str
) -> None:
    with pytest.raises(BrokenMappingError) as caught:
        made(field, expression)

    assert said.replace(": ", " ") in caught.value.message.replace(": ", " ").replace("; ", " ")


def test_a_long_is_held_against_what_is_written_down() -> None:
    with pytest.raises(BrokenMappingError, match="impossible"):
        made("long", "99999999999999999999999", to="Avro")


class Odd(Enum):
    A = "a"


@pytest.mark.parametrize("kind", [Odd, Literal["a", 1]])
def test_values_that_are_not_what_they_are_written_as_cannot_be_read(kind: Any) -> None:
    assert isinstance(type_of(kind), Unreadable)


def test_from_a_field_that_says_the_same_nothing_is_asked() -> None:
    assert isinstance(AVRO, Record)
    text = "mapping: try/it\nversion: 1\nfrom: {o: Avro}\nto: Avro\nfields: {long: o.long, int: o.int}\n"

    source = DataMapping(text.encode(), "it.yaml", records=Records({"Avro": AVRO})).compiled.source

    assert "_whole" not in source


@pytest.mark.parametrize(
    "text",
    [
        "fields: {amount: 'round(order.total / 3, 2)'}",
        "fields: {amount: 'round(-order.total, 2)'}",
        "fields: {amount: 'round(abs(order.total), 2)'}",
        "fields: {amount: 'round(sum(line.price for line in order.lines), 2)'}",
        "fields: {amount: 'percent_of(order.total, 8.25)'}",
        "fields: {texts: '[to_text(line.price) for line in order.lines if line.price * 3 > 5]'}",
        "fields: {note: 'f\"{order.total} {-order.total}\"'}",
        "fields: {whole: 'whole(order.total)'}",
        "parts:\n  p: {from: {x: decimal}, to: decimal, value: 'round(x * 2, 2)'}\nfields: {amount: p(order.total)}",
        "require: [{that: order.total + 0.00001 > order.total, say: no}]\nfields: {}",
        "fields: {amount: 'round(order.total, 2)', note: trim(order.number)}",
        "unmapped: keep in more\nfields: {more: '{}'}",
    ],
)
def test_numbers_are_worked_out_the_same_whoever_calls(text: str) -> None:
    order = {"total": D("1234567.00000"), "lines": [{**ORDER["lines"][0], "price": D("123456.78901")}] * 2}
    usual = mapped(f"{text}\n", order)

    with localcontext(Context(prec=3)) as narrow:
        found = mapped(f"{text}\n", order)
        assert getcontext() is narrow

    assert found == usual


def test_a_rule_counts_within_the_same_bounds() -> None:
    def third(amount: Decimal) -> Decimal:
        return amount / 3

    run = mapping("rules: [third]\nfields: {amount: 'round(third(order.total), 2)'}\n", third=third)

    with localcontext(Context(prec=3)):
        assert run(ORDER, Lookups({}), NOW)["amount"] == D("6.67")
        assert run({**ORDER, "total": D("12345.6")}, Lookups({}), NOW)["amount"] == D("4115.20")
