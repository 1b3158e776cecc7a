"""Lookup tables of a deployment, read from its CSV files; whatever is wrong with a file is told at once, by line."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from errors import ConfigurationError

COLUMNS = ("key", "value")
#: May stand behind them, for people: why a row is there.
NOTE = "note"
#: A table is named by mappings, and no file may pass for a connection's options.
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
#: Of a file's problems; who sees these mends the rest with them.
_TOLD = 5


class FileRow(msgspec.Struct, frozen=True):
    """A row as its file has it."""

    value: str
    note: str = ""


def tables(folder: Path) -> dict[str, dict[str, str]]:
    """Every table of the folder by its file's name, key to value.

    Raises:
        ConfigurationError: a file is no such table; names the file, and each line with what is wrong there.
    """
    return {path.stem: values(rows(path)) for path in files(folder)}


def files(folder: Path) -> list[Path]:
    """Where the tables of a deployment's folder of tables lie, by name."""
    return sorted(folder.glob("*.csv"))


def values(table: Mapping[str, FileRow]) -> dict[str, str]:
    """Key to value, as mappings know a table."""
    return {key: row.value for key, row in table.items()}


def rows(path: Path) -> dict[str, FileRow]:
    """A table with its notes, in the file's order.

    Raises:
        ConfigurationError: as `tables`, also where the file cannot be read.
    """
    found: dict[str, FileRow] = {}
    try:
        problems = list(_read(path, found))
    except OSError as error:
        raise ConfigurationError(f"lookups/{path.name}", f"cannot be read: {error.strerror}") from error
    if problems:
        more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        raise ConfigurationError(f"lookups/{path.name}", "; ".join(problems[:_TOLD]) + more)
    return found


def is_name(table: str) -> bool:
    """Whether a table may be called so."""
    return _NAME.fullmatch(table) is not None


def text_of(table: Mapping[str, FileRow]) -> str:
    """The file of a table; a column for notes only where there are some."""
    out = io.StringIO(newline="")
    noted = any(row.note for row in table.values())
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *([NOTE] if noted else [])])
    for key, row in table.items():
        writer.writerow([key, row.value, *([row.note] if noted else [])])
    return out.getvalue()


def _read(path: Path, found: dict[str, FileRow]) -> Iterator[str]:
    """Fill the rows, and say what is wrong."""
    if not is_name(path.stem):
        yield "a table's name is small Latin letters, digits and _"
    content = path.read_bytes()
    try:
        # spreadsheets put a mark before their UTF-8
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield f"line {line} is not UTF-8 text: save the file as UTF-8"
        return
    numbered = _numbered(text)
    try:
        _, header = next(numbered, (1, []))
        wrong = list(_header(header))
        yield from wrong or _lines(numbered, len(header), found)
    except ValueError as error:
        yield str(error)


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line it begins in; a cell may go over several."""
    reader, line = csv.reader(io.StringIO(text, newline=""), strict=True), 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {line}: {error}") from error


def _header(header: list[str]) -> Iterator[str]:
    if [name.strip() for name in header[:2]] == list(COLUMNS) and header[2:] in ([], [NOTE]):
        return
    yield f"the first line must be `{','.join(COLUMNS)}`, with `,{NOTE}` behind it if you like"
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        yield "columns are divided by commas"
    else:
        yield from (f"column {name!r} is not known" for name in header if name.strip() not in {*COLUMNS, NOTE})


def _lines(numbered: Iterator[tuple[int, list[str]]], columns: int, found: dict[str, FileRow]) -> Iterator[str]:
    said: dict[str, int] = {}
    for line, row in numbered:
        if not any(row):
            continue
        # a note may be left out
        if not 2 <= len(row) <= columns:
            yield f"line {line} has {len(row)} columns, not {columns}"
        elif not row[0]:
            yield f"line {line} has no key"
        elif row[0] in said:
            yield f"{row[0]!r} stands there twice, in lines {said[row[0]]} and {line}"
        else:
            said[row[0]] = line
            found[row[0]] = FileRow(*row[1:])
