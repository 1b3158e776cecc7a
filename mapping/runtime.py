"""What compiled mappings call besides functions of the language: bounds, rounding, and what is said of a fault."""

from collections.abc import Callable, Iterable, Mapping, Sized
from decimal import Decimal
from operator import itemgetter
from typing import Any, NoReturn, TypeVar

from msgspec import Struct

from errors import MappingError
from mapping.bounds import CONTEXT, finite
from mapping.functions.conversions import to_text
from mapping.functions.faults import shown

T = TypeVar("T")

#: Characters of a text that is put together.
TEXT_LIMIT = 65_536
#: What the turns of all loops may cost together; a turn costs as many as its expressions have parts.
STEPS_LIMIT = 5_000_000
#: Nanoseconds that a step stands for, as what functions take for a character is told.
STEP = 100
#: Digits of a whole number, in bits.
_BITS_LIMIT = 128
_SHORTER = "give what a turn works out anew, such as a sum of all lines, a name under `let:` outside of the loop"
ZERO = Decimal(0)
_PLACES = tuple(Decimal(1).scaleb(-places) for places in range(16))


class Steps:
    """What is left of the work one record may cause."""

    __slots__ = ("_left",)

    def __init__(self, share: int = 1) -> None:
        """All of it, or the half, the third, … of it."""
        self._left = STEPS_LIMIT // share

    def over(self, items: Any, weight: int) -> Any:
        """The list itself, its turns paid."""
        self._left = left = self._left - (len(items) + 1) * weight
        if left < 0:
            self._refuse()
        return items

    def joined(self, first: Any, second: Any) -> Any:
        """Two lists as one, each value paid: named again and again they would double."""
        return (*self.over(first, 1), *self.over(second, 1))

    def sized(self, value: Any) -> Any:
        """A text or a list that is read once more, paid by its length."""
        if value is not None:
            self._left = left = self._left - (len(value) >> (4 if isinstance(value, str) else 2)) - 1
            if left < 0:
                self._refuse()
        return value

    def worked(self, value: Any, rate: int) -> Any:
        """What a function is given, paid by its length and what the function takes for each character or item."""
        if value is not None:
            self._left = left = self._left - len(value) * rate // STEP - 1
            if left < 0:
                self._refuse()
        return value

    def any(self, value: Any, rate: int) -> Any:
        """The same of a value of any kind."""
        return self.worked(value, rate) if isinstance(value, Sized) else value

    def texts(self, value: Any, rate: int) -> Any:
        """The same of a list or a map of texts, which are read, too."""
        if value is not None:
            inside = value.values() if isinstance(value, Mapping) else value
            self._left = left = self._left - (len(value) + sum(map(len, filter(None, inside)))) * rate // STEP - 1
            if left < 0:
                self._refuse()
        return value

    def text(self, value: str) -> str:
        """A text that was put together."""
        self._left = left = self._left - (len(value) >> 3) - 1
        if left < 0:
            self._refuse()
        return value if len(value) <= TEXT_LIMIT else bounded_text(value)

    def made(self, value: Any) -> Any:
        """A text, a list or a map that was made, or nothing."""
        if isinstance(value, Sized):
            self._left = left = self._left - (len(value) >> (3 if isinstance(value, str) else 0)) - 1
            if left < 0:
                self._refuse()
        return value

    def _refuse(self) -> NoReturn:
        raise MappingError("", f"the record is too long for what this mapping does with it: {_SHORTER}")


def bounded_text(value: str) -> str:
    """A text that was put together."""
    if len(value) > TEXT_LIMIT:
        raise MappingError("", f"a text has {len(value)} characters, more than {TEXT_LIMIT}")
    return value


def bounded_whole(value: int) -> int:
    """A product of whole numbers."""
    if value.bit_length() > _BITS_LIMIT:
        raise MappingError("", "a whole number has more than 38 digits")
    return value


def times(first: int, second: int) -> int:
    """The product of two whole numbers."""
    return bounded_whole(bounded_whole(first) * bounded_whole(second))


def decimals(value: Any) -> Any:
    """The same with decimals for its whole numbers: divided, those would become floats."""
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, Mapping):
        return {key: decimals(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(decimals(each) for each in value)
    return value


def floats(value: Any) -> Any:
    """The same with floating numbers for its decimals, for records that hold such."""
    if isinstance(value, Decimal | int):
        return float(value)
    if isinstance(value, Mapping):
        return {key: floats(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(floats(each) for each in value)
    return value


def quotient(first: int, second: int) -> int:
    """Of whole numbers, towards zero, as of decimals."""
    whole = abs(first) // abs(second)
    return whole if (first < 0) == (second < 0) else -whole


def remainder(first: int, second: int) -> int:
    """What `quotient` leaves, with the sign of the first number."""
    return first - second * quotient(first, second)


def plain(number: Decimal) -> str:
    """A number without exponent."""
    if not number.is_finite() or abs(number.adjusted()) > 60:
        raise MappingError("", "a number is wider than any amount")
    return f"{number or abs(number):f}"


def rounded(number: Decimal | int, places: int, rounding: str) -> Decimal:
    """A number with so many decimals."""
    if not 0 <= places < len(_PLACES):
        raise MappingError("", f"{places} decimals: 0 to 15 can be kept")
    result = Decimal(number).quantize(_PLACES[places], rounding, CONTEXT)
    return result or abs(result)


def at(items: Any, place: int) -> Any:
    """What stands at a place of a list, or None."""
    return items[place] if -len(items) <= place < len(items) else None


def side_by_side(*lists: Any) -> Any:
    """The turns of several lists together."""
    if len({len(each) for each in lists}) > 1:
        raise MappingError(
            "", f"lists of {' and '.join(str(len(each)) for each in lists)} values do not go side by side"
        )
    return tuple(zip(*lists, strict=True))


def distinct(items: Iterable[T]) -> Iterable[T]:
    """Each value once, in the order they came."""
    return dict.fromkeys(items)


def by_name(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A map of names and values; refused where a name has two values, as one of them would be lost."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise MappingError("", f"{shown(name)} comes twice in a map, with two values: put them together first")
    return found


def option_table(connection: str) -> str:
    """The lookup table with a connection's options."""
    return f"connection:{connection}"


def kept(value: Any, tree: Any, path: str = "") -> dict[str, str]:
    """What nobody mapped, as texts by name; without what is absent or empty."""
    if value is None or value == "":
        return {}
    if isinstance(value, list | tuple):
        turns = (kept(each, tree, f"{path}[{number}]") for number, each in enumerate(value, 1))
        return {name: text for turn in turns for name, text in turn.items()}
    if tree is not None:
        parts = (
            (shown, value.get(name) if isinstance(value, dict) else getattr(value, name), inner)
            for name, shown, inner in tree
        )
    elif isinstance(value, Mapping):
        parts = ((name, each, None) for name, each in value.items())
    elif isinstance(value, Struct):
        parts = ((name, getattr(value, name), None) for name in value.__struct_fields__)
    else:
        return {path: to_text(value)}
    found = (kept(each, inner, f"{path}.{name}".strip(".")) for name, each, inner in parts)
    return {name: text for one in found for name, text in one.items()}


def refuse(reason: str) -> NoReturn:
    """The mapping's own refusal."""
    raise MappingError("", bounded_text(reason))


def mapped(name: str, table: Mapping[str, Any], key: str) -> Any:
    """The row of a status map."""
    try:
        return table[key]
    except KeyError:
        raise MappingError("", f"{key!r} has no row in statuses.{name}: add it") from None


#: By the name they have in generated code.
NAMES: Mapping[str, Callable[..., Any] | Decimal | type] = {
    "_text": bounded_text,
    "_bounded": bounded_whole,
    "_times": times,
    "_decimals": decimals,
    "_floats": floats,
    "_quotient": quotient,
    "_remainder": remainder,
    "_plain": plain,
    "_round": rounded,
    "_at": at,
    "_zip": side_by_side,
    "_distinct": distinct,
    "_by_name": by_name,
    "_finite": finite,
    "_finite_or_none": finite,
    "_option_table": option_table,
    "_refuse": refuse,
    "_mapped": mapped,
    "_ZERO": ZERO,
    "_Decimal": Decimal,
    "_sum": sum,
    "_len": len,
    "_abs": abs,
    "_int": int,
    "_min": min,
    "_max": max,
    "_any": any,
    "_all": all,
    "_next": next,
    "_iter": iter,
    "_sorted": sorted,
    "_enumerate": enumerate,
    "_tuple": tuple,
    "_bool": bool,
    "_str": str,
    "_kept": kept,
    "_Steps": Steps,
    "_item": itemgetter,
}
