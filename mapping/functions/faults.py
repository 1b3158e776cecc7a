"""What a function says when it cannot; limits of everything it is given."""

from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from errors import MappingError

#: Characters of a text that a function takes or makes; a note of an order has hundreds.
TEXT_LIMIT = 65_536
#: Items of a list or rows of a map.
ITEMS_LIMIT = 10_000
#: Digits before the point of an amount, and after it; the records hold 19 and 5, rates 28 and 10.
DIGITS_LIMIT = 30
#: Wide enough that the product of two amounts and a rate keeps its last digit; never half an answer.
EXACT = Context(prec=100, traps=[InvalidOperation, DivisionByZero, Overflow])

#: Of what was given, in a message: a value's head tells it, its tail could be a payload.
_SHOWN = 40


class FunctionError(MappingError):
    """A function cannot do what it was asked with what it was given; the field is filled in by who called.

    `reason` is a sentence for people. It shows codes, numbers and dates, never names, addresses, phones or e-mail.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("", reason)


def shown(value: object) -> str:
    """A value as a message may show it: short."""
    text = str(value)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def bounded(text: str) -> str:
    """The text itself.

    Raises:
        FunctionError: longer than anything a document holds.
    """
    if len(text) > TEXT_LIMIT:
        raise FunctionError(f"the text has {len(text)} characters, more than {TEXT_LIMIT}")
    return text


def finite(value: Decimal) -> Decimal:
    """The number itself, an integer as a decimal.

    Raises:
        FunctionError: not a number, or wider than any amount.
    """
    number = Decimal(value)
    if not number.is_finite() or (number and not -DIGITS_LIMIT <= number.adjusted() < DIGITS_LIMIT):
        raise FunctionError(f"{shown(value)} is wider than any amount")
    return number


def places(count: int) -> int:
    """The number of decimal places itself.

    Raises:
        FunctionError: below 0 or more than any record keeps.
    """
    if not 0 <= count <= DIGITS_LIMIT // 2:
        raise FunctionError(f"decimals {shown(count)}: from 0 to {DIGITS_LIMIT // 2}")
    return count


def length(count: int) -> int:
    """The length itself.

    Raises:
        FunctionError: negative or longer than any text.
    """
    if not 0 <= count <= TEXT_LIMIT:
        raise FunctionError(f"{count} characters: write 0 to {TEXT_LIMIT}")
    return count
