"""Readers from Avro bytes straight to Structs: one Python function written for each pair of schemas.

What the writer wrote and nobody reads is passed over; what he did not write takes the Struct's own default. A value in
bytes that end too early is made of what is left, and noticed at the next one or at the record's end: places only grow.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
from fastavro.read import LOGICAL_READERS
from msgspec import inspect as types

from bus import varint
from bus.avro import Schema, alternatives, is_read_as, name_of, named, type_of
from bus.avro_values import amount_from_bytes, moment, plain_amounts, read_amounts, read_moments
from bus.wire import HEADER
from errors import DecodeError
from mapping.writer import Writer

#: From bytes and where a value begins in them: the value, and where it ends.
Read = Callable[[bytes, int], tuple[Any, int]]

#: Items that take no bytes, in all lists of a record together: a number is enough to fill any memory with such.
_FREE = 65_536
#: Characters of a reader; that of an envelope of a thousand columns has half of it.
_LONGEST = 524_288
#: Lists within each other in one function; Python has twenty blocks, and a list takes two.
_DEEP = 4
#: Of one call that hands them on as they are: with more, Python puts them into a dict first.
_ARGUMENTS = 14
_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def reader(theirs: Schema, ours: Schema, record: type[msgspec.Struct]) -> Read:
    """The function that reads what was written as `theirs` into the record, by what `ours` says of it.

    Both schemas as fastavro parses them: valid, with full names. The function raises whatever the bytes make it raise;
    IndexError where they end too early.
    """
    reading = Reading(theirs, ours)
    reading.value(theirs, ours, types.type_info(record), "v", "")
    return reading.function("v")


def read_whole(read: Read, data: bytes, what: str) -> Any:
    """What a reader makes of a message.

    Raises:
        DecodeError: it is no `what`, whatever else it is.
    """
    try:
        value, end = read(data, HEADER)
    except IndexError as error:
        raise DecodeError(f"no {what}: EOFError: the bytes end inside of it") from error
    except (DecodeError, MemoryError):
        raise
    except Exception as error:  # whatever bytes from outside make it raise
        raise DecodeError(f"no {what}: {type(error).__name__}: {error}") from error
    if end > len(data):
        raise DecodeError(f"no {what}: EOFError: the bytes end inside of it")
    if end < len(data):
        raise DecodeError(f"bytes are left after the {what}")
    return value


class Reading:
    """Writes the lines of a reader, and keeps what they name."""

    def __init__(self, theirs: Schema, ours: Schema = "null") -> None:
        self._theirs = named(theirs)
        self._ours = named(ours)
        self._code = Writer()
        self._known: dict[str, Any] = {
            "_number": varint.number,
            "_length": varint.length,
            "_block": varint.block,
            "_float": struct.Struct("<f").unpack_from,
            "_double": struct.Struct("<d").unpack_from,
            "_moments": read_moments().get,
            "_moment": moment,
            "_replace": msgspec.structs.replace,
            "_utf_8": _utf_8,
            "_end": _end,
            "_pay": _pay,
            "_refuse": _refuse,
        }
        self._names = 0
        #: Records that are being written out.
        self._open: list[str] = []
        self._sizes: dict[str, int | None] = {}
        #: What is written once however often it is mentioned, by what it does and of which type.
        self._functions: dict[tuple[str, str], str] = {}
        self._head = Writer()
        self._length = 0
        #: Lists and maps around what is being written.
        self._depth = 0
        self._code.within()
        self.line("t = d.decode('latin-1')\ne = len(d)")
        self.line(f"free = [{_FREE}]")

    def function(self, result: str) -> Read:
        """What was written, as a function that gives `result`."""
        self.line(f"return {result}, p")
        exec(compile(self.text, "<reader>", "exec"), self._known)  # noqa: S102 - of our own making
        read: Read = self._known["read"]
        return read

    @property
    def text(self) -> str:
        """What is compiled."""
        return f"{self._head.text}def read(d, p):\n{self._code.text}"

    def line(self, text: str) -> None:
        """One line or several.

        Raises:
            DecodeError: the schema takes more of them than any of ours would.
        """
        self._length += len(text)
        if self._length > _LONGEST:
            raise DecodeError(f"a schema whose reader would be longer than {_LONGEST} characters")
        self._code.line(text)

    @contextmanager
    def within(self, head: str) -> Iterator[None]:
        """A block."""
        self.line(head)
        self._code.within()
        yield
        self._code.without()

    def new(self, what: str) -> str:
        """A name nothing else has."""
        self._names += 1
        return f"{what}{self._names}"

    def keep(self, what: str, value: Any) -> str:
        """The name the lines have for a value."""
        name = self.new(f"_{what}")
        self._known[name] = value
        return name

    def defined(self, theirs: Schema) -> Schema:
        """A type of the writer's by its name, or itself."""
        return self._theirs.get(theirs, theirs) if isinstance(theirs, str) else theirs

    def value(self, theirs: Schema, ours: Schema, kind: types.Type, into: str, field: str) -> None:
        """Read a value into a variable."""
        theirs = self.defined(theirs)
        if isinstance(theirs, list):
            self.either(theirs, lambda part: self.value(part, ours, kind, into, field))
            return
        read_as = next((part for part in alternatives(ours, self._ours) if is_read_as(theirs, part)), None)
        if read_as is None:
            self.line(f"_refuse({f'{field}: {name_of(theirs)} is not {name_of(ours)}'!r})")
            return
        kind = _something(kind)
        match type_of(theirs):
            case "null":
                self.line(f"{into} = None")
            case "record":
                self._record(theirs, read_as, kind, into)
            case "array":
                self._list(theirs, read_as, kind, into, field)
            case "map":
                self._map(theirs, read_as, kind, into, field)
            case "enum":
                self._symbol(theirs, read_as, into, field)
                self._member(kind, into)
            case "boolean":
                self.line(f"{into} = d[p] != 0\np += 1")
            case "float" | "double" as wire:
                self.line(f"{into}, = _{wire}(d, p)\np += {_SIZES[wire]}")
            case "int" | "long":
                self._number(type_of(read_as), kind, into)
            case "string" if type_of(read_as) == "string":
                self._text(kind, into)
            case _:
                self._span(theirs)
                self._text_or_bytes(type_of(read_as), kind, into, field)
                self.line("p = q")

    def plain(self, theirs: Schema, into: str) -> None:
        """Read a value as fastavro would: records as dicts, by their logical types."""
        theirs = self.defined(theirs)
        if isinstance(theirs, list):
            self.either(theirs, lambda part: self.plain(part, into))
            return
        match type_of(theirs):
            case "record":
                call = self._apart("plain", theirs["name"], lambda: self._plain_record(theirs, "made"), "made")
                self.line(f"{into}, p = {call}")
            case "array" | "map" if self._depth >= _DEEP:
                call = self._apart("plain", self.new("deep"), lambda: self.plain(theirs, "made"), "made")
                self.line(f"{into}, p = {call}")
            case "array":
                made, item = self.new("items"), self.new("v")
                self.line(f"{made} = []")
                with self._blocks(theirs["items"]):
                    self.plain(theirs["items"], item)
                    self.line(f"{made}.append({item})")
                self.line(f"{into} = {made}")
            case "map":
                made, key, item = self.new("map"), self.new("key"), self.new("v")
                self.line(f"{made} = {{}}")
                with self._blocks("string"):
                    self.plain("string", key)
                    self.plain(theirs["values"], item)
                    self.line(f"{made}[{key}] = {item}")
                self.line(f"{into} = {made}")
            case wire:
                self.value(theirs, theirs, types.AnyType(), into, "")
                logical = f"{wire}-{theirs.get('logicalType')}" if isinstance(theirs, dict) else ""
                if logical == "bytes-decimal":
                    amounts = self.keep("amounts", plain_amounts(theirs["precision"], theirs.get("scale", 0)))
                    self.line(f"{into} = {amounts}[{into}]")
                elif logical in LOGICAL_READERS:
                    meant = self.keep("meant", LOGICAL_READERS[logical])
                    self.line(f"{into} = {meant}({into}, {self.keep('schema', theirs)}, None)")

    def either(self, parts: list[Schema], read: Callable[[Schema], None]) -> None:
        """Read whichever alternative was written."""
        self._raw_number()
        for place, part in enumerate(parts):
            with self.within(f"{'el' if place else ''}if n == {place << 1}:"):
                read(part)
        self.line("else: _refuse('an alternative the schema does not have')")

    def skip(self, theirs: Schema) -> None:
        """Pass over a value."""
        theirs = self.defined(theirs)
        size = self._size(theirs)
        if size is not None:
            self.line(f"p += {size}" if size else "pass")
            return
        match "union" if isinstance(theirs, list) else type_of(theirs):
            case "union":
                self.either(theirs, self.skip)
            case "record":
                self.line(f"_, p = {self._apart('skip', theirs['name'], lambda: self._skip_fields(theirs))}")
            case "array" | "map" if self._depth >= _DEEP:
                self.line(f"_, p = {self._apart('skip', self.new('deep'), lambda: self.skip(theirs))}")
            case "array":
                item = self._size(theirs["items"])
                if item is None:
                    with self._blocks(theirs["items"]):
                        self.skip(theirs["items"])
                else:
                    # a turn for each would be one for each of a number, and not of a byte
                    with self._block(item):
                        self.line(f"p += n * {item}")
            case "map":
                with self._blocks("string"):
                    self.skip("string")
                    self.skip(theirs["values"])
            case "int" | "long" | "enum":
                self._raw_number()
            case _:
                self._span(theirs)
                self.line("p = q")

    def made(self, record: type[msgspec.Struct], given: dict[str, str], into: str) -> None:
        """Make a record of variables by field; in turns, as Python makes a dict of many arguments at once."""
        required = {each.name for each in msgspec.structs.fields(record) if each.required}
        first = [name for name in given if name in required]
        others = [name for name in given if name not in required]
        room = max(_ARGUMENTS - len(first), 0)
        turns = [first + others[:room]]
        turns += [others[begin : begin + _ARGUMENTS] for begin in range(room, len(others), _ARGUMENTS)]
        call = f"{self.keep('made', record)}("
        for names in turns:
            self.line(f"{into} = {call}{', '.join(f'{name}={given[name]}' for name in names)})")
            call = f"_replace({into}, "

    # single values

    def _raw_number(self) -> None:
        self.line("n = d[p]\np += 1\nif n > 127: n, p = _number(d, p - 1)")

    def _number(self, read_as: str, kind: types.Type, into: str) -> None:
        self._raw_number()
        if isinstance(kind, types.DateTimeType):
            self.line(f"{into} = _moments(n)\nif {into} is None: {into} = _moment(n)")
        else:
            number = "n >> 1 ^ -(n & 1)"
            self.line(f"{into} = float({number})" if read_as in {"float", "double"} else f"{into} = {number}")

    def _symbol(self, theirs: dict[str, Any], ours: dict[str, Any], into: str, field: str) -> None:
        """What the reader's type does not have is its default, if that has one."""
        known = {
            place << 1: symbol if symbol in ours["symbols"] else ours.get("default")
            for place, symbol in enumerate(theirs["symbols"])
        }
        self._raw_number()
        self.line(f"{into} = {self.keep('symbols', known)}[n]")
        if None in known.values():
            self.line(f"if {into} is None: _refuse({f'{field}: a symbol that {name_of(ours)} does not have'!r})")

    def _text(self, kind: types.Type, into: str) -> None:
        self.line(f"n = d[p]\np += 1\n{into} = ''")
        # half of all texts are empty
        with self.within("if n:"):
            self.line("if n & 129: n, p = _length(d, p - 1)\nelse: n >>= 1\nq = p + n")
            # a slice of one text is cheaper than the text of a slice
            self.line(f"{into} = t[p:q]\nif not {into}.isascii(): {into} = _utf_8(d[p:q])\np = q")
        self._member(kind, into)

    def _span(self, theirs: Schema) -> None:
        """Where a text or bytes stand: from p to q."""
        match type_of(theirs):
            case "fixed":
                self.line(f"q = p + {int(theirs['size'])}\nif q > e: _end()")
            case "string" | "bytes":
                self.line("n = d[p]\np += 1\nif n & 129: n, p = _length(d, p - 1)\nelse: n >>= 1\nq = p + n")
            case other:
                raise DecodeError(f"{other} is no type")

    def _text_or_bytes(self, read_as: str, kind: types.Type, into: str, field: str) -> None:
        match kind:
            case types.Metadata(type=types.DecimalType(), extra={"precision": int(precision), "scale": int(scale)}):
                known = self.keep("amounts", read_amounts(precision, scale).get)
                amount = self.keep("amount", amount_from_bytes(field, precision, scale))
                self.line(f"n = d[p:q]\n{into} = {known}(n)\nif {into} is None: {into} = {amount}(n)")
            case _ if read_as == "string":
                self.line(f"{into} = _utf_8(d[p:q])")
                self._member(kind, into)
            case _:
                self.line(f"{into} = d[p:q]")

    def _member(self, kind: types.Type, into: str) -> None:
        if isinstance(kind, types.EnumType):
            self.line(f"{into} = {self.keep('member', kind.cls)}({into})")

    # values that hold others

    def _record(self, theirs: dict[str, Any], ours: dict[str, Any], kind: types.Type, into: str) -> None:
        if not isinstance(kind, types.StructType) or theirs["name"] in self._open:
            # none of our records holds itself
            self.line(f"_refuse({f'{name_of(theirs)} cannot be read here'!r})")
            return
        known = {alias: each for each in ours["fields"] for alias in (each["name"], *each.get("aliases", ()))}
        kinds = {each.name: types.type_info(each.type) for each in msgspec.structs.fields(kind.cls)}
        given = {}
        self._open.append(theirs["name"])
        for each in theirs["fields"]:
            name = known[each["name"]]["name"] if each["name"] in known else ""
            if name not in kinds:
                self.skip(each["type"])
                continue
            value = self.new("v")
            self.value(each["type"], known[each["name"]]["type"], kinds[name], value, name)
            given[name] = value
        self._open.pop()
        self.made(kind.cls, given, into)

    def _plain_record(self, theirs: dict[str, Any], into: str) -> None:
        if self._size(theirs) == 0:
            self.line("_pay(free, 1)")
        values = {each["name"]: self.new("v") for each in theirs["fields"]}
        for each in theirs["fields"]:
            self.plain(each["type"], values[each["name"]])
        self.line(f"{into} = {{{', '.join(f'{name!r}: {value}' for name, value in values.items())}}}")

    def _skip_fields(self, theirs: dict[str, Any]) -> None:
        for each in theirs["fields"]:
            self.skip(each["type"])

    def _apart(self, what: str, of: str, write: Callable[[], None], result: str = "None") -> str:
        """Write a function once, however often it is mentioned; a call of it, for the value and where it ends.

        A type that is written out at each mention takes twice as much for each level of types.
        """
        if (what, of) not in self._functions:
            name = self._functions[what, of] = self.new(f"_{what}")
            (code, depth), (self._code, self._depth) = (self._code, self._depth), (Writer(), 0)
            with self.within(f"def {name}(d, p, t, e, free):"):
                write()
                self.line(f"return {result}, p")
            self._head.append(self._code)
            self._code, self._depth = code, depth
        return f"{self._functions[what, of]}(d, p, t, e, free)"

    @contextmanager
    def _blocks(self, items: Schema) -> Iterator[None]:
        """The items of a list or a map, block by block."""
        size = self._size(items)
        with self._block(size):
            if size == 0:
                self.line("_pay(free, n)")
            self._depth += 1
            with self.within("for _ in range(n):"):
                yield
            self._depth -= 1

    @contextmanager
    def _block(self, size: int | None) -> Iterator[None]:
        """As many items as n says, until there are none; each of so many bytes."""
        with self.within("while True:"):
            self.line("n = d[p]\np += 1\nif n & 129: n, p = _block(d, p - 1)\nelse: n >>= 1\nif not n: break")
            if size:
                # what is not read is not looked at: nothing else would end the turns
                self.line(f"if p + n * {size} > e: _end()")
            yield

    def _list(self, theirs: dict[str, Any], ours: dict[str, Any], kind: types.Type, into: str, field: str) -> None:
        items, item = self.new("items"), self.new("v")
        self.line(f"{items} = []")
        with self._blocks(theirs["items"]):
            self.value(theirs["items"], ours["items"], getattr(kind, "item_type", types.AnyType()), item, field)
            self.line(f"{items}.append({item})")
        self.line(f"{into} = {f'tuple({items})' if isinstance(kind, types.VarTupleType) else items}")

    def _map(self, theirs: dict[str, Any], ours: dict[str, Any], kind: types.Type, into: str, field: str) -> None:
        made, key, value = self.new("map"), self.new("key"), self.new("v")
        self.line(f"{made} = {{}}")
        with self._blocks("string"):
            self.value("string", "string", types.StrType(), key, field)
            self.value(theirs["values"], ours["values"], getattr(kind, "value_type", types.AnyType()), value, field)
            self.line(f"{made}[{key}] = {value}")
        self.line(f"{into} = {made}")

    def _size(self, theirs: Schema) -> int | None:
        """Bytes every such value takes; None where they differ."""
        theirs = self.defined(theirs)
        if isinstance(theirs, list):
            return None
        wire = type_of(theirs)
        if wire == "fixed":
            return int(theirs["size"])
        if wire != "record":
            return _SIZES.get(wire)
        name = theirs["name"]
        if name not in self._sizes:
            # what it is within itself
            self._sizes[name] = None
            sizes = [self._size(each["type"]) for each in theirs["fields"]]
            self._sizes[name] = None if None in sizes else sum(filter(None, sizes))
        return self._sizes[name]


def _something(kind: types.Type) -> types.Type:
    """What an optional field holds when it holds something."""
    if not isinstance(kind, types.UnionType):
        return kind
    (inner,) = (part for part in kind.types if not isinstance(part, types.NoneType))
    return inner


def _utf_8(data: bytes) -> str:
    return data.decode()


def _end() -> NoReturn:
    raise IndexError


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)


def _pay(free: list[int], items: int) -> None:
    free[0] -= items
    if free[0] < 0:
        raise ValueError(f"more than {_FREE} items without a byte")
