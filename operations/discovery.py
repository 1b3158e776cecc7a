"""What a system's records are, beside what they were when somebody last looked; pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase

import msgspec

from connect.discovered import Field, Kind, Record


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept between two looks: names and types only."""

    connection: str
    system: str
    how: str
    at: datetime
    records: tuple[Record, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference to the last look; field names are a contract."""

    record: str
    #: Empty: the record itself.
    field: str
    #: `added`, `removed`, `type`, `length`, `required`, `key`.
    what: str
    before: str = ""
    after: str = ""
    #: What is mapped of it by now may be refused or cut.
    breaks: bool = False


def chosen(records: Iterable[Record], patterns: Iterable[str]) -> tuple[Record, ...]:
    """Records of these names (`SOP1*`), with the records that stand inside of them; all, where nothing is asked for."""
    listed = tuple(records)
    wanted = list(patterns)
    if not wanted:
        return listed
    by_name = {each.name: each for each in listed}
    found: dict[str, Record] = {}
    asked = [each.name for each in listed if any(fnmatchcase(each.name.lower(), name.lower()) for name in wanted)]
    while asked:
        name = asked.pop(0)
        if name in by_name and name not in found:
            found[name] = by_name[name]
            asked += [field.record for field in by_name[name].fields if field.record]
    return tuple(each for each in listed if each.name in found)


def changes(before: Iterable[Record], after: Iterable[Record]) -> tuple[Change, ...]:
    """What is other than before, by record and field."""
    was, now = {each.name: each for each in before}, {each.name: each for each in after}
    return tuple(change for name in sorted({*was, *now}) for change in _of_record(name, was.get(name), now.get(name)))


def _of_record(name: str, was: Record | None, now: Record | None) -> Iterator[Change]:
    if was is None or now is None:
        yield Change(record=name, field="", what="added" if was is None else "removed", breaks=now is None)
        return
    if was.key != now.key:
        yield Change(
            record=name, field="", what="key", before=", ".join(was.key), after=", ".join(now.key), breaks=True
        )
    old, new = _by_name(was), _by_name(now)
    for field in dict.fromkeys((*old, *new)):
        yield from _of_field(name, field, old.get(field), new.get(field))


def _of_field(record: str, name: str, was: Field | None, now: Field | None) -> Iterator[Change]:
    if was is None and now is not None:
        # who writes there has to give it from now on
        yield Change(record=record, field=name, what="added", after=type_of(now), breaks=now.required)
    elif now is None and was is not None:
        yield Change(record=record, field=name, what="removed", before=type_of(was), breaks=True)
    elif was is not None and now is not None:
        if _shape(was) != _shape(now):
            breaks = not _is_wider(was, now)
            yield Change(record=record, field=name, what="type", before=type_of(was), after=type_of(now), breaks=breaks)
        elif was.length != now.length:
            yield Change(
                record=record,
                field=name,
                what="length",
                before=str(was.length),
                after=str(now.length),
                breaks=0 < now.length < (was.length or now.length + 1),
            )
        if was.required != now.required:
            words = {True: "required", False: "not required"}
            yield Change(
                record=record,
                field=name,
                what="required",
                before=words[was.required],
                after=words[now.required],
                breaks=now.required,
            )


def type_of(field: Field) -> str:
    """A field's type as people read it: `text(30)`, `decimal(19,5)`, `list of SalesItem`."""
    match field.kind:
        case Kind.RECORD:
            said = field.record
        case Kind.TEXT if field.length:
            said = f"text({field.length})"
        case Kind.DECIMAL if field.precision:
            said = f"decimal({field.precision},{field.scale})"
        case kind:
            said = kind.value
    return f"list of {said}" if field.repeated else said


def _by_name(record: Record) -> Mapping[str, Field]:
    return {field.name: field for field in record.fields}


def _shape(field: Field) -> tuple[object, ...]:
    """What makes a value another one; that it may be nothing is a change of the type, too."""
    return (field.kind, field.record, field.repeated, field.precision, field.scale, field.nullable)


def _is_wider(was: Field, now: Field) -> bool:
    """Whether every value from before still fits, and none is nothing that could not be."""
    same = (was.kind, was.record, was.repeated) == (now.kind, now.record, now.repeated)
    whole, point = now.precision - now.scale, now.scale
    fits = not now.precision or (was.precision > 0 and whole >= was.precision - was.scale and point >= was.scale)
    return same and fits and (was.nullable or not now.nullable)
