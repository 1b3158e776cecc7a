"""Reads `tables.txt` and `parameters.txt`: the company database's tables and procedures, for the schema builder."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

HERE = Path(__file__).parent
#: SQL Server calls it 1900-01-01 and GP calls it "no date".
EMPTY_DATE = "1900-01-01"

_SERIES = re.compile(r"^(?P<stem>.*?)(?P<first>\d+)\.\.(?P<last>\d+)$")
_TYPE = re.compile(r"^(?P<letter>c|s|t|i|d|n|b|v|txt)(?P<size>\d*)$")
_HEAD = re.compile(r"^(?P<name>[\w.]+) \((?P<count>\d+)\) pk (?P<keys>.*)$")
_TWIN = re.compile(
    r"^as (?P<other>\w+) in the same order, without (?P<without>[^;]+?)"
    r"(?:; plus (?P<plus>\w+ \w+) after (?P<after>\w+))?$"
)

_PLAIN_TYPES = {"s": "smallint", "t": "smallint", "i": "integer", "d": "timestamp(3)", "b": "bytea", "txt": "text"}

Letter = Literal["c", "s", "t", "i", "d", "n", "b", "v", "txt"]


class NotationError(ValueError):
    """The list cannot be read; the text says where."""


class Kind(msgspec.Struct, frozen=True):
    """A column type as the notation writes it: its letter and its size, 0 where none is written."""

    letter: Letter
    size: int = 0

    @property
    def is_text(self) -> bool:
        return self.letter in {"c", "v", "txt"}

    @property
    def postgres(self) -> str:
        """The PostgreSQL type that behaves alike."""
        sized = {"c": f"char({self.size})", "v": f"varchar({self.size})", "n": f"numeric(19,{self.size or 5})"}
        return sized.get(self.letter) or _PLAIN_TYPES[self.letter]

    @property
    def empty(self) -> str:
        """GP's default for the type, as an SQL literal."""
        match self.letter:
            case "c" | "v" | "txt":
                return "''"
            case "d":
                return f"'{EMPTY_DATE}'"
            case "b":
                return f"'\\x{'00' * self.size}'"
            case "s" | "t" | "i" | "n":
                return "0"


class Column(msgspec.Struct, frozen=True):
    name: str
    kind: Kind


class Table(msgspec.Struct, frozen=True, kw_only=True):
    #: `dbo`, or the system database as a schema of its own
    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]

    def __contains__(self, column: str) -> bool:
        return any(known.name == column for known in self.columns)


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    #: as the procedure declares it, less the @: `I_vSOPTYPE`
    name: str
    kind: Kind
    required: bool
    #: an SQL literal; None where NULL is the default or there is none
    default: str | None


class Procedure(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Column, ...]


def read_tables(text: str) -> tuple[Table, ...]:
    """Every table of the list, in its order; the number of columns each entry names is checked."""
    tables: dict[str, Table] = {}
    for head, body in _entries(text):
        match = _HEAD.match(head)
        if match is None:
            raise NotationError(f"not a table's first line: {head!r}")
        primary, *others = (tuple(_comma(part)) for part in match["keys"].split(" ; ak "))
        schema, _, name = match["name"].rpartition(".")
        columns = _twin_columns(body, tables) if body.startswith("as ") else tuple(_columns(body))
        if len(columns) != int(match["count"]):
            raise NotationError(f"{name} has {len(columns)} columns, its first line says {match['count']}")
        tables[name] = Table(
            schema=schema or "dbo", name=name, columns=columns, primary_key=primary, indexes=tuple(others)
        )
    return tuple(tables.values())


def read_procedures(text: str) -> tuple[Procedure, ...]:
    """Every procedure of the list with its parameters in order."""
    return tuple(_procedure(head, body) for head, body in _entries(text))


def company_tables() -> tuple[Table, ...]:
    return read_tables((HERE / "tables.txt").read_text("utf-8"))


def procedures() -> tuple[Procedure, ...]:
    return read_procedures((HERE / "parameters.txt").read_text("utf-8"))


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """First line and the indented rest, joined, of every entry."""
    head: str | None = None
    body: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            body.append(line.strip())
            continue
        if head is not None:
            yield head, " ".join(body)
        head, body = line.strip(), []
    if head is not None:
        yield head, " ".join(body)


def _comma(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _columns(text: str) -> Iterator[Column]:
    for part in _comma(text):
        try:
            written, kind = part.split()
        except ValueError as error:
            raise NotationError(f"not a column: {part!r}") from error
        for name in _series(written):
            yield Column(name, _kind(kind))


def _twin_columns(text: str, tables: dict[str, Table]) -> tuple[Column, ...]:
    match = _TWIN.match(text)
    if match is None:
        raise NotationError(f"not a list of columns: {text!r}")
    left_out = set(_comma(match["without"]))
    columns = [column for column in tables[match["other"]].columns if column.name not in left_out]
    if match["plus"]:
        place = next(index for index, column in enumerate(columns) if column.name == match["after"])
        columns[place + 1 : place + 1] = _columns(match["plus"])
    return tuple(columns)


def _procedure(name: str, body: str) -> Procedure:
    inputs: list[Parameter] = []
    outputs: list[Column] = []
    for part in _comma(body):
        written, _, kind = part.partition(" ")
        if kind.endswith(" OUT"):
            outputs.append(Column(written.removeprefix("@"), _kind(kind.removesuffix(" OUT"))))
            continue
        inputs.extend(_parameters(written, kind))
    # a number getter gives its number and the error state, a node the error state and the error numbers
    state, numbers = Column("O_iErrorState", Kind("i")), Column("oErrString", Kind("v", 255))
    return Procedure(name=name, inputs=tuple(inputs), outputs=(*outputs, state) if outputs else (state, numbers))


def _parameters(written: str, text: str) -> Iterator[Parameter]:
    required = written.startswith("*")
    kind_text, _, given = text.partition("=")
    kind = _kind(kind_text.removesuffix("?"))
    default = given or (None if required or kind_text.endswith("?") else kind.empty)
    for name in _series(written.removeprefix("*")):
        full_name = name.removeprefix("@") if name.startswith("@") else f"I_v{name}"
        yield Parameter(name=full_name, kind=kind, required=required, default=default)


def _series(written: str) -> list[str]:
    match = _SERIES.match(written)
    if match is None:
        return [written]
    return [f"{match['stem']}{number}" for number in range(int(match["first"]), int(match["last"]) + 1)]


def _kind(written: str) -> Kind:
    match = _TYPE.match(written)
    if match is None:
        raise NotationError(f"not a type: {written!r}")
    return Kind(msgspec.convert(match["letter"], Letter), int(match["size"] or 0))
