"""Every function of the mapping language, by name: what the checker types, the compiler calls and people look up.

A function is pure: the same arguments give the same result, and nothing outside is read but lookup tables that are
handed on. Its time and memory are bounded by what it is given, and what it is given by `faults`. One that cannot do
what it was asked raises `FunctionError`, whose reason is a sentence for people; the caller says for which field.
Whoever adds one writes it in a module here, with an example that is true, and its name below.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mapping.functions import (
    addresses,
    amounts,
    conversions,
    countries,
    currencies,
    moments,
    names,
    phones,
    tables,
    texts,
    units,
)
from mapping.functions.description import Function, described

#: By chapter of the reference page.
CHAPTERS: Mapping[str, tuple[Callable[..., Any], ...]] = {
    "Numbers and truths": (
        conversions.to_decimal,
        conversions.to_integer,
        conversions.whole,
        conversions.to_boolean,
        conversions.to_text,
        conversions.is_decimal,
        conversions.format_decimal,
    ),
    "Values of any kind": (
        conversions.decimal_of,
        conversions.boolean_of,
        conversions.list_of,
        conversions.map_of,
    ),
    "Where nothing was given": (
        conversions.if_blank,
        conversions.is_blank,
        conversions.first_filled,
    ),
    "Texts": (
        texts.trim,
        texts.trim_start,
        texts.trim_end,
        texts.squeeze,
        texts.plain_text,
        texts.pad_start,
        texts.pad_end,
        texts.without_prefix,
        texts.without_suffix,
        texts.upper,
        texts.lower,
        texts.capitalised,
        texts.length_of,
        texts.contains,
        texts.starts_with,
        texts.ends_with,
        texts.like,
        texts.before,
        texts.after,
        texts.between,
        texts.left,
        texts.right,
        texts.middle,
        texts.part,
        texts.split,
        texts.join,
        texts.replace,
        texts.digits,
        texts.only,
        texts.without,
        texts.cut,
        texts.wrap,
        texts.cut_bytes,
        texts.to_ascii,
        texts.fit_code_page,
        texts.fits_code_page,
        texts.digest,
    ),
    "Names and e-mail": (names.full_name, names.split_name, names.email, names.is_email),
    "Amounts": (
        amounts.absolute,
        amounts.adds_up,
        amounts.rounding_difference,
        amounts.spread,
        amounts.extended_price,
        amounts.net_unit_price,
        amounts.discounted,
        amounts.percent_of,
        amounts.without_tax,
    ),
    "Currencies": (
        currencies.currency_code,
        currencies.is_currency,
        currencies.minor_unit,
        currencies.rounded_money,
        currencies.exchange_rate,
        currencies.convert,
    ),
    "Units of measure": (units.unit_factor, units.convert_quantity, units.convert_unit_price),
    "Dates and moments": (
        moments.to_date,
        moments.to_instant,
        moments.format_date,
        moments.format_instant,
        moments.date_in,
        moments.instant_of,
        moments.today,
        moments.from_epoch,
        moments.to_epoch,
        moments.add_days,
        moments.days_between,
        moments.last_of_month,
        moments.is_date,
    ),
    "Countries and states": (
        countries.country_code,
        countries.country_name,
        countries.country_code3,
        countries.country_number,
        countries.is_country,
        countries.state_code,
        countries.state_name,
        countries.is_state,
    ),
    "Addresses": (
        addresses.parse_address,
        addresses.postal_code,
        addresses.is_postal_code,
        addresses.address_lines,
    ),
    "Telephone numbers": (phones.phone, phones.phone_national, phones.phone_extension, phones.is_phone),
    "Lookup tables, maps and lists": (
        tables.has_row,
        tables.lookup_back,
        tables.entry,
        tables.inverted,
        tables.filled,
        tables.last,
    ),
}
#: Nanoseconds for each character or item that a function is given; what a function takes is paid by them.
USUAL = 6
#: Of those that take longer: measured with the worst they can be given, see `test_hostile.py`.
WORK: Mapping[str, int] = {
    call.__name__: work
    for work, calls in {
        5_300: (amounts.spread,),
        1_000: (amounts.adds_up, amounts.rounding_difference, amounts.discounted),
        700: (addresses.address_lines, tables.filled, tables.inverted, texts.like),
        550: (texts.fit_code_page, texts.plain_text),
        300: (texts.to_ascii, texts.cut_bytes, addresses.parse_address),
        220: (texts.capitalised, conversions.to_boolean),
        180: (texts.only, texts.without, texts.digits, conversions.first_filled),
        100: (
            addresses.is_postal_code, addresses.postal_code, countries.country_code, currencies.currency_code,
            currencies.is_currency, currencies.minor_unit, currencies.rounded_money, currencies.exchange_rate,
            currencies.convert, phones.is_phone, phones.phone, texts.split, texts.part, texts.squeeze,
            names.split_name,
        ),
    }.items()
    for call in calls
}  # fmt: skip
#: Nanoseconds for a call, be what it is given ever so short.
USUAL_CALL = 1_000
#: Of those that take longer, measured alike.
CALL: Mapping[str, int] = {
    call.__name__: price
    for price, calls in {
        60_000: (phones.phone, phones.phone_national, phones.phone_extension, phones.is_phone),
        30_000: (addresses.parse_address, addresses.address_lines),
        12_000: (
            addresses.is_postal_code, addresses.postal_code, amounts.spread, countries.state_name,
            countries.state_code,
        ),
        7_000: (
            conversions.boolean_of, conversions.list_of, conversions.to_decimal, conversions.to_integer,
            countries.country_code, countries.country_code3, countries.country_name, countries.country_number,
            countries.is_state, currencies.convert, currencies.currency_code, currencies.exchange_rate,
            moments.format_instant, moments.is_date, moments.to_date, tables.lookup_back, texts.cut_bytes,
            texts.wrap, units.convert_quantity, units.convert_unit_price,
        ),
        4_000: (
            amounts.discounted, amounts.extended_price, amounts.net_unit_price, amounts.percent_of,
            amounts.rounding_difference, amounts.without_tax, conversions.decimal_of, conversions.is_decimal,
            conversions.map_of, conversions.to_boolean, conversions.whole, countries.is_country,
            currencies.minor_unit, currencies.rounded_money, moments.date_in, moments.format_date,
            moments.instant_of, moments.to_instant, moments.today, names.email, names.split_name,
            texts.capitalised, texts.digits, texts.fit_code_page, texts.fits_code_page, texts.like, texts.only,
            texts.part, texts.plain_text, texts.replace, texts.split, texts.to_ascii, texts.without,
            units.unit_factor,
        ),
    }.items()
    for call in calls
}  # fmt: skip
#: Each undoes the other where neither refuses; held by property tests.
_INVERSES = (
    (conversions.to_decimal, conversions.format_decimal),
    (moments.to_date, moments.format_date),
    (moments.to_instant, moments.format_instant),
    (moments.from_epoch, moments.to_epoch),
    (countries.country_code, countries.country_name),
    (countries.state_code, countries.state_name),
    (phones.phone, phones.phone_national),
)
_INVERSE_OF = {one.__name__: other.__name__ for pair in _INVERSES for one, other in (pair, pair[::-1])}


class _Described(Mapping[str, Function]):
    """Each function's description, made when first asked for: most commands ask for none."""

    def __init__(self) -> None:
        self._calls = {call.__name__: call for calls in CHAPTERS.values() for call in calls}
        self._made: dict[str, Function] = {}

    def __getitem__(self, name: str) -> Function:
        if name not in self._made:
            self._made[name] = described(self._calls[name], _INVERSE_OF.get(name, ""))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._calls)

    def __len__(self) -> int:
        return len(self._calls)


FUNCTIONS: Mapping[str, Function] = _Described()
