"""What functions refuse, and what they say then: nothing that stands for another thing is ever made up."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mapping.functions import FUNCTIONS
from mapping.functions.faults import FunctionError
from mapping.port import Lookups

LOOKUPS = Lookups(
    {"units": {"CASE:EACH": "12", "BAG:EACH": "many"}, "back": {"a": "x", "b": "x"}, "rates": {"EUR/USD": "0"}}
)


def call(name: str, *given: Any) -> Any:
    function = FUNCTIONS[name]
    return function.call(*([LOOKUPS] if function.handed_on else []), *given)


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        # a decimal comma read as one that groups would make a hundredfold amount
        ("to_decimal", ["1,23", ","], "'1,23' is not grouped by ','"),
        ("to_decimal", ["1,234.5.6", ","], "is not a number"),
        ("to_decimal", ["12e3"], "is not a number"),
        ("to_decimal", ["١٢"], "is not a number"),
        ("to_decimal", [""], "is not a number"),
        ("to_decimal", ["(-5)"], "is not a number"),
        ("phone", ["555 0117", "US"], "not a telephone number as in US"),
        ("whole", [Decimal("3.5")], "'3.5' is not a whole number"),
        ("to_boolean", ["perhaps"], "'perhaps' is none of true, yes"),
        ("format_decimal", [Decimal("12.345"), 2], "has more than 2 decimals: round it first"),
        ("spread", [Decimal("10.005"), [Decimal(1)]], "has more than 2 decimals"),
        ("spread", [Decimal("10.00"), []], "10.00 cannot be shared among nobody"),
        ("spread", [Decimal("10.00"), [Decimal(100), Decimal("-99.01")]], "nothing can be shared by them"),
        ("rounding_difference", [Decimal("10.00"), [Decimal("9.00")]], "differ from 10.00 by 1.00, which is more than"),
        ("net_unit_price", [Decimal(1), Decimal(0), Decimal(0)], "the quantity is 0"),
        ("percent_of", [Decimal(1), Decimal(1), 2, "nearest"], "rounding 'nearest': one of half_even"),
        ("convert_quantity", [Decimal(30), "EACH", "CASE", "", 0], "30 EACH is not a whole number of CASE"),
        ("convert_quantity", [Decimal(1), "EACH", "CASE"], "1 EACH is not a number of 5 decimals of CASE"),
        ("convert_quantity", [Decimal(1), "EACH", "KG"], "no row 'EACH:KG' in lookup table 'units'"),
        ("unit_factor", ["BAG", "EACH"], "row 'BAG:EACH' of lookup table 'units': 'many' is not a positive number"),
        ("exchange_rate", ["EUR", "USD", date(2026, 3, 2)], "row 'EUR/USD' of lookup table 'rates'"),
        ("exchange_rate", ["EUR", "CHF", date(2026, 3, 2)], "no rate EUR/CHF or CHF/EUR for 2026-03-02"),
        ("currency_code", ["US$"], "'US$' is no currency of ISO 4217"),
        ("minor_unit", ["XAU"], "XAU has no smallest unit"),
        ("to_date", ["31/02/2026", "%d/%m/%Y"], "'31/02/2026' is not written as %d/%m/%Y"),
        ("to_date", ["1", "%d %d"], "%d stands there twice"),
        ("to_date", ["1", "%Q"], "%Q is none of"),
        ("to_instant", ["2026-03-02T14:05:09"], "has no offset from UTC: name the zone"),
        ("to_instant", ["2026-03-02T14:05:09", "America/Boston"], "'America/Boston' is no time zone"),
        ("to_instant", ["2026-03-02T14:05:09", "../../etc/passwd"], "is no time zone"),
        ("state_code", ["Bavaria", "US"], "'Bavaria' is no state or province of US"),
        ("country_code", ["Narnia"], "'Narnia' is no country"),
        ("country_name", ["US", "klingon"], "'klingon' is no language"),
        ("postal_code", ["7870", "US"], "'7870' is no postal code of US"),
        ("lookup_back", ["back", "z"], "no row of lookup table 'back' has 'z': add it"),
        ("lookup_back", ["back", "x"], "2 rows of lookup table 'back' have 'x': it cannot be read back"),
        ("inverted", [{"a": "x", "b": "x"}], "several keys have 'x'"),
        ("cut_bytes", ["Łódź", 4, "cp1252"], "has characters that cp1252 lacks"),
        ("fit_code_page", ["a", "idna"], "'idna' is no code page"),
        ("trim", ["a" * 70_000], "the text has 70000 characters, more than 65536"),
        ("pad_start", ["a", 10_000_000_000], "10000000000 characters: write 0 to 65536"),
        ("middle", ["20260302", -5, 2], "middle begins at 1, the first character, or later: not at -5"),
        ("middle", ["20260302", 0, 2], "not at 0"),
        ("middle", ["20260302", 1, -2], "-2 characters: write 0 to 65536"),
        ("replace", ["a" * 60_000, "a", "b" * 60_000], "3600000000 characters: write 0 to 65536"),
    ],
)
def test_what_cannot_be_done_is_refused(name: str, given: list[Any], reason: str) -> None:
    with pytest.raises(FunctionError) as refused:
        call(name, *given)

    assert reason in refused.value.reason


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("email", ["Maren Okonjo at larchfield"]),
        ("phone", ["Maren Okonjo", "US"]),
        ("parse_address", ["400 Harbour Road Okonjo TX 78701", "US"]),
        ("parse_address", ["TX 78701 Okonjo Maren 12", "US"]),
        ("parse_address", ["12 Okonjo St, Maren, ZZ 62704", "US"]),
        ("parse_address", ["12 Okonjo St, Maren, IL 6270", "US"]),
        ("parse_address", ["Okonjo 018956, 10 Maren Boulevard", "SG"]),
        ("parse_address", ["Okonjo Street, Dublin, D01 F5P2", "IE"]),
        ("parse_address", ["Maren 3, Okonjo, BY", "DE"]),
    ],
)
def test_a_refusal_shows_nothing_of_a_person(name: str, given: list[Any]) -> None:
    with pytest.raises(FunctionError) as refused:
        call(name, *given)

    assert "Okonjo" not in refused.value.reason
    assert "Maren" not in refused.value.reason


@pytest.mark.parametrize(
    ("text", "country", "parts"),
    [
        (
            "350 5th Ave, Apt 4, New York, NY 10118-0110",
            "US",
            (("350 5th Ave", "Apt 4"), "New York", "NY", "10118-0110"),
        ),
        ("350 5th Ave\nNew York New York 10118\nUSA", "US", (("350 5th Ave",), "New York", "NY", "10118")),
        ("12 Peachtree St, Atlanta, Georgia, 30303", "US", (("12 Peachtree St",), "Atlanta", "GA", "30303")),
        ("PSC 3, Box 120, APO, AE 09021", "US", (("PSC 3", "Box 120"), "APO", "AE", "09021")),
        (
            "111 Wellington St, Ottawa, Ontario K1A0A9, Canada",
            "US",
            (("111 Wellington St",), "Ottawa", "ON", "K1A 0A9"),
        ),
        (
            "10 Downing Street, London, SW1A 2AA, United Kingdom",
            "US",
            (("10 Downing Street",), "London", "", "SW1A 2AA"),
        ),
        ("Unter den Linden 1, 10117 Berlin, Germany", "US", (("Unter den Linden 1",), "Berlin", "", "10117")),
        ("Via Roma 3, 00184 Roma RM", "IT", (("Via Roma 3",), "Roma", "RM", "00184")),
        ("Damrak 1, 1012lg Amsterdam", "NL", (("Damrak 1",), "Amsterdam", "", "1012 LG")),
        ("12 rue de Rivoli, 75001 Paris, France", "US", (("12 rue de Rivoli",), "Paris", "", "75001")),
        ("1 George St, Sydney NSW 2000", "AU", (("1 George St",), "Sydney", "NSW", "2000")),
        ("Av. Paulista 1000, São Paulo-SP, 01310-100", "BR", (("Av. Paulista 1000",), "São Paulo", "SP", "01310-100")),
        ("Av. Paulista 1, São Paulo - SP, 01310-100", "BR", (("Av. Paulista 1",), "São Paulo", "SP", "01310-100")),
        ("Calle Mayor 5, 28013 Madrid", "ES", (("Calle Mayor 5",), "Madrid", "M", "28013")),
        ("5 Main St, New York", "US", (("5 Main St",), "New York", "NY", "")),
        ("3 Abbey St, Dublin 2, D02 AF30", "IE", (("3 Abbey St",), "Dublin 2", "", "D02 AF30")),
        ("Unter den Linden 1\n10117 Berlin\nDeutschland", "DE", (("Unter den Linden 1",), "Berlin", "", "10117")),
        ("Wetstraat 16, 1000 Brussel, Belgique", "BE", (("Wetstraat 16",), "Brussel", "", "1000")),
        ("Bundesplatz 3, 3003 Bern, Schweiz", "AT", (("Bundesplatz 3",), "Bern", "", "3003")),
        ("350 5th Ave, New York, NY 10118, USA", "DE", (("350 5th Ave",), "New York", "NY", "10118")),
        ("1 High St, Oxford OX1 1AA, UK", "US", (("1 High St",), "Oxford", "", "OX1 1AA")),
        ("Calle 5, Ciudad de México, CDMX, 06000, Mexico", "MX", (("Calle 5",), "Ciudad de México", "CMX", "06000")),
        ("Via Po 1, 10124 Torino (TO)", "IT", (("Via Po 1",), "Torino", "TO", "10124")),
        ("1-1 Chiyoda, Chiyoda-ku, １００-８１１１", "JP", (("1-1 Chiyoda",), "Chiyoda-ku", "", "100-8111")),
    ],
)
def test_an_address_is_taken_apart_as_its_country_writes_it(text: str, country: str, parts: Any) -> None:
    parsed = call("parse_address", text, country)

    assert (parsed.lines, parsed.city, parsed.state, parsed.postal_code) == parts


@pytest.mark.parametrize(
    ("text", "first", "middle", "last", "suffix"),
    [
        ("Maren Okonjo", "Maren", "", "Okonjo", ""),
        ("Okonjo", "", "", "Okonjo", ""),
        ("Maria de la Cruz", "Maria", "", "de la Cruz", ""),
        ("John Q. Public Jr.", "John", "Q.", "Public", "Jr."),
        ("Public, John Q.", "John", "Q.", "Public", ""),
        ("John Public, Jr.", "John", "", "Public", "Jr."),
        ("", "", "", "", ""),
        ("SMITH, JOHN JR.", "JOHN", "", "SMITH", "JR."),
        ("Dr. Anna-Lena von der Heide", "Anna-Lena", "", "von der Heide", ""),
        ("Okonjo, Prof. Dr. Maren A.", "Maren", "A.", "Okonjo", ""),
        ("Ms. Lee", "", "", "Lee", ""),
        ("Dr", "", "", "Dr", ""),
        ("van der Heide", "", "", "van der Heide", ""),
        ("Al Public", "Al", "", "Public", ""),
        ("Public, Jr., John Q.", "John", "Q.", "Public", "Jr."),
    ],
)
def test_a_name_is_taken_apart(text: str, first: str, middle: str, last: str, suffix: str) -> None:
    name = call("split_name", text)

    assert (name.first, name.middle, name.last, name.suffix) == (first, middle, last, suffix)


def test_digits_of_other_scripts_are_no_postal_code_but_full_width_ones() -> None:
    assert call("is_postal_code", "١٢٣٤٥", "US") is False
    assert call("postal_code", "１２３４５", "US") == "12345"


def test_a_label_has_one_blank_where_a_part_is_missing() -> None:
    assert call("address_lines", ["400 Harbour Road"], "Austin", "", "78701", "US")[-1] == "Austin, 78701"
