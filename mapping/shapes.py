"""What a value in a mapping can be, and which values fit which field; for the checker."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec


class Type(msgspec.Struct, frozen=True):
    """A kind of value; its text is what people are told."""

    def __str__(self) -> str:
        return type(self).__name__.lower()


class Text(Type, frozen=True):
    """Characters; with `values` only those are possible."""

    values: frozenset[str] | None = None
    #: Characters.
    least: int = 0
    most: int | None = None

    def __str__(self) -> str:
        return "text" if self.values is None or len(self.values) == 1 else f"one of {', '.join(sorted(self.values))}"


class Integer(Type, frozen=True):
    """A whole number, with `values` only those; some records' have parts of their own, such as a moment."""

    parts: "tuple[tuple[str, Type], ...]" = ()
    values: frozenset[int] | None = None
    least: int | None = None
    most: int | None = None

    def __str__(self) -> str:
        several = self.values is not None and len(self.values) > 1
        return f"one of {', '.join(map(str, sorted(self.values or ())))}" if several else "a whole number"


class Number(Type, frozen=True):
    """A decimal number; never a float."""

    #: Digits after the point; None: as many as its source wrote.
    scale: int | None = None
    precision: int | None = None
    #: False for a quotient, which has no end of its own.
    exact: bool = True
    #: False where NaN or Infinity may stand: some readers take those for numbers.
    finite: bool = True
    #: Of what parts of a mapping hand to each other, NaN or not: it is asked where it comes to something.
    handed_on: bool = False

    def __str__(self) -> str:
        if not self.exact:
            return "a number that is not rounded"
        return "a number" if self.scale is None else f"a number with {self.scale} decimals"


class Boolean(Type, frozen=True):
    """True or false."""

    def __str__(self) -> str:
        return "true or false"


class Date(Type, frozen=True):
    """A day of the calendar."""

    def __str__(self) -> str:
        return "a date"


class Instant(Type, frozen=True):
    """A date with a time."""

    def __str__(self) -> str:
        return "an instant"


class Bytes(Type, frozen=True):
    """Bytes that no mapping looks into."""


class Nothing(Type, frozen=True):
    """The value `none`."""

    def __str__(self) -> str:
        return "none"


class Never(Type, frozen=True):
    """What never gives a value: a refusal."""


class Float(Type, frozen=True):
    """A number as machines count; no amount is one, so it is read as a decimal in sight."""

    def __str__(self) -> str:
        return "a floating number"


class Anything(Type, frozen=True):
    """Any value, or one of several kinds; what it is turns out when it is read."""

    kinds: tuple[Type, ...] = ()

    def __str__(self) -> str:
        return " or ".join(map(str, self.kinds)) or "any value"


class Unreadable(Type, frozen=True):
    """What no mapping can read or make; a record may have it all the same."""

    what: str

    def __str__(self) -> str:
        return f"what mappings do not know ({self.what})"


class Same(Type, frozen=True):
    """Whatever stands in the function's other places of this name."""

    name: str

    def __str__(self) -> str:
        return "any value"


class Broken(Type, frozen=True):
    """Of a name whose own expression is wrong, so that it is not told again wherever the name is used."""


class Optional(Type, frozen=True):
    """A value that may be absent."""

    of: Type

    def __str__(self) -> str:
        return f"{self.of}, or absent"


class ListOf(Type, frozen=True):
    """Values of one kind in order."""

    item: Type

    def __str__(self) -> str:
        return f"a list ({self.item})"


class MapOf(Type, frozen=True):
    """Values by name."""

    value: Type

    def __str__(self) -> str:
        return f"a map ({self.value})"


class Several(Type, frozen=True):
    """Some values side by side, only for what `zip` and `items` give."""

    of: tuple[Type, ...]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a record."""

    name: str
    type: Type
    required: bool
    default: Any = None
    #: Worked out by the record itself: can be read, not written.
    computed: bool = False


class Record(Type, frozen=True, eq=False):
    """Named fields; two are the same if they are called the same."""

    name: str
    fields: Mapping[str, Field]
    #: The class that makes one; None where it is a plain dict.
    maker: Any = None

    def __str__(self) -> str:
        return self.name.rpartition(".")[2] if "[" not in self.name else self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


class Problem(msgspec.Struct, frozen=True):
    """Why a value does not fit."""

    text: str
    write: str = ""


def bare(type_: Type) -> Type:
    """The type of the value if it is there."""
    return type_.of if isinstance(type_, Optional) else type_


def optional(type_: Type) -> Type:
    """The type of a value that may be absent."""
    return type_ if isinstance(type_, Optional | Nothing) else Optional(type_)


def joined(first: Type, second: Type) -> Type | None:  # noqa: PLR0911 - one for each kind
    """The type of a value that is one or the other; None where no field could hold both."""
    if isinstance(first, Never) or isinstance(second, Never):
        return second if isinstance(first, Never) else first
    if isinstance(first, Nothing) or isinstance(second, Nothing):
        other = second if isinstance(first, Nothing) else first
        return optional(other)
    if isinstance(first, Optional) or isinstance(second, Optional):
        inner = joined(bare(first), bare(second))
        return None if inner is None else optional(inner)
    match first, second:
        case Text(one), Text(two):
            return first if first == second else Text(one | two if one is not None and two is not None else None)
        case Integer(), Integer():
            return first if first == second else _either(first, second)
        case ((Number() | Integer()), (Number() | Integer())):
            return wider(as_number(first), as_number(second))
        case ListOf(one), ListOf(two):
            item = joined(one, two)
            return None if item is None else ListOf(item)
        case MapOf(one), MapOf(two):
            value = joined(one, two)
            return None if value is None else MapOf(value)
        case _:
            return first if first == second else None


def union(types: Sequence[Type]) -> Type:
    """The type of a value that may be of several types; absent if one of them is nothing."""
    kinds = tuple(dict.fromkeys(bare(each) for each in types if not isinstance(each, Nothing)))
    if not kinds:
        return Nothing()
    made: Type = kinds[0]
    for each in kinds[1:]:
        both = joined(made, each)
        # a whole number there would be a decimal in name only
        made = both if both is not None and type(both) is type(made) is type(each) else Anything(kinds)
        if isinstance(made, Anything):
            break
    return optional(made) if any(isinstance(each, Nothing | Optional) for each in types) else made


#: What reads a value of any kind as one of a kind.
_READING = (
    (Number | Integer, "decimal_of({})"),
    (Boolean, "boolean_of({})"),
    (ListOf, "list_of({})"),
    (MapOf, "map_of({})"),
    (Text, "to_text({})"),
    (Type, "to_text({0}), decimal_of({0}) or boolean_of({0})"),
)


def reading(type_: Type, shown: str = "…", wanted: Type | None = None) -> str:
    """How a value that may be of any kind is read as one of a kind; empty for others."""
    if not isinstance(bare(type_), Float | Anything):
        return ""
    kind = Number() if isinstance(bare(type_), Float) else bare(wanted or Type())
    return "write " + next(call for of, call in _READING if isinstance(kind, of)).format(shown)


def narrowed(given: Type, declared: Type) -> Type:
    """What is known of a value that fits what it was declared to be; it is absent as that says."""
    inner = bare(given)
    if not isinstance(inner, Text | Number) or type(inner) is not type(bare(declared)):
        return declared
    return optional(inner) if isinstance(declared, Optional) else inner


def _either(first: Integer, second: Integer) -> Integer:
    if first.values is not None and second.values is not None:
        return Integer(values=first.values | second.values)
    (least, most), (low, high) = span(first), span(second)
    return Integer(
        least=None if least is None or low is None else min(least, low),
        most=None if most is None or high is None else max(most, high),
    )


def span(number: Integer) -> tuple[int | None, int | None]:
    """The least and the greatest it can be, as far as that is known."""
    return (min(number.values), max(number.values)) if number.values else (number.least, number.most)


def holds_whole(given: Type, wanted: Type) -> bool:
    """Whether whole numbers in a value stand where decimals are wanted."""
    match bare(given), bare(wanted):
        case Integer(), Number():
            return True
        case (ListOf(one), ListOf(other)) | (MapOf(one), MapOf(other)):
            return holds_whole(one, other)
        case _:
            return False


def stand_in(type_: Type) -> str:
    """What may stand for a value that is absent."""
    kinds = ((Text, '""'), (Number | Integer, "0"), (Boolean, "false"), (ListOf, "[]"), (MapOf, "{}"))
    return next((write for kind, write in kinds if isinstance(bare(type_), kind)), "…")


def holds_float(given: Type, wanted: Type) -> bool:
    """Whether decimals in a value stand where floating numbers are wanted."""
    match bare(given), bare(wanted):
        case ((Integer() | Number()), Float()):
            return True
        case (ListOf(one), ListOf(other)) | (MapOf(one), MapOf(other)):
            return holds_float(one, other)
        case _:
            return False


def as_number(type_: Type) -> Number:
    """A whole number seen as a decimal one."""
    if isinstance(type_, Number):
        return type_
    ends = span(type_) if isinstance(type_, Integer) else (None, None)
    known = [len(str(abs(each))) for each in ends if each is not None]
    return Number(scale=0, precision=max(known) if len(known) == 2 else None)


def wider(first: Number, second: Number) -> Number:
    """A number that is the sum of two, or one of them."""
    scales = (first.scale, second.scale)
    return Number(
        scale=None if None in scales else max(each for each in scales if each is not None),
        exact=first.exact and second.exact,
        finite=first.finite and second.finite,
    )


def misfit(given: Type, wanted: Type, constant: object = None) -> Problem | None:  # noqa: PLR0911, PLR0912, C901
    """Why a value cannot stand in a field, or None if it can.

    Args:
        given: The value's type.
        wanted: The field's.
        constant: The value itself where it is written down.
    """
    if isinstance(given, Never) or (isinstance(wanted, Anything) and not wanted.kinds):
        return None
    if isinstance(wanted, Optional):
        return None if isinstance(given, Nothing) else misfit(bare(given), wanted.of, constant)
    if isinstance(given, Nothing | Optional):
        inner = bare(given)
        # of another kind it is turned, once it is there
        like = wanted if isinstance(given, Nothing) or type(inner) is type(wanted) else inner
        write = f"say what it is then: default(…, {stand_in(like)})"
        if isinstance(inner, Record) and not isinstance(wanted, Record):
            names = [name for name, field in inner.fields.items() if isinstance(bare(field.type), type(wanted))]
            write = f"write default(….{names[0]}, {stand_in(wanted)})" if names else ""
        elif isinstance(wanted, Record):
            write = "test it first: `x if … is not none else none`"
        return Problem(f"may be absent, and {wanted} is needed", write)
    if isinstance(wanted, Anything):
        return kind_of(given, wanted, constant)[1]
    match wanted, given:
        case Float(), Integer() | Number():
            return None
        case Text(None), Text():
            return _long(wanted, frozenset({constant}) if isinstance(constant, str) else given.values)
        case Text(values), Text(possible) if values is not None:
            return _outside(values, frozenset({constant}) if isinstance(constant, str) else possible)
        case Number(), Integer() | Number():
            return _lost(wanted, as_number(given), constant)
        case ListOf(item), ListOf(each):
            if isinstance(each, Optional) and not isinstance(item, Optional):
                text = f"has values that may be absent, and {wanted} is needed"
                return Problem(text, "leave them out: [x for x in … if x is not none]")
            return misfit(each, item)
        case MapOf(value), MapOf(each):
            return misfit(each, value)
        case Integer(), Integer():
            return _beyond(wanted, given)
        case Integer(), Number():
            return Problem(f"is {given}, and {wanted} is needed")
        case _ if given == wanted:
            return None
        case _:
            return Problem(f"is {given}, and {wanted} is needed")


def kind_of(given: Type, wanted: Anything, constant: object = None) -> tuple[Type, Problem | None]:
    """Which of several kinds a value is given as, or why it is none of them."""
    if given == wanted:
        return wanted, None
    problems = [(kind, misfit(given, kind, constant)) for kind in wanted.kinds]
    return next((each for each in problems if each[1] is None), problems[0])


def _outside(values: frozenset[str], possible: frozenset[object] | None) -> Problem | None:
    known = ", ".join(sorted(values))
    if possible is None:
        return Problem(f"may be any text, and only {known} are possible", "turn it with a map under `statuses:`")
    strange = sorted(str(each) for each in possible - values)
    return Problem(f"{', '.join(map(repr, strange))} is impossible here", f"write one of {known}") if strange else None


def _long(wanted: Text, possible: frozenset[str] | None) -> Problem | None:
    for each in sorted(possible or ()):
        if wanted.most is not None and len(each) > wanted.most:
            return Problem(f"{each!r} has {len(each)} characters, and the field holds {wanted.most}")
        if len(each) < wanted.least:
            return Problem(f"{each!r} has {len(each)} characters, and the field wants {wanted.least} or more")
    return None


def _beyond(wanted: Integer, given: Integer) -> Problem | None:
    least, most = span(wanted)
    if wanted.values is not None:
        known = ", ".join(map(str, sorted(wanted.values)))
        if given.values is None:
            return Problem(f"may be any whole number, and only {known} are possible", "choose: 1 if … else 2")
        strange = ", ".join(map(str, sorted(given.values - wanted.values)))
        return Problem(f"{strange} is impossible here", f"write one of {known}") if strange else None
    for each in sorted(given.values or ()):
        if least is not None and each < least:
            return Problem(f"{each} is impossible here", f"{least} is the least")
        if most is not None and each > most:
            return Problem(f"{each} is impossible here", f"{most} is the most")
    return None


def _lost(wanted: Number, given: Number, constant: object) -> Problem | None:
    if wanted.scale is None:
        return None
    rounding = f"write round(…, {wanted.scale})"
    if isinstance(constant, int | Decimal) and not isinstance(constant, bool):
        number = Decimal(constant)
        digits = wanted.precision - wanted.scale if wanted.precision is not None else None
        if digits is not None and number.adjusted() >= digits and number:
            return Problem(f"{number} has more than {digits} digits before the point")
        longer = decimals(number) > wanted.scale
        return Problem(f"{number} has more than {wanted.scale} decimals", rounding) if longer else None
    if not given.exact:
        return Problem(f"is a quotient, and the field keeps {wanted.scale} decimals", rounding)
    if given.scale is not None and given.scale > wanted.scale:
        return Problem(f"may have {given.scale} decimals, and the field keeps {wanted.scale}", rounding)
    return None


def decimals(number: Decimal) -> int:
    """Digits after the point, zeros at the end not counted."""
    exponent = number.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
