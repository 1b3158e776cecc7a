"""Mappings of strangers who want out, or want all of the machine: nothing outside is reached, time and memory end."""

import ast
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import MappingError
from mapping import runtime
from mapping.checker import Checker
from mapping.differences import shown
from mapping.expressions import Parsed
from mapping.functions import CALL, FUNCTIONS, USUAL_CALL, WORK
from mapping.functions.description import word
from mapping.messages import BrokenMappingError, WrongError
from mapping.port import Lookups
from mapping.signatures import library
from tests.doubles.small_mappings import NOW, ORDER, mapping, scope, worth

#: Far above what any of these takes, far below what one that is not bounded would.
MOST_S = 20.0
MOST_BYTES = 300 * 1024 * 1024
LONG = {
    **ORDER,
    "note": "n" * 60_000,
    "lines": [{**ORDER["lines"][0], "sku": f"S{place}", "tags": ["t"] * 20} for place in range(3_000)],
}


@contextmanager
def bounded(most_bytes: int = MOST_BYTES, most_s: float = MOST_S) -> Iterator[None]:
    # the peak is counted anew from here; tracemalloc would make everything four times slower
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = peak_bytes(), time.process_time()
    yield
    assert peak_bytes() - before < most_bytes
    assert time.process_time() - begun < most_s


def peak_bytes() -> int:
    told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert told is not None
    return int(told[1]) * 1024


WAYS_OUT = [
    "().__class__.__bases__[0].__subclasses__()",
    "order.__class__",
    "order.number.__class__",
    "order['__class__']",
    "trim.__globals__",
    "trim.__wrapped__",
    "order.number.format(order)",
    '"{0.__class__}".format(order)',
    'f"{order.__class__}"',
    'f"{order!r}"',
    'f"{order.total:>99999999}"',
    '"%s" % order.number',
    '"%99999999d" % order.id',
    '__import__("os").system("id")',
    'eval("1")',
    'exec("1")',
    'open("/etc/passwd")',
    "globals()",
    "getattr(order, 'number')",
    "vars()",
    "print(order)",
    "lambda: 1",
    "(lambda x: x)(1)",
    "[x := 1, x][0]",
    "(yield 1)",
    "await order",
    "[x async for x in order.lines]",
    "*order",
    "trim(*[order.number])",
    'trim(**{"text": "a"})',
    "order.lines[0:1:1]",
    "order.lines[order.id]",
    "order.gi_frame",
    "(x for x in order.lines).gi_frame",
    "[c for c in order.lines].append(1)",
    "order.extra.items",
    "order.extra.update({})",
    "order.extra.keys()",
    "_lookups",
    "_lookups._tables",
    "_steps",
    "_steps._left",
    "_Decimal",
    "_refuse('x')",
    "now.__class__",
    "now.tzinfo",
    "now.astimezone()",
    "ｏｒｄｅｒ.＿＿ｃｌａｓｓ＿＿",
    "оrder.number",
    "order.nu\u0301mber",
    "order.number if ().__class__ else ''",
    "sum((order.__class__ for x in order.lines))",
    "[[].__class__ for x in order.lines]",
    "{order.__class__: 1 for x in order.lines}",
    "default(order.__dict__, 1)",
    "default(order.buyer.__dict__.x, 1)",
    "lookup('connection:shop', 'password')",
    "has_row('connection:shop', 'password')",
    "lookup_back('connection:shop', 'x')",
    "9 ** 9 ** 9",
    "1 << 99999999",
    "'a' * 999999999",
    "[0] * 999999999",
    "9" * 5_000,
    "1e999999999",
    "1.0e999999999",
    "1j",
    "0x" + "f" * 500,
    "b'x'",
    "...",
    "{1, 2}",
    "a" * 5_000,
    "-" * 1_900 + "1",
    "(" * 900 + "1" + ")" * 900,
    "[" * 900 + "1" + "]" * 900,
    "not " * 450 + "1",
    "1" + "+1" * 900,
    "order.id" + " or order.id" * 150,
    "\x00",
    "\ud800",
    "order\u202e.number",
    "\f\v order . number #" + "x" * 3_000,
]


@pytest.mark.parametrize("expression", WAYS_OUT)
def test_nothing_outside_is_named(expression: str) -> None:
    with pytest.raises(WrongError):
        Checker(library(), frozenset({"items"})).check(Parsed(expression), scope())


_PIECES = st.sampled_from(
    [
        "order", "order.number", "order.lines", "order.note", "order.buyer", "order.extra", "order.total", "order.id",
        "to_ascii", "like", "spread", "sorted", "[0:9]",
        "now", "x", "x.sku", "__class__", "__import__", "trim", "sum", "default", "join", "upper", "lookup", "count",
        "replace", "pad_start", "split", '"a"', "'%s'", '"{}"', "1", "0", "0.1", "999999999999999999", "none", "true",
        "unset", "\\", "\n", "é", "＿", "а", "#", "{", "}", "f'",
    ]
)  # fmt: skip
_EXPRESSIONS = st.recursive(
    _PIECES,
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "and", "or", "==", "<", "in", "is", "@", "|"]),
            inner,
        ).map(" ".join),
        st.tuples(inner, inner).map(lambda two: f"{two[0]}({two[1]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"{three[0]}({three[1]}, {three[2]})"),
        st.tuples(inner, inner).map(lambda two: f"{two[0]}[{two[1]}]"),
        st.tuples(inner, inner).map(lambda two: f"{two[0]}.{two[1]}"),
        st.tuples(inner, inner, inner).map(lambda three: f"{three[0]} if {three[1]} else {three[2]}"),
        st.tuples(inner, inner).map(lambda two: f"[{two[0]} for x in {two[1]}]"),
        st.tuples(inner, inner, inner).map(lambda three: f"sum({three[0]} for x in {three[1]} if {three[2]})"),
        st.tuples(inner, inner).map(lambda two: f"{{{two[0]}: {two[1]} for x, y in order.extra.items()}}"),
        inner.map(lambda one: f'f"{{{one}}}"'),
        inner.map(lambda one: f"({one})"),
        inner.map(lambda one: f"not {one}"),
    ),
    max_leaves=12,
)
_METHODS = {"strip", "upper", "lower", "isoformat", "get", "find", "items", "join"} | {
    each for each in vars(runtime.Steps) if not each.startswith("_")
}
_NAMES = {"order", "now", "_lookups", "_steps", "x", "y", *runtime.NAMES}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(_EXPRESSIONS)
def test_whatever_is_written_is_refused_or_made_of_known_parts(expression: str) -> None:
    checker = Checker(library(), frozenset({"items"}))
    try:
        typed = checker.check(Parsed(expression), scope())
    except WrongError:
        return

    for node in ast.walk(typed.code):
        if isinstance(node, ast.Name):
            assert node.id in _NAMES | set(checker.constants) | set(checker.called) or node.id.startswith("_v")
        if isinstance(node, ast.Attribute):
            assert node.attr in _METHODS
    with suppress(MappingError, ArithmeticError, ValueError):
        worth(expression)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda some: some.decode("latin-1")))
def test_any_text_is_refused_or_read(text: str) -> None:
    with suppress(BrokenMappingError):
        _ = mapping(text).compiled


DOUBLED = "let:\n  a0: order.number\n" + "".join(f'  a{n + 1}: f"{{a{n}}}{{a{n}}}"\n' for n in range(60))
SQUARED = "let:\n  a0: order.id + 10\n" + "".join(f"  a{n + 1}: a{n} * a{n}\n" for n in range(60))
GROWN = "let:\n  a0: order.total\n" + "".join(f"  a{n + 1}: a{n} * a{n}\n" for n in range(60))
PARTS = "parts:\n  p0: {from: {x: text}, to: text, value: x}\n" + "".join(
    f"  p{n + 1}: {{from: {{x: text}}, to: integer, value: 'count([p{n}(x), p{n}(x)])'}}\n"
    if n == 0
    else f"  p{n + 1}: {{from: {{x: text}}, to: integer, value: 'p{n}(x) + p{n}(x)'}}\n"
    for n in range(40)
)


@pytest.mark.parametrize(
    "text",
    [
        DOUBLED + "fields: {}\n",
        SQUARED + "fields: {}\n",
        GROWN + "fields: {}\n",
        "fields:\n  whole: count(1 for a in order.lines for b in order.lines for c in order.lines)\n",
        "fields:\n  whole: count(1 for a in order.lines for b in order.lines)\n",
        "fields:\n  texts: '[f\"{default(order.note, a.sku)}{b.sku}\" for a in order.lines for b in order.lines]'\n",
        "fields:\n  texts: '[upper(default(order.note, \"\")) for a in order.lines for b in a.tags]'\n",
        "let:\n  n: order.note or ''\nfields:\n  texts: '[pad_start(n, 65000, \"x\") for a in order.lines for b in a.tags]'\n",  # noqa: E501
        "let:\n  a: '[order.lines for l in order.lines]'\nfields:\n  whole: count(1 for x in a for y in x)\n",
        "let:\n  a: '[order.note or \"\" for l in order.lines]'\nfields:\n  texts: '[upper(x) for x in a]'\n",
        "let:\n  a: '[order.note or \"\" for l in order.lines]'\nfields:\n  note: join(a)\n",
        "let:\n  a: '[order.note or \"\" for l in order.lines]'\nfields:\n  note: replace(order.note or '', 'n', order.note or '')\n",  # noqa: E501
        "let:\n  a: '[[l.sku for l in order.lines] for m in order.lines]'\nfields: {}\n",
        "fields:\n  lines:\n    each: a in order.lines\n    let: {t: 'sum(b.price * c.price for b in order.lines for c in order.lines for d in a.tags)'}\n    fields: {item: a.sku, amount: 'round(sum(b.price for b in order.lines), 2)'}\n",  # noqa: E501
        "fields:\n  lines:\n    each: a in order.lines for b in order.lines for c in order.lines\n    fields: {item: a.sku, amount: '1'}\n",  # noqa: E501
        "parts:\n  p: {from: {x: text, o: shop.Order}, to: text, value: 'join([trim(x) for l in o.lines])'}\nfields:\n  texts: '[p(a.sku, order) for a in order.lines]'\n",  # noqa: E501
    ],
    ids=lambda text: text[-60:].strip(),
)
def test_work_and_memory_end(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "STEPS_LIMIT", runtime.STEPS_LIMIT // 5)  # to be through sooner

    with bounded(), pytest.raises(MappingError):
        mapping(text)(LONG, Lookups({}), NOW)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "a: " + "[" * 30_000,
        "a: " + "{b: " * 8_000,
        "- " * 30_000,
        "? " * 30_000,
        "a: " + "x" * 30_000 + "\n",
        "a: |\n" + "  x\n" * 30_000,
        "\n".join(f"a{n}: 1" for n in range(700)),
        "let:\n" + "".join(f"  a{n}: b{n}\n" for n in range(500)) + "fields: {}\n",
        "let:\n" + "".join(f"  a{n}: {n}\n" for n in range(500)) + "fields: {}\n",
        "fields:\n" + "".join(f"  a{n}: {n}\n" for n in range(500)),
        "statuses:\n  s:\n    values:\n"
        + "".join(f"      a{n}: {n}\n" for n in range(500))
        + "fields: {note: s('a')}\n",
        "!!python/object/apply:os.system ['id']",
        "a: !!python/name:os.system",
        "%TAG ! tag:x,2000:\n---\na: !b c\n",
        "a: '" + "''" * 30_000 + "'",
        'a: "' + "\\u0061" * 8_000 + '"',
        "# " + "é" * 30_000,
    ],
    ids=lambda text: text[:24],
)
def test_a_file_is_read_or_refused_in_time(text: str) -> None:
    with bounded(), suppress(BrokenMappingError):
        _ = mapping(text).compiled


def test_parts_that_multiply_are_refused() -> None:
    with bounded(), pytest.raises(BrokenMappingError) as caught:
        _ = mapping(PARTS + "fields: {whole: 'p40(order.number)'}\n").compiled

    assert "more than 30000 parts" in caught.value.message


#: One record, and what a mapping makes of it; none of these was in a loop, or paid for what it made there.
DEAR = {
    "texts a function makes": "fields:\n  texts: '[pad_start(l.sku, 65000, \"😀\") for l in order.lines]'\n",
    "fields a function makes": (
        "fields:\n  lines:\n    each: l in order.lines\n"
        "    fields: {item: 'pad_start(l.sku, 65000, \"😀\")', amount: '1'}\n"
    ),
    "a part's list": (
        "parts:\n  p: {from: {x: text}, to: 'list[text]', value: '["
        + ", ".join(["pad_start(x, 65000, x)"] * 48)
        + "]'}\nlet:\n"
        + "".join(f'  a{n}: p("😀")\n' for n in range(140))
        + "fields: {}\n"
    ),
    "named texts": "let:\n" + "".join(f'  a{n}: pad_start("é", 65000, "é")\n' for n in range(400)) + "fields: {}\n",
    "pieces of a text": "let:\n" + "".join(f"  a{n}: order.note or ''\n  b{n}: a{n}[1:]\n" for n in range(300)),
    "pieces of a list": "let:\n" + "".join(f"  a{n}: order.lines[0:2999]\n" for n in range(500)),
    "shares": "let:\n  w: '[l.price for l in order.lines]'\n" + "".join(f"  a{n}: spread(1, w)\n" for n in range(99)),
    "a pattern": (
        f"fields:\n  whole: count(1 for a in order.lines for b in order.lines if like('{'a' * 900}', '{'*a' * 40}'))\n"
    ),
    "what is a turn's own": (
        'fields:\n  whole: count(1 for l in order.lines if to_ascii(pad_start(l.sku, 30000, "é")) == "")\n'
    ),
    "a list looked through": (
        "let:\n  s: '[l.sku for l in order.lines]'\nfields:\n  whole: count(1 for l in order.lines if 'z' in s)\n"
    ),
    "texts compared": (
        "let:\n  s: default(order.note, '') + 'a'\n  t: default(order.note, '') + 'a'\n"
        "fields:\n  whole: count(1 for l in order.lines for m in l.tags if s == t)\n"
    ),
    "texts put in order": (
        "let:\n  s: '[default(order.note, \"\") for l in order.lines]'\n  t: sorted(s)\n  u: distinct(s)\n"
    ),
    "blanks": ("let:\n  s: '[pad_start(\"\", 60000) for l in order.lines]'\n  t: join(s)\n  u: first_filled(s)\n"),
    "parts that take what is for nothing": (
        "parts:\n  p: {from: {x: text}, to: text, value: 'trim(pad_start(x, 65000, \"é\"))'}\nlet:\n"
        + "".join(f"  a{n}: p('a')\n" for n in range(300))
    ),
}


@pytest.mark.parametrize("text", DEAR.values(), ids=DEAR)
def test_what_is_made_or_looked_at_is_paid(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "STEPS_LIMIT", runtime.STEPS_LIMIT // 5)
    made = mapping(text if "fields:" in text else text + "fields: {}\n")
    _ = made.compiled

    with bounded(100 * 1024 * 1024, 3.0), pytest.raises(MappingError, match=r"too long|characters") as refused:
        made(LONG, Lookups({}), NOW)
    assert refused.value.field


@pytest.mark.parametrize("name", ["upper", "lower"])
def test_what_is_for_nothing_is_no_longer_than_a_text_may_be(name: str) -> None:
    made = mapping("let:\n" + "".join(f"  a{n}: {name}(order.number)\n" for n in range(99)) + "fields: {}\n")

    with pytest.raises(MappingError, match="more than 65536"):
        made({**ORDER, "number": "\ufb03" * 200_000}, Lookups({}), NOW)


def test_ten_thousand_ordinary_lines_are_not_too_much() -> None:
    text = """
fields:
  lines:
    each: l in order.lines
    number: n
    where: l.quantity > 0
    fields:
      item: |-
        f"{n} {upper(trim(l.sku))} {pad_start(l.sku, 10)} {squeeze(l.sku)} {before(l.sku, '-')}"
      amount: round(l.price * l.quantity, 2)
  amount: round(sum(l.price * l.quantity for l in order.lines), 2)
  texts: '[left(l.sku, 3) for l in order.lines if like(l.sku, "TP-*")]'
"""
    lines = [{**ORDER["lines"][0], "sku": f"TP-{place}-RED"} for place in range(10_000)]

    found = mapping(text)({**ORDER, "lines": lines}, Lookups({}), NOW)

    assert len(found["lines"]) == len(found["texts"]) == 10_000


@pytest.mark.parametrize("name", WORK)
def test_what_takes_long_is_paid_for_as_long(name: str) -> None:
    function = FUNCTIONS[name]
    kinds: dict[str, Any] = {"text": "é" * 2_000, "list[text]": ["é" * 8] * 2_000, "list[text?]": ["é" * 8] * 2_000}
    kinds |= {"list[decimal]": [Decimal("1.25")] * 2_000, "map[text]": {f"{n}": f"{n}" for n in range(2_000)}}
    kinds |= {"map[text?]": kinds["map[text]"], "decimal": Decimal(1), "integer": 2, "date": NOW.date()}
    given = {each.name: kinds[word(each.type)] for each in function.parameters if each.required}
    handed_on = {each: Lookups({}) for each in function.handed_on}

    took = []
    for _ in range(4):  # the first reads tables
        begun = time.process_time_ns()
        with suppress(MappingError):
            function.call(**handed_on, **given)
        took.append(time.process_time_ns() - begun)

    # twice as long where letters have accents, more where others use the machine
    assert min(took) < 6 * WORK[name] * 2_000


#: What takes long of what is short: numbers, names, what is none; by parameter where any text would be refused at once.
SHORT = ("1234567890", "+1 512 555 0100", "Texas", "US", "a", "1.25")
MEANT = {"country": "US", "zone": "America/Chicago", "state": "TX", "code_page": "cp1252"}


def taken(name: str) -> float:
    """Nanoseconds of a call with what is short, of the worst it was given."""
    function = FUNCTIONS[name]
    handed_on = {each: Lookups({}) if each == "lookups" else NOW for each in function.handed_on}
    worst = 0.0
    for text in SHORT:
        kinds: dict[str, Any] = {"decimal": Decimal("1.25"), "integer": 2, "date": NOW.date(), "instant": NOW}
        kinds |= {"list[decimal]": [Decimal("1.25")], "boolean": True}
        for kind in ("text", "any", "text?"):
            kinds[kind] = text
        given = {
            each.name: MEANT.get(each.name)
            or kinds.get(word(each.type), {text: text} if "map" in word(each.type) else [text])
            for each in function.parameters
            if each.required or each.name in MEANT
        }
        took = []
        for _ in range(5):  # the first reads tables
            begun = time.process_time_ns()
            for _ in range(5):
                with suppress(MappingError):
                    function.call(**handed_on, **given)
            took.append((time.process_time_ns() - begun) / 5)
        worst = max(worst, min(took))
    return worst


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_call_is_paid_though_what_it_is_given_is_short(name: str) -> None:
    def is_paid() -> bool:
        # beside another one, so that neither the machine nor who else uses it matters
        beside = taken("is_date") / CALL["is_date"]
        return taken(name) < 4 * beside * CALL.get(name, USUAL_CALL)

    # a busy machine may disturb one of the two
    assert any(is_paid() for _ in range(3))


@pytest.mark.parametrize("name", ["is_date", "is_phone", "is_state", "is_country", "contains"])
def test_a_loop_pays_each_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"is_date": "a.sku", "is_country": "a.sku", "contains": "a.sku, b.sku"}.get(name, 'a.sku, "US"')
    made = mapping(f"fields:\n  whole: count(1 for a in order.lines for b in order.lines if {name}({arguments}))\n")
    order = {**ORDER, "lines": [{**ORDER["lines"][0], "sku": "1234567890"}] * 20}
    calls = len(order["lines"]) ** 2 * CALL.get(name, USUAL_CALL) // runtime.STEP

    monkeypatch.setattr(runtime, "STEPS_LIMIT", calls)
    with pytest.raises(MappingError, match="too long"):
        made(order, Lookups({}), NOW)
    monkeypatch.setattr(runtime, "STEPS_LIMIT", calls * 3)
    made(order, Lookups({}), NOW)


def test_whatever_a_mapping_ends_in_is_its_record_s_and_names_the_field() -> None:
    def ends(text: str) -> str:
        raise ENDS[text]

    for name, error in ENDS.items():
        with pytest.raises(MappingError) as refused:
            mapping("rules: [ends]\nfields:\n  note: ends(order.number)\n", ends=ends)({**ORDER, "number": name}, *REST)
        assert refused.value.field == "note"
        assert type(error).__name__ in refused.value.reason or "memory" in refused.value.reason


ENDS = {"memory": MemoryError(), "name": UnboundLocalError("x"), "depth": RecursionError(), "own": LookupError("x")}
REST = (Lookups({}), NOW)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"number": 5}, "order.number is a whole number, and its record says text"),
        ({"buyer": 5}, "order.buyer is a whole number, and its record says Buyer, or absent"),
        ({"lines": [{**ORDER["lines"][0], "quantity": "2"}]}, "order.lines[1].quantity is text"),
        ({"lines": [{"sku": "a"}]}, "order.lines[1].quantity is missing"),
        ({"extra": {"gift": True}}, "order.extra[…] is true or false, and its record says text"),
    ],
)
def test_a_record_that_is_not_as_its_fields_say_is_told_by_kinds(order: dict[str, Any], said: str) -> None:
    text = (
        "fields:\n  note: trim(order.number)\n"
        "  home: {when: order.buyer is not none, fields: {city: order.buyer.name}}\n"
        "  texts: '[trim(l.sku) for l in order.lines if l.quantity > 1]'\n"
        "  more: '{name: trim(value) for name, value in order.extra.items()}'\n"
    )

    with pytest.raises(MappingError, match=re.escape(said)):
        mapping(text)({**ORDER, **order}, Lookups({}), NOW)


def test_there_is_no_builtin_in_the_code() -> None:
    function: Any = mapping("\nfields: {note: order.number}\n").compiled.function

    assert function.__globals__["__builtins__"] == {}


def test_what_is_shown_of_a_list_that_holds_the_same_many_times_over_has_an_end() -> None:
    value: tuple[Any, ...] = (1,)
    for _ in range(60):
        value = (value, value, value)
    with bounded(most_s=5.0):
        assert len(shown(value)) < 500_000
    assert shown({"a": (1, "x")}) == '{"a":[1,"x"]}'


def test_what_a_terminal_obeys_is_told_in_letters() -> None:
    with pytest.raises(BrokenMappingError) as told:
        mapping('fields: {"\\e[2Jx": order.id, "a\\nb": order.id}\n').require_runnable()

    assert "ErpOrder has no field \\x1b[2Jx" in told.value.message
    assert len(told.value.message.splitlines()) == len(told.value.messages)
