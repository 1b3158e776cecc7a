"""What a system says of its own records: names and types, never a value; for whoever connects it."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    WHOLE = "whole"
    DECIMAL = "decimal"
    FLAG = "flag"
    MOMENT = "moment"
    BYTES = "bytes"
    #: Another record, by its name.
    RECORD = "record"
    #: Names that are data themselves, to texts.
    MAP = "map"
    #: Nobody says, or now this and now that.
    ANY = "any"


class Field(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of a record."""

    name: str
    kind: Kind
    #: Of `RECORD`.
    record: str = ""
    #: It holds any number of these.
    repeated: bool = False
    #: Characters of a text; 0: not said.
    length: int = 0
    #: Digits of a decimal, and those behind the point; 0: not said.
    precision: int = 0
    scale: int = 0
    #: It may hold nothing at all, not even an empty value.
    nullable: bool = False
    #: It is always there.
    required: bool = False
    #: The system's own word for the type.
    said: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A table, a message, a document, or a part of one."""

    name: str
    fields: tuple[Field, ...]
    #: Names of the fields that tell one from another.
    key: tuple[str, ...] = ()


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """All that was said, and how it was had: `catalogue`, `openapi` or `samples`."""

    how: str
    records: tuple[Record, ...]
