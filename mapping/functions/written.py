"""Arguments that are written down in a mapping - zones, formats, currencies - looked at when it is loaded.

By the functions' own checks: what each record would be refused for is told before there is one.
"""

import decimal
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mapping.bounds import CONTEXT
from mapping.functions import amounts, conversions, countries, currencies, moments, texts
from mapping.functions.faults import FunctionError, length, places
from mapping.messages import nearest

Check = Callable[[Any], object]

#: By the parameter's name; `function.parameter` goes first.
_CHECKS: Mapping[str, Check] = {
    "zone": moments.zone_of,
    "to_instant.zone": lambda zone: zone and moments.zone_of(zone),
    "format": moments.check_format,
    "to_instant.format": lambda form: form and moments.check_format(form),
    "unit": moments.per_second,
    "hour": lambda hour: moments.check_time(hour, 0),
    "minute": lambda minute: moments.check_time(0, minute),
    "rounding": amounts.rounding_of,
    "decimals": places,
    "currency": currencies.minor_unit,
    "from_currency": currencies.currency_code,
    "to_currency": currencies.currency_code,
    "convert.to_currency": currencies.minor_unit,
    "country": countries.country_code,
    "language": countries.language_of,
    "code_page": texts.page_of,
    "fill": texts.one,
    "mark": texts.mark_of,
    "between.start": texts.mark_of,
    "between.end": texts.mark_of,
    "replace.old": texts.mark_of,
    "to_length": length,
    "digest.to_length": texts.check_digits,
    "cut.at_most": length,
    "wrap.at_most": texts.check_line,
    "cut_bytes.at_most": length,
    "left.count": length,
    "right.count": length,
    "middle.count": length,
    "like.pattern": texts.check_pattern,
}
#: Of those with names, the names there are.
_KNOWN: Mapping[str, Callable[[], Iterable[str]]] = {
    "zone": moments.zones,
    "unit": lambda: moments.UNITS,
    "rounding": lambda: amounts.ROUNDINGS,
    "currency": currencies.codes,
    "from_currency": currencies.codes,
    "to_currency": currencies.codes,
    "country": countries.known,
    "code_page": lambda: texts.CODE_PAGES,
}


def wrong(function: str, parameter: str, value: object) -> tuple[str, str] | None:
    """What is wrong with a value that is written down for a function, and what to write; None if nothing is."""
    check = _CHECKS.get(f"{function}.{parameter}", _CHECKS.get(parameter))
    known = _KNOWN.get(parameter)
    return None if check is None else _said(lambda: check(value), str(value), known() if known else ())


def wrong_together(function: str, values: Mapping[str, object]) -> tuple[str, str] | None:
    """The same of values that must go together; those that are not written down are left out."""
    thousands, point = values.get("thousands"), values.get("decimal_point")
    if isinstance(thousands, str) and isinstance(point, str):
        return _said(lambda: conversions.check_separators(thousands, point), "", ())
    if function == "to_integer" and isinstance(thousands, str):
        return _said(lambda: conversions.check_separators(thousands, ";"), "", ())
    return None


def _said(check: Callable[[], object], value: str, known: Iterable[str]) -> tuple[str, str] | None:
    try:
        check()
    except FunctionError as error:
        return error.reason, nearest(value, known)
    return None


def refused(call: Callable[..., Any], values: Mapping[str, Any]) -> str:
    """Why a call that is written down as a whole is refused with every record; empty where it is not.

    A number stands for a decimal as it does for a whole number: what a function cannot read so is told with a record.
    """
    with decimal.localcontext(CONTEXT):
        try:
            call(**values)
        except FunctionError as error:
            return error.reason
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            return ""
    return ""
