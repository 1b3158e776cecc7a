"""The records that mapping files name, as types: our Structs, and those handed over."""

import importlib
import inspect as python_inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

import schemas
from mapping.messages import WrongError, nearest
from mapping.other_languages import TYPES
from mapping.shapes import (
    Anything,
    Boolean,
    Bytes,
    Date,
    Field,
    Float,
    Instant,
    Integer,
    ListOf,
    MapOf,
    Nothing,
    Number,
    Record,
    Text,
    Type,
    Unreadable,
    bare,
    optional,
    union,
)

#: `canonical.order.Order`, or `bus.seen.Seen[systems.clarity.order.ClarityOrder]`; modules are those of `schemas`.
_NAME = re.compile(r"((?:[a-z][a-z0-9_]*\.)+)([A-Z][A-Za-z0-9]*)(?:\[(.*)\])?", re.ASCII)
_SIMPLE: Mapping[str, Type] = {
    "text": Text(),
    "integer": Integer(),
    "decimal": Number(finite=False, handed_on=True),
    "boolean": Boolean(),
    "date": Date(),
    "instant": Instant(),
    "bytes": Bytes(),
}
#: By their class.
_MADE: dict[Any, Record] = {}


class Records:
    """Finds records by the names mapping files use."""

    def __init__(self, more: Mapping[str, type[msgspec.Struct] | Record] | None = None) -> None:
        """Know those of `schemas`, and more by name; the records within those are known by their own names."""
        self._more = more or {}
        self._within = {record.name: record for each in self._more.values() for record in records_in(each)}

    def type_named(self, name: str) -> Type:
        """A record's type, or that of a simple value: `text`, `number?`, `list[text]`, `map[number]`.

        Raises:
            WrongError: there is none of that name.
        """
        name = name.strip()
        if len(name) > 400:
            raise WrongError("is too long for a name")
        if name.endswith("?"):
            return optional(self.type_named(name[:-1]))
        for form, made in (("list[", ListOf), ("map[", MapOf)):
            if name.startswith(form) and name.endswith("]"):
                return made(self.type_named(name[len(form) : -1]))
        if name in _SIMPLE:
            return _SIMPLE[name]
        found = self._more.get(name)
        if isinstance(found, Record):
            return found
        if found is None and name in self._within:
            return self._within[name]
        return type_of(found or self.class_named(name))

    def class_named(self, name: str) -> Any:
        """The Struct of that name in `schemas`, of what it holds where the name says.

        Raises:
            WrongError: there is none.
        """
        parts = _NAME.fullmatch(name)
        if parts is None:
            kind = TYPES.get(name)
            write = f"write {kind}" if kind else nearest(name, _SIMPLE) if name.islower() and "." not in name else ""
            record = "write one such as canonical.order.Order"
            raise WrongError(f"{name} is no name of a record" + (" or a value" if write else ""), write or record)
        module_name, class_name, inner = parts[1].rstrip("."), parts[2], parts[3]
        try:
            module = importlib.import_module(f"schemas.{module_name}")
        except ModuleNotFoundError as error:
            write = nearest(module_name, _modules())
            raise WrongError(f"there is no module schemas/{module_name.replace('.', '/')}.py", write) from error
        records = {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
        }
        if class_name not in records:
            raise WrongError(f"schemas.{module_name} has no record {class_name}", nearest(class_name, records))
        made: Any = records[class_name]
        if inner is None:
            return made
        more = self._more.get(inner)
        try:
            return made[more if more is not None and not isinstance(more, Record) else self.class_named(inner)]
        except TypeError as error:
            raise WrongError(f"{class_name} holds no other record", f"write {name.partition('[')[0]}") from error


def _modules() -> Iterator[str]:
    """Names of the modules with records, as mapping files write them."""
    root = Path(schemas.__path__[0])
    return (".".join(each.relative_to(root).with_suffix("").parts) for each in root.rglob("[a-z]*.py"))


def type_of(python_type: Any) -> Type:
    """The type of a Struct's field, a function's parameter or its result.

    Raises:
        WrongError: mappings have no such values.
    """
    return _from_python(inspect.type_info(python_type))


def _from_python(kind: inspect.Type) -> Type:  # noqa: PLR0911, PLR0912, C901 - one for each kind
    match kind:
        case inspect.Metadata(type=inspect.DecimalType(), extra={"precision": int(precision), "scale": int(scale)}):
            return Number(scale=scale, precision=precision, finite=False)
        case inspect.Metadata(type=inner):
            return _from_python(inner)
        case inspect.StrType(min_length=least, max_length=most):
            return Text(least=least or 0, most=most)
        case inspect.BoolType():
            return Boolean()
        case inspect.IntType():
            return _within(kind)
        case inspect.DecimalType():
            return Number(finite=False)
        case inspect.DateType():
            return Date()
        case inspect.DateTimeType():
            return Instant()
        case inspect.BytesType():
            return Bytes()
        case inspect.NoneType():
            return Nothing()
        case inspect.EnumType(cls=cls):
            # else a member is not what it is written as, and never equal to it
            plain = all(isinstance(each, str | int) and str(each) == str(each.value) for each in cls)
            return _one_of(cls.__name__, [each.value if plain else None for each in cls])
        case inspect.LiteralType(values=values):
            named = [each for each in values if each is not None]
            made = _one_of(f"one of {', '.join(map(str, named))}", named)
            return made if len(named) == len(values) else optional(made)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return ListOf(_from_python(item))
        case inspect.CollectionType(item_type=item):
            return ListOf(_from_python(item))
        case inspect.DictType(key_type=inspect.StrType(), value_type=value):
            return MapOf(_from_python(value))
        case inspect.StructType():
            return _record(kind)
        case inspect.CustomType(cls=cls) if issubclass(cls, int):
            return Integer(tuple(_properties(cls)))
        case inspect.CustomType(cls=cls) if issubclass(cls, str):
            return Text()
        case inspect.AnyType():
            return Anything()
        case inspect.UnionType(types=types):
            return union([_from_python(each) for each in types])
        case inspect.FloatType():
            return Float()
        case _:
            return Unreadable(type(kind).__name__.removesuffix("Type").lower())


def _within(kind: inspect.IntType) -> Integer:
    least = kind.ge if kind.gt is None else kind.gt + 1
    most = kind.le if kind.lt is None else kind.lt - 1
    return Integer(least=least, most=most)


def _one_of(name: str, values: list[Any]) -> Type:
    if all(type(each) is int for each in values):
        return Integer(values=frozenset(values))
    if all(isinstance(each, str) for each in values):
        return Text(frozenset(values))
    return Unreadable(f"{name}, neither texts nor whole numbers")


def _record(kind: inspect.StructType) -> Record:
    cls: Any = kind.cls
    origin = getattr(cls, "__origin__", cls)
    inner = "".join(f"[{_name_of(each)}]" for each in getattr(cls, "__args__", ()))
    if cls not in _MADE:
        fields: dict[str, Field] = {}
        # known before its fields are: one may hold others of its own kind
        _MADE[cls] = Record(_name_of(origin) + inner, fields, origin)
        fields |= {each.name: _field(each) for each in kind.fields}
        fields |= {
            name: Field(name=name, type=type_, required=False, computed=True) for name, type_ in _properties(origin)
        }
    return _MADE[cls]


def _field(field: inspect.Field) -> Field:
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return Field(
        name=field.name,
        type=_from_python(field.type),
        required=field.required,
        default=None if default is msgspec.NODEFAULT else default,
    )


def _name_of(cls: Any) -> str:
    module: str = cls.__module__
    return f"{module.removeprefix('schemas.')}.{cls.__name__}"


def _properties(cls: type) -> Iterator[tuple[str, Type]]:
    """What a record works out itself, as far as it says of what type it is."""
    for name, member in python_inspect.getmembers(cls, lambda each: isinstance(each, property)):
        if name.startswith("_") or member.fget is None:
            continue
        try:
            yield name, type_of(get_type_hints(member.fget)["return"])
        except (WrongError, KeyError, NameError, TypeError):
            continue


def records_in(given: Any) -> Iterator[Record]:
    """A record's type and those of all records within it."""
    waiting, seen = [given], set[str]()
    while waiting:
        match bare(waiting.pop()):
            case Record(name, fields) as record if name not in seen:
                seen.add(name)
                yield record
                waiting.extend(field.type for field in fields.values() if not field.computed)
            case ListOf(item):
                waiting.append(item)
            case MapOf(value):
                waiting.append(value)
            case _:
                pass
