"""The records that mapping files name, as types: from our Structs, or from Avro schemas where there is no Struct."""

import importlib
import inspect as python_inspect
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

from mapping.messages import WrongError, nearest
from mapping.shapes import (
    Anything,
    Boolean,
    Bytes,
    Date,
    Field,
    Instant,
    Integer,
    ListOf,
    MapOf,
    Nothing,
    Number,
    Optional,
    Record,
    Text,
    Type,
    joined,
    optional,
)

#: `canonical.order.Order`, or `bus.seen.Seen[systems.clarity.order.ClarityOrder]`; modules are those of `schemas`.
_NAME = re.compile(r"((?:[a-z][a-z0-9_]*\.)+)([A-Z][A-Za-z0-9]*)(?:\[(.*)\])?", re.ASCII)
_SIMPLE: Mapping[str, Type] = {
    "text": Text(),
    "integer": Integer(),
    "decimal": Number(),
    "boolean": Boolean(),
    "date": Date(),
    "instant": Instant(),
    "bytes": Bytes(),
}


class Records:
    """Finds records by the names mapping files use."""

    def __init__(self, more: Mapping[str, type[msgspec.Struct] | Record] | None = None) -> None:
        """Know those of `schemas`, and more by name."""
        self._more = more or {}

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
        return type_of(found or self._class(name))

    def _class(self, name: str) -> Any:
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise WrongError(f"{name} is no name of a record", "write one such as canonical.order.Order")
        module_name, class_name, inner = parts[1].rstrip("."), parts[2], parts[3]
        try:
            module = importlib.import_module(f"schemas.{module_name}")
        except ModuleNotFoundError as error:
            raise WrongError(f"there is no module schemas/{module_name.replace('.', '/')}.py") from error
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
            return made[more if more is not None and not isinstance(more, Record) else self._class(inner)]
        except TypeError as error:
            raise WrongError(f"{class_name} holds no other record", f"write {name.partition('[')[0]}") from error


def type_of(python_type: Any) -> Type:
    """The type of a Struct's field, a function's parameter or its result.

    Raises:
        WrongError: mappings have no such values.
    """
    return _from_python(inspect.type_info(python_type))


def _from_python(kind: inspect.Type) -> Type:  # noqa: PLR0911, PLR0912, C901 - one for each kind
    match kind:
        case inspect.Metadata(type=inspect.DecimalType(), extra={"precision": int(precision), "scale": int(scale)}):
            return Number(scale=scale, precision=precision)
        case inspect.Metadata(type=inner):
            return _from_python(inner)
        case inspect.StrType():
            return Text()
        case inspect.BoolType():
            return Boolean()
        case inspect.IntType():
            return Integer()
        case inspect.DecimalType():
            return Number()
        case inspect.DateType():
            return Date()
        case inspect.DateTimeType():
            return Instant()
        case inspect.BytesType():
            return Bytes()
        case inspect.NoneType():
            return Nothing()
        case inspect.EnumType(cls=cls):
            return Text(frozenset(str(each.value) for each in cls))
        case inspect.LiteralType(values=values):
            return Text(frozenset(str(each) for each in values))
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
            return _union([_from_python(each) for each in types])
        case _:
            raise WrongError(f"{type(kind).__name__} is no type that mappings know")


def _union(types: list[Type]) -> Type:
    made: Type | None = types[0]
    for each in types[1:]:
        made = joined(made, each) if made is not None else None
    if made is None:
        raise WrongError("a value of several types is nothing that mappings know")
    return made


def _record(kind: inspect.StructType) -> Record:
    cls: Any = kind.cls
    origin = getattr(cls, "__origin__", cls)
    inner = "".join(f"[{_name_of(each)}]" for each in getattr(cls, "__args__", ()))
    fields = {each.name: _field(each) for each in kind.fields}
    fields |= {name: Field(name=name, type=type_, required=False, computed=True) for name, type_ in _properties(origin)}
    return Record(_name_of(origin) + inner, fields, origin)


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


def from_avro(schema: Any, known: dict[str, Record] | None = None, namespace: str = "") -> Type:  # noqa: PLR0911, PLR0912, C901 - one for each kind
    """The type of a value by its Avro schema; records are plain dicts then.

    Args:
        schema: A parsed `.avsc`, or a part of one.
        known: Named records met so far, filled as they are met.
        namespace: Of the enclosing record.

    Raises:
        WrongError: an Avro type that mappings do not know.
    """
    known = {} if known is None else known
    match schema:
        case "string" | {"type": "string"}:
            return Text()
        case "boolean" | {"type": "boolean"}:
            return Boolean()
        case {"logicalType": "decimal", "precision": precision}:
            return Number(scale=schema.get("scale", 0), precision=precision)
        case {"logicalType": "date"}:
            return Date()
        case {"logicalType": "timestamp-micros" | "timestamp-millis"}:
            return Instant()
        case "int" | "long" | {"type": "int" | "long"}:
            return Integer()
        case "bytes" | {"type": "bytes"}:
            return Bytes()
        case "null":
            return Nothing()
        case {"type": "enum", "symbols": symbols}:
            return Text(frozenset(symbols))
        case {"type": "array", "items": items}:
            return ListOf(from_avro(items, known, namespace))
        case {"type": "map", "values": values}:
            return MapOf(from_avro(values, known, namespace))
        case {"type": "record", "name": name, "fields": fields}:
            space = schema.get("namespace", namespace)
            full = f"{space}.{name}" if space and "." not in name else name
            known[full] = Record(full, {each["name"]: _avro_field(each, known, space) for each in fields})
            return known[full]
        case [*branches]:
            return _union([from_avro(each, known, namespace) for each in branches])
        case str(name) if name in known or f"{namespace}.{name}" in known:
            return known.get(name) or known[f"{namespace}.{name}"]
        case _:
            raise WrongError(f"{schema!r} is no type that mappings know")


def _avro_field(field: Any, known: dict[str, Record], namespace: str) -> Field:
    type_ = from_avro(field["type"], known, namespace)
    default = field.get("default")
    if isinstance(type_, Number) and isinstance(default, str):
        default = Decimal(int.from_bytes(default.encode("latin-1"), signed=True)).scaleb(-(type_.scale or 0))
    return Field(name=field["name"], type=type_, required="default" not in field, default=default)


def may_be_absent(type_: Type) -> bool:
    """Whether nothing may stand there."""
    return isinstance(type_, Optional | Nothing)
