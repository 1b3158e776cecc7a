"""Records proposed for what a system says: the `.avsc` and the Struct beside it, equal to each other; pure.

Proposals: whoever takes one cuts it to what is read, and gives it examples.
"""

import json
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from connect.discovered import Field, Kind, Record
from operations.discovery import type_of

#: Of amounts nobody says the width of, as `schemas.types.Rate`.
WIDEST = (28, 10)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
#: What a proposed module means by them; no field or class of it may take their place.
_TAKEN = frozenset({"msgspec", "datetime", "tuple", "dict", "str", "int", "bool", "bytes", "Decimal", "Annotated"})
#: msgspec refuses them in a field's name.
_NO_RENAME = re.compile(r'[\x00-\x1f"\\]')
#: Characters of foreign text in a line.
_LONGEST = 120


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Two files."""

    record: str
    #: Of both, without the ending.
    file: str
    avsc: str
    module: str


def proposals(records: Iterable[Record], system: str, connection: str) -> Iterator[Proposal]:
    """One for each record that stands in no other one.

    Args:
        records: With those that stand inside of them.
        system: `dynamics-gp`: the records' namespace.
        connection: Which says so.
    """
    by_name = {each.name: each for each in records}
    inside = {field.record for each in by_name.values() for field in each.fields if field.record != each.name}
    roots = [each for each in by_name.values() if each.name not in inside] or list(by_name.values())
    for record in roots:
        file = snake(record.name)
        namespace = f"towpath.{snake(system)}.{file}"
        schema = _avro(record, by_name, namespace, set()) | {
            "doc": f"Proposed by what {connection} says of {plain(record.name)}."
        }
        yield Proposal(
            record=record.name,
            file=file,
            avsc=json.dumps({key: schema[key] for key in ("type", "name", "namespace", "doc", "fields")}, indent=2)
            + "\n",
            module=_module(record, by_name, connection),
        )


def camel(name: str) -> str:
    """The name of a class: `SOP10100` is `Sop10100`, `Order_SalesItems` is `OrderSalesItems`."""
    made = "".join(word.capitalize() for word in _WORD.findall(name)) or "Record"
    return made if made[0].isalpha() and made not in _TAKEN and not keyword.iskeyword(made) else f"Record{made}"


def snake(name: str) -> str:
    """The name of a file."""
    return "_".join(word.lower() for word in _WORD.findall(name)) or "record"


def safe(name: str) -> str:
    """A name Python and Avro take."""
    made = _NOT_IN_NAMES.sub("_", name).lstrip("_") or "field"
    made = f"field_{made}" if made[0].isdigit() else made
    return f"{made}_" if keyword.iskeyword(made) or made in _TAKEN else made


def plain(text: str) -> str:
    """A system's own words as they may stand in a comment or docstring: one printable line that ends neither."""
    said = "".join(each if each.isprintable() and each not in "\"'\\" else " " for each in text)
    return " ".join(said.split())[:_LONGEST]


def _fields(record: Record) -> Iterator[tuple[str, Field]]:
    """Each with a name of its own; without those a Struct cannot read under theirs."""
    used: set[str] = set()
    for field in record.fields:
        if _NO_RENAME.search(field.name):
            continue
        name = safe(field.name)
        while name in used:
            name += "_"
        used.add(name)
        yield name, field


def _avro(record: Record, by_name: Mapping[str, Record], namespace: str, done: set[str]) -> dict[str, Any]:
    done.add(record.name)
    fields = []
    for name, field in _fields(record):
        described: dict[str, Any] = {"name": name, "type": _avro_type(field, by_name, namespace, done)}
        if (said := _said(field)) != name:
            described["doc"] = said
        if _has_default(field):
            described["default"] = _avro_default(field)
        fields.append(described)
    return {"type": "record", "name": camel(record.name), "namespace": namespace, "fields": fields}


def _avro_type(field: Field, by_name: Mapping[str, Record], namespace: str, done: set[str]) -> Any:
    one: Any
    match field.kind:
        case Kind.RECORD if field.record in by_name:
            of = by_name[field.record]
            one = f"{namespace}.{camel(of.name)}" if of.name in done else _avro(of, by_name, namespace, done)
        case Kind.WHOLE:
            one = "long"
        case Kind.FLAG:
            one = "boolean"
        case Kind.BYTES:
            one = "bytes"
        case Kind.MOMENT:
            one = {"type": "long", "logicalType": "timestamp-micros"}
        case Kind.DECIMAL:
            precision, scale = _width(field)
            one = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        case Kind.MAP:
            one = {"type": "map", "values": "string"}
        case _:
            one = "string"
    if field.repeated:
        return {"type": "array", "items": one}
    return ["null", one] if _may_be_none(field) else one


def _avro_default(field: Field) -> Any:
    if field.repeated:
        return []
    if _may_be_none(field):
        return None
    return {
        Kind.WHOLE: 0,
        Kind.FLAG: False,
        Kind.BYTES: "",
        Kind.DECIMAL: "\u0000",
        Kind.MAP: {},
    }.get(field.kind, "")


def _module(record: Record, by_name: Mapping[str, Record], connection: str) -> str:
    done: list[str] = []
    classes: list[str] = []
    _class(record, by_name, done, classes)
    body = "\n\n\n".join(classes)
    imports = [
        *(["from datetime import datetime"] if re.search(r"\bdatetime\b", body) else []),
        *(["from decimal import Decimal"] if "Decimal" in body else []),
        *(["from typing import Annotated"] if "Annotated[" in body else []),
    ]
    said = f"{plain(record.name)} as {connection} describes it"
    heading = f'"""{said}; proposed: cut it to what is read, and give it examples."""'
    standard = "\n".join(imports) + "\n\n" if imports else ""
    return f"{heading}\n\n{standard}import msgspec\n\n\n{body}\n"


def _class(record: Record, by_name: Mapping[str, Record], done: list[str], classes: list[str]) -> None:
    """What stands inside of it comes first."""
    done.append(record.name)
    fields = list(_fields(record))
    for _, field in fields:
        if field.record in by_name and field.record not in done:
            _class(by_name[field.record], by_name, done, classes)
    lines = [
        f"class {camel(record.name)}(msgspec.Struct, frozen=True, kw_only=True):",
        f'    """A row of {plain(record.name)}."""' if record.key else f'    """{plain(record.name)}."""',
        "",
    ]
    for name, field in fields:
        if _said(field) != name:
            lines.append(f"    #: {_said(field)}{', of the key' if field.name in record.key else ''}.")
        lines.append(f"    {name}: {_python_type(field, by_name)}{_python_default(name, field)}")
    classes.append("\n".join(lines) if fields else "\n".join([*lines[:2], ""]).rstrip())


def _python_type(field: Field, by_name: Mapping[str, Record]) -> str:
    one = {Kind.WHOLE: "int", Kind.FLAG: "bool", Kind.BYTES: "bytes", Kind.MOMENT: "datetime"}.get(field.kind, "str")
    if field.kind is Kind.MAP:
        one = "dict[str, str]"
    elif field.kind is Kind.DECIMAL:
        precision, scale = _width(field)
        one = f'Annotated[Decimal, msgspec.Meta(extra={{"precision": {precision}, "scale": {scale}}})]'
    elif field.kind is Kind.RECORD and field.record in by_name:
        # quoted: it may stand inside of itself
        one = f'"{camel(field.record)}"'
    if field.repeated:
        return f"tuple[{one}, ...]"
    if not _may_be_none(field):
        return one
    return f'"{one[1:-1]} | None"' if one.startswith('"') else f"{one} | None"


def _python_default(name: str, field: Field) -> str:
    default = ""
    if _has_default(field):
        default = {Kind.WHOLE: "0", Kind.FLAG: "False", Kind.BYTES: 'b""', Kind.DECIMAL: "Decimal(0)"}.get(
            field.kind, '""'
        )
        default = "{}" if field.kind is Kind.MAP else default
        default = "None" if _may_be_none(field) else default
        default = "()" if field.repeated else default
    if name == field.name:
        return f" = {default}" if default else ""
    factory = "default_factory=dict, " if default == "{}" else f"default={default}, " if default else ""
    return f" = msgspec.field({factory}name={_literal(field.name)})"


def _has_default(field: Field) -> bool:
    return not field.required or _may_be_none(field)


def _may_be_none(field: Field) -> bool:
    """Moments and records have no empty value."""
    return not field.repeated and (field.nullable or (field.kind in {Kind.MOMENT, Kind.RECORD} and not field.required))


def _width(field: Field) -> tuple[int, int]:
    return (field.precision, field.scale) if field.precision else WIDEST


def _literal(text: str) -> str:
    """As Python reads it; in the quotes our formatter writes where they need no escaping."""
    return f'"{text}"' if text.isprintable() else repr(text)


def _said(field: Field) -> str:
    """How the system itself calls it."""
    named = field.name if field.name == safe(field.name) else f"[{field.name}]"
    length = f"({field.length})" if field.length else ""
    kind = field.said or (field.kind.value if length else type_of(field))
    return plain(f"{named}, {kind}{length}")
