"""Telephone numbers by the numbering plans of their countries."""

from typing import TYPE_CHECKING

from mapping.functions.countries import country_code
from mapping.functions.faults import FunctionError

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_TEXT_LIMIT = 60


def phone(text: str, country: str) -> str:
    """A telephone number as E.164 writes it, read as in a country unless it begins with +; refused when it is none.

    It must have the digits such numbers have, area code included; whether anybody has it is not asked.

    Example:
        phone("(512) 555-0117", "US") == "+15125550117"
        phone("+43 1 5880 0", "US") == "+43158800"
    """
    return _written(_number(text, country), "E164")


def is_phone(text: str, country: str) -> bool:
    """Whether a text is a telephone number such as that country's, or an international one.

    Example:
        is_phone("call Maren", "US") == False
    """
    return _parsed(text, country) is not None


def phone_national(text: str, country: str) -> str:
    """A telephone number as its own country writes it.

    Example:
        phone_national("+15125550117", "US") == "(512) 555-0117"
    """
    return _written(_number(text, country), "NATIONAL")


def phone_extension(text: str, country: str) -> str:
    """The extension behind a telephone number; empty where there is none.

    Example:
        phone_extension("512-555-0117 ext. 42", "US") == "42"
    """
    return _number(text, country).extension or ""


def _number(text: str, country: str) -> "PhoneNumber":
    number = _parsed(text, country)
    if number is None:
        raise FunctionError(f"not a telephone number as in {country_code(country)}, nor one that begins with +")
    return number


def _parsed(text: str, country: str) -> "PhoneNumber | None":
    import phonenumbers  # noqa: PLC0415 - large; a command that maps nothing does not wait for it

    region = country_code(country)
    if len(text) > _TEXT_LIMIT:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # one without its area code is possible, too, but only there
    possible = phonenumbers.is_possible_number_with_reason(number)
    return number if possible == phonenumbers.ValidationResult.IS_POSSIBLE else None


def _written(number: "PhoneNumber", form: str) -> str:
    import phonenumbers  # noqa: PLC0415 - as above

    plain = phonenumbers.PhoneNumber()
    plain.merge_from(number)
    plain.extension = None
    return str(phonenumbers.format_number(plain, getattr(phonenumbers.PhoneNumberFormat, form)))
