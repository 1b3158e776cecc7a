"""The quick form of each mapping of ours makes of any record what the careful one makes, or leaves it to that one."""

import decimal
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.settings import ROOT, offline
from errors import BusError
from mapping.data import DataMapping
from mapping.port import Lookups
from mapping.quick import quick
from operations import mapping_cases, mapping_files
from operations.mapping_cases import NOW
from operations.mapping_files import Known

Path = tuple[str | int, ...]

SETTINGS = offline({}, ROOT)

_NUMBERS = tuple(
    map(
        Decimal,
        (
            *("NaN", "sNaN", "Infinity", "-Infinity", "-0.00", "0E+30", "1E-300", "1E+60", "0.000001", "1.000000"),
            *("0.00001", "1.00", "-1.00", "99999999999999.99999", "100000000000000", f"0.{'3' * 70}", "9" * 70),
        ),
    )
)
_TEXTS = ("", " ", "%.0s", "n/a", "山" * 70_000)
#: Some of these stand where an example has something else.
ODD: tuple[Any, ...] = (None, 0, -1, -16385, 16384, 2**63, 10**40, 1.5, True, (), *_TEXTS, *_NUMBERS)


def known() -> list[Known]:
    return list(mapping_files.ours())


def places(value: Any) -> Iterator[Path]:
    """Where a record has values."""
    inside: list[tuple[str | int, Any]]
    match value:
        case msgspec.Struct():
            inside = [(name, getattr(value, name)) for name in value.__struct_fields__]
        case dict():
            inside = list(value.items())
        case tuple() | list():
            inside = list(enumerate(value))
        case bytes() if value.startswith((b"{", b"[")):
            yield from places(msgspec.json.decode(value))
            return
        case _:
            inside = []
    for name, each in inside:
        yield (name,)
        yield from ((name, *rest) for rest in places(each))


def at(value: Any, place: Path) -> Any:
    """What stands in a place."""
    for name in place:
        value = msgspec.json.decode(value) if isinstance(value, bytes) else value
        value = getattr(value, name) if isinstance(name, str) and not isinstance(value, dict) else value[name]
    return value


def changed(value: Any, place: Path, odd: Any) -> Any:
    """The record with something else in one place, also in a body of JSON."""
    if not place:
        return value * 3_000 if odd == () and isinstance(value, tuple) and value else odd
    name, *rest = place
    match value:
        case msgspec.Struct():
            inner = changed(getattr(value, str(name)), tuple(rest), odd)
            return msgspec.structs.replace(value, **{str(name): inner})
        case dict():
            return {**value, name: changed(value[name], tuple(rest), odd)}
        case tuple() | list():
            turns = [changed(each, tuple(rest), odd) if at == name else each for at, each in enumerate(value)]
            return tuple(turns) if isinstance(value, tuple) else turns
        case _:
            return json.dumps(changed(msgspec.json.decode(value), place, odd), default=str).encode()


def careful(mapping: DataMapping) -> Callable[..., Any]:
    """The form that knows where it is."""
    return partial(mapping.run, mapping.compiled.function)


def told(function: Callable[..., Any], record: Any, lookups: Lookups) -> object:
    """What comes of it, with every digit, or what is said."""
    try:
        return repr(function(record, lookups, NOW))
    except BusError as error:
        return type(error), error.facts


@pytest.mark.parametrize("each", known(), ids=lambda each: each.mapping.id)
def test_an_example_is_made_by_the_quick_form(each: Known) -> None:
    mapping, lookups = each.mapping, mapping_cases.lookups_of(each, SETTINGS)
    form = quick(mapping.compiled)

    for case in mapping_cases.cases(each):
        try:
            made = careful(mapping)(case.record, lookups, NOW)
        except BusError:
            continue
        with decimal.localcontext(form.numbers):
            assert form.function(case.record, lookups, NOW) == made, case.name


@pytest.mark.parametrize("each", known(), ids=lambda each: each.mapping.id)
def test_with_one_value_that_is_odd_both_forms_say_the_same(each: Known) -> None:
    mapping, lookups = each.mapping, mapping_cases.lookups_of(each, SETTINGS)
    record = mapping_cases.cases(each)[0].record
    for place in places(record):
        there = at(record, place)
        for odd in _NUMBERS if isinstance(there, Decimal) else _TEXTS if isinstance(there, str) else ODD:
            one = changed(record, place, odd)

            assert told(mapping, one, lookups) == told(careful(mapping), one, lookups), (place, odd)


@pytest.mark.parametrize("each", known(), ids=lambda each: each.mapping.id)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_with_some_that_are_odd_both_forms_say_the_same(each: Known, data: st.DataObject) -> None:
    mapping, lookups = each.mapping, mapping_cases.lookups_of(each, SETTINGS)
    record = data.draw(st.sampled_from(mapping_cases.cases(each))).record
    for _ in range(data.draw(st.integers(1, 2))):
        there = list(places(record))
        record = changed(record, data.draw(st.sampled_from(there)), data.draw(st.sampled_from(ODD)))

    assert told(mapping, record, lookups) == told(careful(mapping), record, lookups)
