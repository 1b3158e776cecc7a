"""Writers from Structs straight to Avro bytes: one Python function written for each schema, its pieces joined once."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect as types

from bus import varint
from bus.avro import Schema, name_of, named, type_of
from bus.avro_values import amount_to_bytes, moment_to_bytes, written_amounts
from errors import ConfigurationError
from mapping.writer import Writer

#: From a record to its bytes.
Write = Callable[[Any], bytes]

_SHORT = len(varint.LENGTHS)


def writer(schema: Schema, record: type[msgspec.Struct], header: bytes) -> Write:
    """The function that writes the record, `header` in front.

    The schema as fastavro parses it, and fitting the record. The function raises MappingError for a decimal or a time
    that does not fit its field, and whatever another value that does not fit makes it raise.

    Raises:
        ConfigurationError: the schema and the record differ.
    """
    writing = _Writing(schema)
    pieces: list[str] = [writing.keep("header", header)]
    writing.value(schema, types.type_info(record), "r", "", pieces)
    return writing.function(pieces)


class _Writing:
    """Writes the lines of a writer, and keeps what they name."""

    def __init__(self, schema: Schema) -> None:
        self._types = named(schema)
        self._code = Writer()
        self._known: dict[str, Any] = {
            "_lengths": varint.LENGTHS,
            "_Decimal": Decimal,
            "_number": varint.written,
            "_float": struct.Struct("<f").pack,
            "_double": struct.Struct("<d").pack,
            "_join": b"".join,
        }
        self._names = 0
        self._code.within()

    def function(self, pieces: list[str]) -> Write:
        self._line(f"return _join(({', '.join(pieces)},))")
        text = f"def write(r):\n{self._code.text}"
        exec(compile(text, "<writer>", "exec"), self._known)  # noqa: S102 - of our own making
        write: Write = self._known["write"]
        return write

    def keep(self, what: str, value: Any) -> str:
        """The name the lines have for a value."""
        name = self._new(f"_{what}")
        self._known[name] = value
        return name

    def value(self, schema: Schema, kind: types.Type, of: str, field: str, pieces: list[str]) -> None:
        """Turn what the expression `of` gives into bytes, and add the names of those."""
        schema = self._types.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            pieces.append(self._optional(schema, kind, of, field))
            return
        match type_of(schema), kind:
            case "record", types.StructType():
                self._record(schema, kind.cls, of, pieces)
            case "array", types.VarTupleType() | types.ListType():
                pieces.append(self._list(schema, kind.item_type, of, field))
            case "map", types.DictType():
                pieces.append(self._map(schema, kind.value_type, of, field))
            case "string", _:
                pieces += self._measured(f"{of}.encode()")
            case "bytes", types.BytesType():
                pieces += self._measured(of)
            case _:
                pieces.append(self._single(schema, kind, of, field))

    def _single(self, schema: Schema, kind: types.Type, of: str, field: str) -> str:
        made = self._new("b")
        match type_of(schema), kind:
            case "boolean", _:
                self._line(f"{made} = b'\\1' if {of} else b'\\0'")
            case "int" | "long", types.DateTimeType():
                self._line(f"{made} = {self.keep('moment', moment_to_bytes(field))}({of})")
            case "int" | "long", _:
                self._line(f"v = {of}\n{made} = _lengths[v] if 0 <= v < {_SHORT} else _number(v)")
            case ("float" | "double") as wire, _:
                self._line(f"{made} = _{wire}({of})")
            case (
                "bytes" | "fixed",
                types.Metadata(type=types.DecimalType(), extra={"precision": int(precision), "scale": int(scale)}),
            ):
                size = schema.get("size")
                known = self.keep("amounts", written_amounts(precision, scale, size).get)
                amount = self.keep("amount", amount_to_bytes(field, precision, scale, size))
                # what equals a decimal is none
                self._line(f"v = {of}\n{made} = {known}(v) if v.__class__ is _Decimal else None")
                self._line(f"if {made} is None: {made} = {amount}(v)")
            case "fixed", types.BytesType():
                self._line(
                    f"{made} = {of}\nif len({made}) != {schema['size']}: raise ValueError('not as long as its type')"
                )
            case "enum", _:
                symbols = {symbol: varint.written(place) for place, symbol in enumerate(schema["symbols"])}
                self._line(f"{made} = {self.keep('symbols', symbols)}[{of}]")
            case _:
                raise ConfigurationError(
                    f"field {field}", f"{name_of(schema)} in its schema is not what the record has"
                )
        return made

    def _measured(self, of: str) -> list[str]:
        """Bytes with their length in front."""
        length, made = self._new("n"), self._new("b")
        self._line(f"{made} = {of}\n{length} = len({made})")
        self._line(f"{length} = _lengths[{length}] if {length} < {_SHORT} else _number({length})")
        return [length, made]

    def _optional(self, parts: list[Schema], kind: types.Type, of: str, field: str) -> str:
        """A value or none; each with the place of its type in front."""
        made, value = self._new("b"), self._new("v")
        kinds = kind.types if isinstance(kind, types.UnionType) else (kind,)
        (inner,) = (each for each in kinds if not isinstance(each, types.NoneType))
        (place, schema), *others = ((place, part) for place, part in enumerate(parts) if part != "null")
        if others or "null" not in parts:
            raise ConfigurationError(f"field {field}", "of several types in its schema, and of one in the record")
        self._line(f"{value} = {of}")
        with self._within(f"if {value} is None:"):
            self._line(f"{made} = {varint.written(parts.index('null'))!r}")
        with self._within("else:"):
            pieces = [repr(varint.written(place))]
            self.value(schema, inner, value, field, pieces)
            self._line(f"{made} = {_joined(pieces)}")
        return made

    def _record(self, schema: dict[str, Any], record: type[msgspec.Struct], of: str, pieces: list[str]) -> None:
        kinds = {each.name: types.type_info(each.type) for each in msgspec.structs.fields(record)}
        strangers = kinds.keys() ^ {each["name"] for each in schema["fields"]}
        if strangers:
            raise ConfigurationError(f"schema of {record.__name__}", f"it and the record differ in {sorted(strangers)}")
        if not of.isidentifier():
            part = self._new("r")
            self._line(f"{part} = {of}")
            of = part
        for each in schema["fields"]:
            self.value(each["type"], kinds[each["name"]], f"{of}.{each['name']}", each["name"], pieces)

    def _list(self, schema: dict[str, Any], kind: types.Type, of: str, field: str) -> str:
        item = self._new("r")
        with self._items(of, item) as (made, all_):
            pieces: list[str] = []
            self.value(schema["items"], kind, item, field, pieces)
            self._line(f"{all_} += [{', '.join(pieces)}]")
        return made

    def _map(self, schema: dict[str, Any], kind: types.Type, of: str, field: str) -> str:
        key, item = self._new("k"), self._new("r")
        with self._items(of, f"{key}, {item}", ".items()") as (made, all_):
            pieces = self._measured(f"{key}.encode()")
            self.value(schema["values"], kind, item, field, pieces)
            self._line(f"{all_} += [{', '.join(pieces)}]")
        return made

    @contextmanager
    def _items(self, of: str, item: str, each: str = "") -> Iterator[tuple[str, str]]:
        """One block with all items; nothing is an end without a block."""
        made, all_ = self._new("b"), self._new("all")
        self._line(f"v = {of}\nn = len(v)\n{made} = b'\\0'")
        with self._within("if n:"):
            self._line(f"{all_} = [_lengths[n] if n < {_SHORT} else _number(n)]")
            with self._within(f"for {item} in v{each}:"):
                yield made, all_
            self._line(f"{all_}.append(b'\\0')\n{made} = _join({all_})")

    def _line(self, text: str) -> None:
        self._code.line(text)

    @contextmanager
    def _within(self, head: str) -> Iterator[None]:
        self._line(head)
        self._code.within()
        yield
        self._code.without()

    def _new(self, what: str) -> str:
        self._names += 1
        return f"{what}{self._names}"


def _joined(pieces: list[str]) -> str:
    return pieces[0] if len(pieces) == 1 else f"_join(({', '.join(pieces)}))"
