"""What is said to somebody new, who writes as another language has it: where it stands, and what to write here."""

import pytest

from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from tests.doubles.small_mappings import mapping


def told(text: str) -> list[str]:
    try:
        _ = mapping(text).compiled
    except BrokenMappingError as error:
        return [str(each).removeprefix("it.yaml:") for each in error.messages]
    return []


NOTE = "lookups: [items]\nfields:\n  note: "

#: As it stands behind `note: `; the column of what is wrong in it, counted from 1; what to write.
EXPRESSIONS = [
    ('f"{default(order.note, "")}"', 4, "write default(order.note, '')"),
    ('f"{order.number} {order.id"', 18, "write } behind the expression"),
    ('"#{order.number}"', 2, "is a comment and nothing else"),
    ("join(line.sku for line in order.lines, ', ')", 6, "put the list in brackets: [line.sku for line in order.lines]"),
    ("order.number | upper", 1, "upper(order.number)"),
    ('f"{order.total / 3}"', 4, "write round(order.total / 3, 2)"),
    ("to_text(order.lines == order.lines)", 9, "ask what you want to know of it: count(order.lines) == 0"),
    ("to_text([order.number] in ['a'])", 9, "any(… for each in [order.number])"),
    ("to_text(count(sorted(order.lines)))", 15, "take one of its fields: line.sku for line in order.lines"),
    (
        "to_text(adds_up(order.total, [order.discount]))",
        30,
        "leave them out: [x for x in [order.discount] if x is not none]",
    ),
    ("to_text(order.lines in [order.lines])", 9, "ask what you want to know of it: count(order.lines) == 0"),
    ("to_text(order.buyer == order.buyer)", 9, "ask for one of its fields: order.buyer.…"),
    ('"{order.number}"', 2, 'within a text as f"{order.number}"'),
    ("{order.number}", 1, "names stand without braces: order.number"),
    ("{{order.number}}", 2, "names stand without braces: order.number"),
    ("${order.number}", 1, "names stand without braces: order.number"),
    ("$.order.number", 1, "names stand as they are: order.number"),
    ("%number%", 1, "names stand as they are: order.number"),
    ("@number", 1, "names stand as they are: order.number"),
    ("2026-01-01", 1, 'write to_date("2026-01-01")'),
    ("2026-12-24", 1, 'write to_date("2026-12-24")'),
    ("2026-12-24T10:00:00Z", 1, 'write to_instant("2026-12-24T10:00:00Z", "America/Chicago")'),
    ("order.ordered > 2026-12-24", 17, 'write to_date("2026-12-24")'),
    ("to_text(order.ordered > '2026-12-24')", 25, "write to_instant('2026-12-24', \"America/Chicago\")"),
    ("1,5", 2, "a decimal has a point: 1.50"),
    ("order.total * 1,5", 16, "a decimal has a point: 1.50"),
    ("f'{order.total,2}'", 3, "call a function such as format_decimal"),
    ("50%", 1, "write 0.05 for 5 %, or percent_of"),
    ("$5.00", 1, "write it with a point: 5.00"),
    ("5.00 USD", 1, "write it with a point: 5.00"),
    ("007", 1, 'a text stands in quotes: "007"'),
    ('if order.note then order.note else ""', 1, "write `a if condition else b`"),
    ('if order.note: order.note else: ""', 1, "write `a if condition else b`"),
    ('order.id > 1 ? "a" : "b"', 14, "write `a if condition else b`"),
    (
        "case when order.id = 1 then 'a' end",
        1,
        "write `a if condition else b`; for many values a map under `statuses:`",
    ),
    ("order.number if order.id > 1", 1, "write … if … else …"),
    ("order.note ?? 'x'", 12, "write default(x, y)"),
    ("order.buyer?.name", 12, 'write default(order.buyer.name, "")'),
    ("order.note && order.number", 12, "write `and`"),
    ("order.note || order.number", 12, 'write `or`; texts are put together as f"{a}{b}"'),
    ("!order.note", 1, "write not order.note"),
    ("to_text(!order.note)", 9, "write `not`"),
    ("order.id = 7", 10, "compare with `==`"),
    ("order.id === 7", 10, "write `==`"),
    ("order.id <> 7", 10, "write `!=`"),
    ("= order.number", 1, "leave it out: the expression stands alone"),
    ("order.id += 1", 10, "give the new value a name under `let:`"),
    ("order.note AND order.number", 12, "write it in small letters"),
    ("order.id between 1 and 5", 10, "write `1 <= x <= 5`"),
    ('order.number LIKE "A%"', 14, 'write like(order.number, "TP-*")'),
    ("order->number", 6, "write a point: order.number"),
    ("order.class", 7, 'write ["class"]'),
    ("return order.number", 1, "leave it out: an expression is its value"),
    ("order.number;", 13, "leave it out"),
    ("order.id ^ 2", 1, "multiply"),
    ("null", 1, "write none, or unset for the field's default"),
    ("to_text(order.note == null)", 23, "write none"),
    ("to_text(order.note is null)", 9, "`is none`"),
    ("TRUE", 1, "write it in small letters"),
    ("yes", 1, "write true"),
    ("~", 1, "write none"),
    ("number", 1, "write order.number"),
    ("input.number", 1, "the record is called order here"),
    ("order.lines.sku", 1, "write [each.sku for each in order.lines], or order.lines[0].sku of the first"),
    ("order.lines[].sku", 12, "write [line.sku for line in order.lines]"),
    ("order.lines[*].sku", 12, "write [line.sku for line in order.lines]"),
    ("order.lines.0.sku", 12, "a place in a list is written order.lines[0]"),
    ("order.lines.length", 1, "write count(order.lines)"),
    ("order.number.length", 1, "write length_of(order.number)"),
    ("order.ordered.year", 1, 'write to_integer(format_instant(order.ordered, "%Y", "America/Chicago"))'),
    ("order.buyer.home.city", 1, 'write default(order.buyer.home.city, "")'),
    ("order['lines'][0]['sku']", 1, "write default(order['lines'][0]['sku'], \"\")"),
    ("order.buyer.hom.city", 1, "did you mean home?"),
    ("order.number()", 1, "write order.number without brackets"),
    ("now()", 1, "write now without brackets"),
    ('coalesce(order.note, "")', 1, "write default(x, y)"),
    ('COALESCE(order.note, "")', 1, "write default(x, y)"),
    ("substring(order.number, 0, 5)", 1, "write x[0:5]"),
    ("iif(order.note, order.note, '')", 1, "write `a if condition else b`"),
    ("isnull(order.note)", 1, "write `x is none`"),
    ("order.number.toUpperCase()", 1, "write upper(…)"),
    ("UPPER(order.number)", 1, "write upper(…)"),
    ("Math.round(order.total)", 1, "write round(…)"),
    ("math.floor(order.total)", 1, 'write round(x, 0, "floor")'),
    ("re.sub('a', 'b', order.number)", 1, "there are no regular expressions"),
    ("uuid()", 1, "the same record must become the same"),
    ("avg(line.price for line in order.lines)", 1, "write round(sum(…) / count(…), 2)"),
    ("order.lines.map(x => x.sku)", 19, "write [line.sku for line in order.lines]"),
    ("map(order.lines, lambda x: x.sku)", 18, "write [line.sku for line in order.lines]"),
    ("sum(line.price in order.lines)", 5, "write `… for line in order.lines`"),
    ("sum(order.lines)", 1, "write sum(each.price for each in order.lines)"),
    ("to_text(order.number == 7)", 25, 'a text stands in quotes: "7"'),
    ('to_text(order.id == "7")', 21, "a number stands without quotes: 7"),
    ("wrap('abc', 0)", 13, "a line has one character or more"),
    ("wrap('abc', 30)", 1, "write join(wrap('abc', 30), \", \"), or wrap('abc', 30)[0] for the first"),
    ('"a" if order.id > 1 else "b"', 5, '\'"a" if order.id > 1 else "b"\''),
    ("order.extra", 1, 'write default(order.extra["name"], "") for one of its values'),
    ('to_text("x" is none)', 9, "leave the condition out"),
    ("to_text(1 is not none)", 9, "leave the condition out"),
    ("to_text(order.buyer == none)", 9, "write order.buyer is none"),
    ("to_text(order.buyer != none)", 9, "write order.buyer is not none"),
    ("to_text(order.note is not null)", 9, "`is not none`"),
    ('upper(" ".join([line.sku for line in order.lines]))', 7, 'write join([line.sku for line in order.lines], " ")'),
    ("to_text(order.total / 3)", 9, "write round(order.total / 3, 2)"),
    ('to_text(order.total / 3, "")', 9, "write round(order.total / 3, 2)"),
    ("order.total / 3", 1, 'write f"{round(order.total / 3, 2)}"'),
    ('to_decimal("5")', 1, 'write to_text(to_decimal("5"))'),
    ("order.ordered - 1 day", 17, 'write add_days(date_in(now, "America/Chicago"), 30) for a day'),
    ("order.ordered + 3600", 1, 'from_epoch(to_epoch(order.ordered, "s") + 3600, "s") for a moment'),
    ('today("UTC") - 3', 1, 'write add_days(today("UTC"), -30)'),
    ('order.ordered.astimezone("Europe/Berlin")', 1, 'write date_in(…, "America/Chicago") for its day there'),
    ("format_date(order.id)", 13, 'write date_in(from_epoch(order.id, "s"), "America/Chicago")'),
    ('order.buyer and order.buyer.name or "guest"', 1, "write `b if a else c`"),
    ('"W-" & order.number', 6, 'texts are put together as f"{a}{b}"'),
]


@pytest.mark.parametrize(("written", "column", "write"), EXPRESSIONS, ids=[each[0] for each in EXPRESSIONS])
def test_who_writes_as_another_language_has_it_is_told_what_is_written_here(
    written: str, column: int, write: str
) -> None:
    (said,) = told(f"{NOTE}{written}\n")

    assert said.startswith(f"8:{column + 8}: ")
    assert write in said


LINES = (
    "fields:\n  lines:\n    each: line in order.lines\n    fields: {item: line.sku, amount: 'round(line.price, 2)'}\n"
)
PART = "parts:\n  p: {from: {x: text}, to: text, value: x}\n"
TURNED = "statuses:\n  s: {{inverts: true, values: {{{}}}\nfields: {{note: s(order.number)}}\n"

#: What stands in the file; line and column, what is said.
FILES = [
    (LINES.replace("line in", "line of"), "8:11", "is no loop: write `line in order.lines`"),
    (LINES.replace("line in ", ""), "8:11", "write `line in order.lines`"),
    (LINES.replace("each: line", "each: for line"), "8:11", "write `line in order.lines`"),
    (LINES.replace("in order.lines", "in lines"), "8:19", "write order.lines"),
    (LINES.replace("lines\n    f", "lines if line.quantity > 0\n    f"), "8:34", "write where: line.quantity > 0"),
    (LINES.replace("each: line in order.lines", "for: line in order.lines"), "8:5", "write each: line in order.lines"),
    (LINES.replace("    fields", "    if: line.quantity > 0\n    fields"), "9:5", "in a loop where:"),
    (LINES.replace("    fields", "    order by: line.sku desc\n    fields"), "9:24", "write `… descending`"),
    ("fields:\n  lines:\n    line of order.lines:\n      item: line.sku\n", "8:5", "write each: line in order.lines"),
    ("fields:\n  lines:\n    each: line in order.lines\n    item: line.sku\n", "9:5", "stands below `fields:`"),
    ("fields:\n  lines: order.lines\n", "7:10", "write a block: `each: item in order.lines` and its `fields:`"),
    ("fields:\n  home: {city: order.number}\n", "7:10", "city: a field stands below `fields:`"),
    ("fields:\n  home.city: order.number\n", "7:3", "write home: and below it fields: with city: …"),
    (LINES.replace("    fields: {item: line.sku, amount: 'round(line.price, 2)'}", "    group by: line.sku\n    "
     "fields: {item: line.sku, amount: 1}"), "10:20", "write key, or sum(line.… for line in group)"),
    ("fields: {key: order.buyer}\n", "5:15", 'write default(order.buyer.name, "")'),
    ("fields: {key: order.discount}\n", "5:15", "default(order.discount, 0)"),
    ("mapping: a/b\nversion: 1\nfrom: shop.Order\nto: erp.Order\nfields: {key: now}\n", "3:7", "{order: shop.Order}"),
    (TURNED.format("a: b, c: b}"), "6:3", "a and c both become b"),
    (TURNED.format("a: b}, otherwise: c"), "6:3", "any other value becomes c"),
    ("fields:\n  note: {when: order.id > 1, value: order.number}\n", "7:30", "order.number if order.id > 1 else …"),
    ("fields:\n  note: {value: order.number}\n", "7:10", "write the expression alone"),
    ("fields:\n  more: '{\"gift\": order.id}'\n", "7:10", 'write {name: f"{value}" for name, value in'),
    ("fields:\n  note = order.number\n", "7:3", "write note: order.number"),
    ("fields:\n  note:order.number\n", "7:3", "write note: order.number"),
    ("Fields:\n  note: order.number\n", "5:1", "did you mean fields?"),
    ("let:\n  - price: order.total\nfields: {}\n", "6:3", "write `name: value` without `- ` before it"),
    ("let: [price, tax]\nfields: {}\n", "5:6", "write `name: value` without `- ` before it"),
    ("let: price = order.total\nfields: {}\n", "5:6", "write `price: order.total` on lines of their own"),
    ("require:\n  - if: order.id > 0\n    say: no\nfields: {}\n", "6:5", "write that: …"),
    ("require:\n  - that: order.id > 0\n    say: f\"is {order.id}\"\nfields: {}\n", "7:10", "write say: is {order.id}"),
    ("require:\n  - that: order.id > 0\n    say: is {order.id\nfields: {}\n", "7:13", "write } behind the expression"),
    ("unmapped: kep in more\nfields: {}\n", "5:11", "did you mean keep in more?"),
    ("unmapped: keep in mor\nfields: {}\n", "5:11", "write keep in more"),
    ("unmapped: error\nfields: {}\n", "5:11", "known are ignore, keep in more, refuse"),
    ("ignored: [order.note]\nfields: {}\n", "5:11", "write unmapped: refuse"),
    ("lookups: items\nfields: {}\n", "5:10", "write lookups: [items]"),
    ("lookups: {items: items.csv}\nfields: {}\n", "5:18", "a table's rows are a CSV file of the deployment"),
    ("lookups: {items: {invert: true}}\nfields: {}\n", "5:19", "write inverts: true"),
    ("statuses:\n  s: {new: open}\nfields: {state: s(order.status)}\n", "6:3", "write values: and its rows below it"),
    ("statuses:\n  s: {values: {new: '\"open\"'}, otherwise: open}\nfields: {}\n", "6:21", "write new: open"),
    ("statuses:\n  - s: {values: {new: open}}\nfields: {}\n", "6:3", "without `- ` before it"),
    (PART + "fields: {note: p(order.id)}\n", "7:37", 'write f"{order.id}"'),
    (PART + "fields: {note: p(order.numbr)}\n", "7:37", "did you mean number?"),
    (PART + "fields: {note: p(order.buyer)}\n", "7:37", "is needed"),
    (PART.replace("text}", "string}") + "fields: {note: p(order.number)}\n", "6:17", "write text"),
    (PART.replace("text,", "str,") + "fields: {note: p(order.number)}\n", "6:28", "write text"),
    (PART.replace("text}", "text?}") + "fields: {note: p(order.note)}\n", "6:21", 'write "text?"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "write"), FILES, ids=[each[0][-60:] for each in FILES])
def test_what_is_wrong_with_a_file_is_said_once_where_it_stands(text: str, place: str, write: str) -> None:
    (said,) = told(text)

    assert said.startswith(f"{place}: ")
    assert write in said


def test_a_part_that_is_called_wrongly_is_not_said_to_be_called_by_nobody() -> None:
    assert told(PART + "fields: {}\n") == ["6:3: nobody calls p: leave the part out"]
    assert len(told(PART + "fields: {note: p(order.id), nte: p(order.number)}\n")) == 2
    assert any(
        "cannot be a name" in each for each in told(PART.replace(" p:", " '\\p(':") + "fields: {note: order.id}\n")
    )


@pytest.mark.parametrize(
    "written",
    [
        "'f\"since 2026-12-24 {order.id}\"'",
        "order.number  # since 2026-12-24",
        '(1, 2)[0] == 1 and "?" != "&&" and order.number or "a"',
        "order.number if order.id // 2 > 1 else '100%'",
    ],
)
def test_what_only_looks_like_another_language_is_let_pass(written: str) -> None:
    assert [each for each in told(f"{NOTE}{written}\n") if "means nothing" in each or "no number" in each] == []


def test_a_value_that_is_named_further_down_is_to_be_moved() -> None:
    said = told("let:\n  a: b + 1\n  b: order.id\nfields:\n  note: to_text(a)\n")

    assert len(said) == 1
    assert said[0].endswith(": b is named further down: move `b:` above what is made of it")
    assert "nothing is called a" in told("let:\n  b: order.id\nfields:\n  note: a\n")[0]


def test_a_field_that_is_missing_is_told_where_fields_stand() -> None:
    written = (
        "mapping: it\nversion: 1\nfrom: {order: canonical.order.Order}\nto: canonical.order.Order\n"
        "fields:\n  number: order.number\n"
    )

    with pytest.raises(BrokenMappingError) as error:
        _ = DataMapping(written.encode(), "it.yaml").compiled

    assert str(error.value.messages[0]).startswith("it.yaml:5:1: Order needs id, ")


@pytest.mark.parametrize("note", ['f"W #{order.id}"', "upper(order.number # as people know it"])
def test_an_expression_that_a_comment_cuts_is_told_so(note: str) -> None:
    (message,) = told(NOTE + note + "\n")

    assert "` #` begins a comment in YAML: put the whole expression in quotes" in message


def test_a_comment_behind_quotes_cuts_nothing() -> None:
    (message,) = told(NOTE + "'upper(order.number'  # as people know it\n")

    assert "close each bracket that is opened" in message


@pytest.mark.parametrize(
    "note", ["\uff4frder.number", "order.\uff4eumber", "\uff55pper(order.number)", "'f\"{\uff4frder.id}\"'"]
)
def test_letters_that_only_look_like_a_name_are_refused(note: str) -> None:
    (message,) = told(NOTE + note + "\n")

    assert "is written with letters that only look so: write " in message


@pytest.mark.parametrize(("item", "place"), [("key.sku", 8), ("line.sku", 8)])
def test_a_group_with_names_has_no_key(item: str, place: int) -> None:
    text = "fields:\n  lines:\n    each: line in order.lines\n    group by: {sku: line.sku}\n"

    (message,) = told(f"{text}    fields: {{item: {item}, amount: 1.00}}\n")

    assert message.startswith(f"{place + 2}:")
    assert "name that stands under `group by:`" in message


def test_a_status_map_that_does_not_say_it_inverts_is_not_turned_round() -> None:
    (message,) = told(
        "statuses: {s: {values: {a: x}, otherwise: y}}\nfields: {note: s_back(order.number), key: s(order.number)}\n"
    )

    assert "there is no function s_back: a status map that says `inverts: true` is turned round so" in message
