"""The tables of a company database as its catalogue tells them; pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from connect.discovered import Field, Kind, Record

#: By the names both SQL Server and PostgreSQL give their types.
KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "int", "integer", "bigint"), Kind.WHOLE),
    **dict.fromkeys(("numeric", "decimal", "money", "smallmoney", "float", "real", "double precision"), Kind.DECIMAL),
    **dict.fromkeys(("bit", "boolean"), Kind.FLAG),
    **dict.fromkeys(
        (
            *("datetime", "datetime2", "smalldatetime", "datetimeoffset", "date"),
            *("timestamp without time zone", "timestamp with time zone"),
        ),
        Kind.MOMENT,
    ),
    **dict.fromkeys(("binary", "varbinary", "image", "timestamp", "rowversion", "bytea"), Kind.BYTES),
}


def records(columns: Iterable[Sequence[Any]], keys: Iterable[Sequence[Any]]) -> tuple[Record, ...]:
    """Tables with their columns.

    Args:
        columns: Table, column, type, length, precision, scale, `YES` where it may be NULL; in the columns' order.
        keys: Table and column of each primary key, in the key's order.
    """
    fields: dict[str, list[Field]] = {}
    of_keys: dict[str, list[str]] = {}
    for table, column in keys:
        of_keys.setdefault(table, []).append(column)
    for table, column, type_, length, precision, scale, nullable in columns:
        fields.setdefault(table, []).append(
            _field(column, str(type_), length, precision, scale, nullable, column in of_keys.get(table, ()))
        )
    return tuple(
        Record(name=table, fields=tuple(listed), key=tuple(of_keys.get(table, ())))
        for table, listed in sorted(fields.items())
    )


def _field(name: str, said: str, length: Any, precision: Any, scale: Any, nullable: Any, in_key: bool) -> Field:
    kind = KINDS.get(said.lower(), Kind.TEXT)
    exact = kind is Kind.DECIMAL and said.lower() in {"numeric", "decimal"}
    return Field(
        name=name,
        kind=kind,
        # -1: as long as one likes
        length=max(int(length or 0), 0) if kind is Kind.TEXT else 0,
        precision=int(precision or 0) if exact else 0,
        scale=int(scale or 0) if exact else 0,
        nullable=str(nullable).upper() == "YES",
        required=in_key,
        said=said,
    )
