"""What becomes of source fields that no expression reads: nothing, a message, or a place among the custom ones."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from mapping.messages import WrongError, nearest
from mapping.shapes import Integer, ListOf, MapOf, Number, Record, Text, Type, bare
from mapping.spec import Spec
from mapping.told import Told
from mapping.writer import Made

_WAYS = ("ignore", "refuse")
_DEEPEST = 4


def say_unread(spec: Spec, given: Mapping[str, Type], reads: AbstractSet[tuple[str, str]], told: Told) -> None:
    """Tell of fields that nobody reads where the mapping says that this must not be."""
    if spec.unmapped is None or spec.unmapped.text.startswith("keep in "):
        return
    if spec.unmapped.text not in _WAYS:
        told.say(
            spec.unmapped, f"{spec.unmapped.text} is no way to treat them", "write ignore, refuse, or keep in custom"
        )
    if spec.unmapped.text != "refuse":
        return
    read = {(record.rpartition(".")[2], field) for record, field in reads}
    records = {record.name.rpartition(".")[2]: record for record in _records(given)}
    ignored = {each.text for each in spec.ignored}
    unread = [
        f"{name}.{field.name}"
        for name, record in records.items()
        # a record of which nothing is read was handed on whole, or its one field is what is missing
        if any(each == name for each, _ in read)
        for field in record.fields.values()
        if not field.computed and (name, field.name) not in read and f"{name}.{field.name}" not in ignored
    ]
    if unread:
        told.say(spec.unmapped, f"nobody reads {', '.join(unread)}", "map them, or name them under `ignored:`")
    for each in spec.ignored:
        record, _, field = each.text.rpartition(".")
        if record not in records or field not in records[record].fields:
            known = [f"{name}.{field}" for name, one in records.items() for field in one.fields]
            told.say(each, f"the source has no {each.text}", nearest(each.text, known))


def keep(
    record: Made, field: str, given: Mapping[str, Type], made: Record, reads: AbstractSet[tuple[str, str]]
) -> Made:
    """The record with simple values that nobody reads among its custom fields, under their own names.

    Raises:
        WrongError: there is no such field, or it takes no texts by name.
    """
    if field not in made.fields or not isinstance(made.fields[field].type, MapOf):
        raise WrongError(f"{made} has no map {field}", "write keep in custom")
    ((source, type_),) = given.items()
    inner = tuple((f"{path!r}: ", code, field) for path, code in _unread(source, type_, reads, 0, ""))
    kept = Made("_kept({", inner, "})")
    prefix = f"{field}=" if made.maker is not None else f"{field!r}: "
    before = [value for name, value, _ in record.fields if name == prefix]
    parts: list[tuple[str, str | Made, str]] = [("**", kept, field), *(("**", value, field) for value in before)]
    others = tuple(each for each in record.fields if each[0] != prefix)
    return Made(record.opening, (*others, (prefix, Made("{", tuple(parts), "}"), field)), record.closing)


def _unread(
    code: str, type_: Type, reads: AbstractSet[tuple[str, str]], depth: int, path: str
) -> Iterator[tuple[str, str]]:
    if not isinstance(type_, Record) or depth > _DEEPEST:
        return
    for field in type_.fields.values():
        if field.computed:
            continue
        inner = f"{code}.{field.name}" if type_.maker is not None else f"{code}[{field.name!r}]"
        named = f"{path}.{field.name}" if path else field.name
        if isinstance(field.type, Record):
            # of an envelope the content's names are what people know
            yield from _unread(inner, field.type, reads, depth + 1, "" if field.name == "content" else named)
        elif isinstance(bare(field.type), Text | Number | Integer) and (type_.name, field.name) not in reads:
            yield named, inner


def _records(given: Mapping[str, Type]) -> Iterator[Record]:
    waiting, seen = list(given.values()), set[str]()
    while waiting:
        match bare(waiting.pop()):
            case Record(name, fields) as record if name not in seen:
                seen.add(name)
                yield record
                waiting.extend(field.type for field in fields.values() if not field.computed)
            case ListOf(item):
                waiting.append(item)
            case MapOf(value):
                waiting.append(value)
            case _:
                pass
