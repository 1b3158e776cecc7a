"""The pages of docs/reference that are made from the code (`make reference`); a test holds them in step."""

import builtins
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mapping import json_schema
from mapping.functions import CHAPTERS, FUNCTIONS
from mapping.functions.amounts import ROUNDINGS
from mapping.functions.description import Function
from mapping.functions.faults import ITEMS_LIMIT, TEXT_LIMIT
from operations.language_reference import language_page
from schemas import topics
from schemas.topics import Cleanup, Topic, avro_schema

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"

_FUNCTIONS = f"""# Functions of the mapping language

<!-- made by `make reference` from mapping/functions; write there -->

A function gives the same result for the same arguments and reads nothing else, but the deployment's lookup tables where
it says `table`. Types: `text`, `decimal`, `integer` (serves where a decimal is wanted), `boolean`, `instant` (a moment
with its zone), `date`, `list[…]`, `map[…]` (keys are text), `any`; `T` is whatever it was given; a `?` behind a type:
the value may be absent. What has a `=` may be left out.

A function that cannot do what it was asked refuses: the record becomes a dead letter that names the field, what was
given (never names, addresses, phones or e-mail) and what was expected. Texts are at most {TEXT_LIMIT:,} characters,
lists {ITEMS_LIMIT:,} items long.
"""

#: What the language itself knows, as it is no plain function: how it is written and what it gives.
BUILT_IN = {
    "sum": ("sum(line.tax for line in order.lines)", "All of them together, exactly; 0 of none."),
    "count": ("count(line for line in order.lines if line.tax > 0)", "How many there are, of a list or of a choice."),
    "min": ("min(a, b)", "The least of two or more values, or of a list: absent where that has none."),
    "max": ("max(line.price for line in order.lines)", "The greatest, likewise."),
    "any": ("any(line.tax > 0 for line in order.lines)", "Whether it is so for at least one."),
    "all": ('all(line.sku != "" for line in order.lines)', "Whether it is so for each; true of none."),
    "first": ("first(line.sku for line in order.lines)", "The first there is; absent where there is none."),
    "distinct": ("distinct(line.sku for line in order.lines)", "Each value once, in their order."),
    "sorted": ("sorted(line.sku for line in order.lines)", "The values by size."),
    "abs": ("abs(line.discount)", "Without its sign."),
    "default": ('default(order.note, order.memo, "")', "The first value that is not absent."),
    "round": ('round(x, 2, "half_up")', f"With so many decimals; ways: {', '.join(ROUNDINGS)}; half_even unless said."),
    "lookup": (
        'lookup("gp_items", line.sku, line.sku)',
        "What a lookup table says of a key; refused where it has no such row, unless it is said what then.",
    ),
    "option": ('option(order.connection, "currency", "USD")', "An option of a connection, likewise."),
    "refuse": ('refuse("no carrier")', "No value: the record becomes a dead letter that says so."),
}
_RECORDS = """# Canonical records

<!-- made by `make reference` from schemas/canonical; write there -->

What data teams read and mappings speak of. Every record is Avro in the Confluent wire format; its `.avsc` stands beside
its module in `schemas/canonical/`, its examples in `schemas/examples/<topic>/`. Amounts and quantities are decimals of
19 digits, 5 behind the point, and amounts are in the record's `currency`; rates are of 28 and 10; moments are in UTC. A
field without a default is always there. A list of values in a field's sentence is open: readers take one they do not
know as `unknown`.

A root key is `<owning connection>:<id of the document there>`; records of one key are in one partition and in order.
`source_version` grows with every change of a record at its source: what is older than what one has is dropped.
"""


def pages() -> dict[Path, str]:
    """Text of each page by where it stands."""
    return {
        FOLDER / "mapping-functions.md": functions_page(),
        FOLDER / "mapping-language.md": language_page(),
        FOLDER / "records.md": records_page(),
        FOLDER.parents[1] / "mapping" / "mapping.schema.json": json_schema.text(),
    }


def functions_page() -> str:
    """Every function by chapter: signature, sentence, examples, and what undoes it."""
    built_in = [f"| `{name}` | `{how}` | {what} |" for name, (how, what) in BUILT_IN.items()]
    parts = [_FUNCTIONS, "\n".join(["## Built in", "", "| | such as | gives |", "|---|---|---|", *built_in, ""])]
    for chapter, calls in CHAPTERS.items():
        parts.append(f"## {chapter}\n")
        parts += [_function(FUNCTIONS[call.__name__]) for call in calls]
    return "\n".join(parts)


def _function(function: Function) -> str:
    undone = f"\nIts inverse is `{function.inverse}`.\n" if function.inverse else ""
    examples = "\n".join(function.examples)
    return f"### {function.name}\n\n`{function.signature}`\n\n{function.doc}\n{undone}\n```python\n{examples}\n```\n"


def records_page() -> str:
    """Every canonical record: topic, key, fields with type, default and meaning, and the records within it."""
    there = [topic for topic in topics.TOPICS if topic.name.startswith("canonical.")]
    return "\n".join([_RECORDS, *map(_record, there), _TO_COME, *map(_record, topics.TO_COME)])


_TO_COME = """# Records to come

Their shape is settled and held by tests; no route writes them yet, so that there is no such topic.
"""


def _record(topic: Topic) -> str:
    assert topic.record is not None
    schema = json.loads(avro_schema(topic.record))
    kept = "the newest of each key for ever" if topic.cleanup is Cleanup.COMPACT else "by time"
    head = f"## {schema['name']}\n\n{schema['doc']}\n\nTopic `{topic.name}`, key: {topic.key}; kept: {kept}.\n"
    inner = [f"### {schema['name']}: {each['name']}\n\n{each['doc']}\n\n{_fields(each)}" for each in _within(schema)]
    return "\n".join([head, _fields(schema), *inner])


def _fields(schema: dict[str, Any]) -> str:
    rows = [
        f"| `{each['name']}` | {_word(each['type'])} | {_default(each)} | {each.get('doc', '')} |"
        for each in schema["fields"]
    ]
    return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _within(schema: Any) -> Iterator[dict[str, Any]]:
    """Records that stand in the fields of one, each where it is first said what it is."""
    match schema:
        case {"type": "record", "fields": fields}:
            for field in fields:
                inside = field["type"]
                for part in [inside, *_parts(inside)]:
                    if isinstance(part, dict) and part.get("type") == "record":
                        yield part
                        yield from _within(part)


def _parts(kind: Any) -> Iterator[Any]:
    if isinstance(kind, dict):
        yield from (kind[name] for name in ("items", "values") if name in kind)
    elif isinstance(kind, list):
        yield from kind


def _word(kind: Any) -> str:  # noqa: PLR0911 - one for each type
    match kind:
        case ["null", other]:
            return f"{_word(other)}, or absent"
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            return f"decimal({precision},{scale})"
        case {"logicalType": "timestamp-micros"}:
            return "moment"
        case {"type": "array", "items": items}:
            return f"list of {_word(items)}"
        case {"type": "map", "values": values}:
            return f"map of {_word(values)}"
        case {"type": "record", "name": name}:
            return str(name)
        case "string":
            return "text"
        case "long":
            return "integer"
    return str(kind).rpartition(".")[2]


def _default(field: dict[str, Any]) -> str:  # noqa: PLR0911 - one for each kind
    match field.get("default", ...):
        case builtins.Ellipsis:
            return ""
        case "\0":
            return "0"
        case str(text):
            return f"`{text}`" if text else "empty"
        case bool(truth):
            return "yes" if truth else "no"
        case None:
            return "absent"
        case int(number):
            return str(number)
    return "empty"


def main() -> int:
    """Write all pages anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(FOLDER.parents[1])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
