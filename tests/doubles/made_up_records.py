"""Records nobody ever sent, made up by hypothesis from their types."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

_EARLIEST, _LATEST = datetime(2000, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone
_TEXTS = st.text(st.sampled_from("abcXYZ019 -_/ßé山"), max_size=8)


def records_of(kind: type, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Records of a class; some of their fields as given."""
    given = inspect.type_info(kind)
    assert isinstance(given, inspect.StructType)
    return st.builds(kind, **{each.name: _values(each.type) for each in given.fields} | fields)


def _values(kind: inspect.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one for each kind
    match kind:
        case inspect.Metadata(extra={"scale": scale}):
            return st.integers(-(10**9), 10**9).map(lambda units: Decimal(units).scaleb(-scale))
        case inspect.Metadata(type=inner):
            return _values(inner)
        case inspect.StrType():
            return _TEXTS
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(0, 10**15)
        case inspect.DecimalType():
            return st.integers(-(10**9), 10**9).map(lambda units: Decimal(units).scaleb(-2))
        case inspect.DateTimeType():
            return st.datetimes(_EARLIEST, _LATEST, timezones=st.just(UTC))
        case inspect.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=3).map(tuple)
        case inspect.DictType(value_type=value):
            return st.dictionaries(_TEXTS, _values(value), max_size=3)
        case inspect.UnionType(types=types):
            return st.one_of(*(st.none() if isinstance(each, inspect.NoneType) else _values(each) for each in types))
        case inspect.StructType(cls=cls):
            return records_of(cls)
    raise AssertionError(f"no values of {kind}")
