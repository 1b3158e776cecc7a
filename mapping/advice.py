"""What to write where a value is of another kind than is needed: which function turns the one into the other."""

import re

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
    stand_in,
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
    ((Number, Integer), Date, 'date_in(from_epoch({}, "s"), "America/Chicago")'),
    (Boolean, Text, "to_text({})"),
    (Boolean, (Integer, Number), "1 if {} else 0"),
    (Instant, Date, 'date_in({}, "America/Chicago")'),
    (Date, Instant, 'instant_of({}, "America/Chicago")'),
    (Instant, (Integer, Number), 'to_epoch({}, "s")'),
)


def turned(given: Type, wanted: Type, shown: str) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """What to write instead of `shown`; empty where nobody can tell."""
    if write := reading(given, shown, wanted):
        return write
    given, wanted = bare(given), bare(wanted)
    if isinstance(given, Integer | Number | Date | Instant) and isinstance(wanted, Text):
        return f"write {_in_text(given, shown)}"
    if isinstance(given, Boolean) and re.search(r"\band\b.*\bor\b", shown):
        return "`and` makes a truth: write `b if a else c`"
    for from_, to, write in _TURNS:
        if isinstance(given, from_) and isinstance(wanted, to):
            return "write " + write.format(shown)
    match given, wanted:
        case ListOf(_), ListOf(Record()):
            return "write a block: `each: item in order.lines` and its `fields:`"
        case ListOf(item), ListOf(other):
            inner = turned(item, other, "each").removeprefix("write ")
            return f"write [{inner} for each in {shown}]" if inner else ""
        case MapOf(item), MapOf(other):
            inner = turned(item, other, "value").removeprefix("write ")
            return f"write {{name: {inner} for name, value in {_whole(shown)}.items()}}" if inner else ""
        case ListOf(Text()), Text():
            return f'write join({shown}, ", "), or {_whole(shown)}[0] for the first'
        case ListOf(), _:
            return f"write {_whole(shown)}[0] for the first, or make one of all: sum(…), join(…)"
        case _, ListOf(Record()) if not isinstance(given, Record):
            return "write a block: `each: item in order.lines` and its `fields:`"
        case _, ListOf():
            return f"write [{shown}]"
        case _, Record():
            return "write a block with `fields:`, or call a part that makes it"
        case _, MapOf():
            return f'write {{"name": {shown}}}'
        case MapOf(item), _ if isinstance(item, type(wanted)):
            return f'write default({_whole(shown)}["name"], {stand_in(wanted)}) for one of its values'
        case Record(fields=fields), _:
            like = [name for name, field in fields.items() if isinstance(bare(field.type), type(wanted))]
            return f"write {shown}.{like[0]}" if like else ""
        case _:
            return ""


def _in_text(given: Type, shown: str) -> str:
    """A number, day or moment as text; quotes do not stand within quotes."""
    if isinstance(given, Number) and not given.exact:
        shown = f"round({shown}, 2)"
    return f"to_text({shown})" if '"' in shown else f'f"{{{shown}}}"'


def _whole(shown: str) -> str:
    """What is shown, in brackets where what follows would take its end alone."""
    return shown if re.fullmatch(r"[\w.]+(\[[^]]*\]|\([^()]*\))*|\[[^]]*\]|\{[^}]*\}", shown) else f"({shown})"
