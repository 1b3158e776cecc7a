"""What to write where a value is of another kind than is needed: which function turns the one into the other."""

from mapping.shapes import (
    Boolean,
    Date,
    Float,
    Instant,
    Integer,
    ListOf,
    MapOf,
    Number,
    Record,
    Text,
    Type,
    bare,
    reading,
)

#: (given, wanted) -> what to write; the first that fits.
_TURNS: tuple[tuple[type[Type] | tuple[type[Type], ...], type[Type] | tuple[type[Type], ...], str], ...] = (
    (Text, Integer, "to_integer({})"),
    (Text, (Number, Float), "to_decimal({})"),
    (Text, Boolean, "to_boolean({})"),
    (Text, Date, 'to_date({}, "%Y-%m-%d")'),
    (Text, Instant, 'to_instant({}, "America/Chicago")'),
    (Number, Integer, "whole({})"),
    ((Number, Integer), Boolean, "{} != 0"),
    ((Number, Integer), Instant, 'from_epoch({}, "s")'),
    ((Integer, Number, Date, Instant), Text, 'f"{{{}}}"'),
    (Boolean, Text, "to_text({})"),
    (Boolean, (Integer, Number), "1 if {} else 0"),
    (Instant, Date, 'date_in({}, "America/Chicago")'),
    (Date, Instant, 'instant_of({}, "America/Chicago")'),
    (Instant, (Integer, Number), 'to_epoch({}, "s")'),
)


def turned(given: Type, wanted: Type, shown: str) -> str:  # noqa: PLR0911 - one for each kind
    """What to write instead of `shown`; empty where nobody can tell."""
    if write := reading(given, shown, wanted):
        return write
    given, wanted = bare(given), bare(wanted)
    for from_, to, write in _TURNS:
        if isinstance(given, from_) and isinstance(wanted, to):
            return "write " + write.format(shown)
    match given, wanted:
        case ListOf(item), ListOf(other):
            inner = turned(item, other, "each").removeprefix("write ")
            return f"write [{inner} for each in {shown}]" if inner else ""
        case ListOf(), _:
            return f"write {shown}[0] for the first, or make one of all: sum(…), join(…)"
        case _, ListOf():
            return f"write [{shown}]"
        case _, Record():
            return "write a block with `fields:`, or call a part that makes it"
        case _, MapOf():
            return f'write {{"name": {shown}}}'
        case Record(fields=fields), _:
            like = [name for name, field in fields.items() if isinstance(bare(field.type), type(wanted))]
            return f"write {shown}.{like[0]}" if like else ""
        case _:
            return ""
