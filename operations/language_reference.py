"""The page docs/reference/mapping-language.md: keys, expressions and bounds, from the tables the code itself uses."""

from mapping.checker import FREE
from mapping.expressions import DEEPEST, MOST_CHARACTERS, MOST_NODES
from mapping.nodes.expression import MOST_WORK
from mapping.reader import MOST_BYTES
from mapping.runtime import STEPS_LIMIT, TEXT_LIMIT
from mapping.spec import BLOCK_KEYS, FILE_KEYS, LOOKUP_KEYS, PART_KEYS, REQUIRE_KEYS, ROUND_TRIP_KEYS, STATUS_KEYS

_HEAD = """# The mapping language

<!-- made by `make reference` from mapping/; write there -->

A mapping is a YAML file of expressions. How to write one: [write-a-mapping](../how-to/write-a-mapping.md); why it is
as it is: [0050](../decisions/0050-the-mapping-language.md); what can be called: [functions](mapping-functions.md);
what can be read and made: [records](records.md). Editors complete and check with `mapping/mapping.schema.json`.
"""

_EXPRESSIONS = f"""## Expressions

| | such as |
|---|---|
| a field | `order.buyer.name`; of a map `order.extra["gift"]`, of a list `order.lines[0]`: perhaps absent |
| a field with an odd name | `order["class"]`, `order["_id"]` |
| a value of any kind | `to_text(order.any["gift"], "")`; `decimal_of(…, 0)`, `boolean_of`, `list_of`, `map_of` |
| a floating number | `round(decimal_of(order.weight), 3)`; a field that holds one takes decimals |
| a part of a text | `sku[0:8]` |
| a text, a number, a truth, nothing | `"open"`, `0.10`, `true`, `none` |
| the field's own default | `unset` |
| arithmetic | `+ - * / // %`, decimals throughout; a quotient must be rounded: `round(x, 2, "half_up")` |
| texts put together | `f"{{first}} {{last}}"`, `first + " " + last` |
| comparison | `== != < <= > >=`, `in`, `not in`, `is none`, `is not none`; `0 < x <= 5`; a list only with `["a"]` |
| condition | `a if x > 0 else b`, `and`, `or`, `not`; texts and lists hold when they are not empty |
| what may be absent | `default(a.b.c, d)`; `a.b if a is not none else d`; `x or y` for texts and lists |
| lists | `[line.sku for line in order.lines if line.tax > 0]`, `for a, b in zip(one, other)` |
| turns with their place | `for n, line in enumerate(order.lines)`, from 0 on; `enumerate(order.lines, 1)`, from 1 on |
| lists together | `one + other`; in order `sorted(…)`, `sorted(…, reverse=true)`, once each `distinct(…)` |
| maps | `{{name: trim(value) for name, value in order.extra.items()}}`, `{{"gift": order.gift}}`; one value a name |
| of many, one | `sum(…)`, `min(…)`, `max(…)`, `count(…)`, `any(…)`, `all(…)`, `first(…)`, `join(…)` |
| a call | `upper(order.unit)`, or behind its first value: `order.unit.upper()` |
| the event's time | `now` |

There is nothing else: no powers, no formats behind `:` or `!` in texts, no lambda, no names beginning with `_`.

## A list of several kinds of lines

Under a field that is a list, what stands below each other adds to it in turn: a block with `each:` a record for each
turn, one with `when:` a record if it holds (else what its `otherwise:` says, if anything), any other block a record, an
expression its value, or all of them if it is a list. `number:` counts through.

```yaml
lines:
  - each: line, share in zip(order.lines, shares)
    number: n
    fields: {{line_id: to_text(n), sku: line.sku, extended: line.extended - share}}
  - when: rest != 0
    number: n
    fields: {{line_id: to_text(n), sku: {{text: ROUNDING}}, extended: rest}}
```

What `where:`, `group by:` and `order by:` ask for may stand under the block's `let:`. With `group by:`, its other named
values are the group's: `sum(line.tax for line in group)`; with `each: a, b in …` the group is run over in the same way.
A list may be made of what is in the turns of another, such as the parts of kits, `each: line in order.lines for part in
line.parts`, and a block within groups may group again.

## Types of what is handed to a part

Records by their module below `schemas`: `canonical.order.Order`, `bus.seen.Seen[systems.clarity.order.ClarityOrder]`;
simple values: `text`, `decimal`, `integer`, `boolean`, `date`, `instant`, `bytes`, `list[text]`, `map[decimal]`. A
`?` behind one: may be absent (in braces it needs quotes: `{{phone: "text?"}}`). A record known by an Avro schema
alone is called as it is there, and so are those within it. A field of a kind that mappings do not know (a time of day,
a moment without zone) is only refused where it is read.

## Bounds

A file has {MOST_BYTES // 1024} KiB, an expression {MOST_CHARACTERS:,} characters, {MOST_NODES} parts and {DEEPEST}
levels, all of them together {MOST_WORK:,} parts. Texts that are put together have {TEXT_LIMIT:,} characters. One
record may cost {STEPS_LIMIT:,} steps, about half a second: a loop costs its turns times the parts of what it does, a
text or list that is made its length, a function that takes long what it takes for each character. The first {FREE}
texts made outside of loops, or of a turn's own values, are for nothing. What goes beyond is refused, with the
field it was for.

## What is known before a record comes

What is written down for a function (a zone, a format, a currency, a country, a code page, a way to round, decimals) is
looked at by the function when the mapping is loaded. A status map is held against the source where its schema says what
values there are: a row that can never be asked for, and a value without a row where there is no `otherwise:`, are told.
A table that is declared must be there, and one that `inverts` has no value twice.

## What fields hold

Where the target's schema says it, a number has no more decimals and digits than the field keeps, a whole number lies
between the least and the greatest (an `int` and a `long` of Avro have 32 and 64 bits), a text is no longer and no
shorter, and of an enum only its values stand there, texts or whole numbers. What is written down is held against that
when the mapping is loaded; everything else with each record, which is refused with the field. NaN and Infinity, which
some readers take for numbers, are refused wherever they are compared, divided by or written.
"""


def language_page() -> str:
    """Keys of each place by what the reader knows, then expressions and bounds."""
    places = (
        ("The file", FILE_KEYS),
        ("A block of fields", BLOCK_KEYS),
        ("A requirement", REQUIRE_KEYS),
        ("A status map", STATUS_KEYS),
        ("A lookup table", LOOKUP_KEYS),
        ("A part", PART_KEYS),
        ("A round trip", ROUND_TRIP_KEYS),
    )
    return "\n".join([_HEAD, *(_table(title, keys) for title, keys in places), _EXPRESSIONS])


def _table(title: str, keys: dict[str, str]) -> str:
    rows = [f"| `{key}` | {said} |" for key, said in keys.items()]
    return "\n".join([f"## {title}", "", "| key | |", "|---|---|", *rows, ""])
