"""What becomes of source fields that no expression reads: nothing, a message, or a place among the custom ones."""

from collections.abc import Iterator, Mapping

import msgspec

from mapping.messages import WrongError, nearest
from mapping.places import Read, Reading
from mapping.records import records_in
from mapping.shapes import Anything, Bytes, ListOf, MapOf, Record, Text, Type, Unreadable, bare
from mapping.spec import Spec
from mapping.told import Told
from mapping.writer import Made

_WAYS = ("ignore", "refuse")
KEEP = "keep in "
#: What is kept of a record: field, its name among the custom ones, and the same of what is in it; None: all of it.
Tree = tuple[tuple[str, str, "Tree | None"], ...]


class Unread(msgspec.Struct, frozen=True):
    """A field nobody reads."""

    #: `order.lines[].weight`
    place: str
    type: Type


class _Looked:
    """Walks through a record and finds what nobody reads."""

    def __init__(self, reading: Reading, ignored: frozenset[str]) -> None:
        self._read: Read = reading.places()
        self._reading = reading
        self._ignored = ignored

    def through(self, record: Record, place: str, around: tuple[str, ...] = ()) -> Iterator[Unread]:
        if place in self._read.whole or record.name in self._reading.whole_anywhere or record.name in around:
            return
        for field in record.fields.values():
            at, said = f"{place}.{field.name}", f"{record.name.rpartition('.')[2]}.{field.name}"
            if field.computed or at in self._ignored or said in self._ignored or at in self._read.whole:
                continue
            inner, deeper = held(field.type)
            anywhere = (record.name, field.name) in self._reading.anywhere
            if inner is not None and self._is_read_in(inner, at + deeper):
                yield from self.through(inner, at + deeper, (*around, record.name))
            elif not anywhere and at not in self._read.at:
                yield Unread(at, field.type)

    def _is_read_in(self, inner: Record, place: str) -> bool:
        return self._read.below(place) or any(name == inner.name for name, _ in self._reading.anywhere)


def held(type_: Type) -> tuple[Record | None, str]:
    """The record in a value, with what leads there: `[]` for a list or a map of them."""
    match bare(type_):
        case Record() as record:
            return record, ""
        case ListOf(inner) | MapOf(inner):
            found, deeper = held(inner)
            return found, f"[]{deeper}"
        case _:
            return None, ""


def say_unread(spec: Spec, given: Mapping[str, Type], made: Record, reading: Reading, told: Told) -> None:
    """Tell of fields that nobody reads where the mapping says that this must not be."""
    if spec.unmapped is None:
        if spec.ignored:
            told.say(spec.ignored[0], "says nothing without `unmapped:`", "write unmapped: refuse, or leave it out")
        return
    ways = spec.unmapped.text
    if ways not in _WAYS and not ways.startswith(KEEP):
        maps = [each.name for each in made.fields.values() if _takes_texts(each.type)]
        ways_ = [*_WAYS, *(f"{KEEP}{each}" for each in maps)]
        write = nearest(ways, ways_) or f"write one of {', '.join(ways_)}"
        told.say(spec.unmapped, f"{ways} is no way to treat them", write)
    unread = _unread(spec, given, reading)
    if ways == "refuse" and unread:
        places = ", ".join(each.place for each in unread)
        told.say(spec.unmapped, f"nobody reads {places}", "map them, or name them under `ignored:`")
    _say_strangers(spec, given, told)


def _takes_texts(type_: Type) -> bool:
    return isinstance(type_, MapOf) and isinstance(type_.value, Text | Anything)


def keep(record: Made, spec: Spec, given: Mapping[str, Type], made: Record, reading: Reading) -> tuple[Made, Tree]:
    """The record with what nobody reads among its custom fields, under its own names; and what that is.

    Raises:
        WrongError: there is no such field, it takes no texts by name, or something cannot be kept as a text.
    """
    field = spec.unmapped.text.removeprefix(KEEP).strip() if spec.unmapped is not None else ""
    if field not in made.fields or not _takes_texts(made.fields[field].type):
        maps = [each.name for each in made.fields.values() if _takes_texts(each.type)]
        raise WrongError(f"{made} has no map {field} of texts", f"write {KEEP}{' or '.join(maps)}" if maps else "")
    (source,) = given
    unread = _unread(spec, given, reading)
    left = [each.place for each in unread if not _can_be_kept(each.type)]
    if left:
        raise WrongError(f"{', '.join(left)} cannot be kept as texts", "map them, or name them under `ignored:`")
    tree = _tree([each.place.removeprefix(f"{source}.").replace("[]", "").split(".") for each in unread])
    kept = f"_kept({source}, _unread)"
    prefix = f"{field}=" if made.maker is not None else f"{field!r}: "
    before = [value for name, value, _ in record.fields if name == prefix]
    parts: list[tuple[str, str | Made, str]] = [("**", kept, field), *(("**", value, field) for value in before)]
    others = tuple(each for each in record.fields if each[0] != prefix)
    return Made(record.opening, (*others, (prefix, Made("{", tuple(parts), "}"), field)), record.closing), tree


def _unread(spec: Spec, given: Mapping[str, Type], reading: Reading) -> list[Unread]:
    looked = _Looked(reading, frozenset(each.text for each in spec.ignored))
    return [each for name, type_ in given.items() if isinstance(type_, Record) for each in looked.through(type_, name)]


def _can_be_kept(type_: Type, around: tuple[str, ...] = ()) -> bool:
    """Whether a value is a text, or is made of such."""
    match bare(type_):
        case Bytes() | Unreadable():
            return False
        case ListOf(inner) | MapOf(inner):
            return _can_be_kept(inner, around)
        case Record(name, fields):
            return name not in around and all(
                _can_be_kept(each.type, (*around, name)) for each in fields.values() if not each.computed
            )
        case _:
            return True


def _tree(paths: list[list[str]]) -> Tree:
    """What is kept, field by field; of an envelope the content's names are what people know."""
    within: dict[str, list[list[str]]] = {}
    for first, *rest in paths:
        within.setdefault(first, []).extend([rest] if rest else [])
    return tuple(
        (name, "" if name == "content" and rest else name, _tree(rest) or None) for name, rest in within.items()
    )


def _say_strangers(spec: Spec, given: Mapping[str, Type], told: Told) -> None:
    """Tell of what is ignored and is not there."""
    known = {
        f"{one.name.rpartition('.')[2]}.{field}"
        for each in given.values()
        for one in records_in(each)
        for field in one.fields
    }
    known |= {place for name, type_ in given.items() for place in _places(type_, name, ())}
    for each in spec.ignored:
        if each.text not in known:
            told.say(each, f"the source has no {each.text}", nearest(each.text, known))


def _places(type_: Type, place: str, around: tuple[str, ...]) -> Iterator[str]:
    record, deeper = held(type_)
    if record is None or record.name in around:
        return
    for field in record.fields.values():
        yield f"{place}{deeper}.{field.name}"
        yield from _places(field.type, f"{place}{deeper}.{field.name}", (*around, record.name))
