# ruff: noqa: S608  # every name and value comes from the lists of this package, none from a request
"""Writes the SQL that the lists in `tables.txt` and `parameters.txt` imply, for the installer of the company database.

Everything here is text from our own lists; no value from outside ever enters it.
"""

from collections.abc import Iterable, Iterator

from sandbox.dynamics_gp.tables import Column, Parameter, Procedure, Table

#: columns which the database fills, never a procedure
DATABASE_OWNED = frozenset({"DEX_ROW_ID", "DEX_ROW_TS"})
#: GP keeps a time of day as a moment on the empty date
TIME_COLUMNS = frozenset({"TIME1", "NXTCNTTM", "LSTCNTTM"})
#: keys that GP's collation compares without regard to case; this database's does not, so a second index does
CASE_BLIND_KEYS = {"IV00101": "ITEMNMBR", "RM00101": "CUSTNMBR"}
#: what change data capture reads
CAPTURED = ("SOP10100", "SOP10200", "SOP10107", "SOP30200", "SOP30300", "IV00102", "IV00101", "RM00101")
PUBLICATION = "towpath_cdc"


def table_statements(tables: Iterable[Table]) -> Iterator[str]:
    """CREATE TABLE, indexes, stamps and replica identity of every table."""
    for table in tables:
        yield _create(table)
        yield from _indexes(table)
        if "DEX_ROW_TS" in table:
            yield _stamp_trigger(table)
        if table.name in CAPTURED:
            yield f"ALTER TABLE {_qualified(table)} REPLICA IDENTITY FULL"
    captured = ", ".join(f'dbo."{name}"' for name in CAPTURED)
    yield f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {captured}"


def row_functions(tables: Iterable[Table]) -> Iterator[str]:
    """For each table: `blank_T()` (a row of GP's defaults), `add_T(row)` (insert), `put_T(row)` (insert or update)."""
    known = {table.name: table for table in tables}
    for table in known.values():
        yield _blank(table)
        yield _store(table, "add", "")
        yield _store(table, "put", _on_conflict(table))
    yield _copy(known["SOP10100"], known["SOP30200"])
    yield _copy(known["SOP10200"], known["SOP30300"])


def argument_functions(procedures: Iterable[Procedure]) -> Iterator[str]:
    """For each procedure: the type of its arguments and `read_P(json)`, which cuts, rounds and fills in as declared."""
    for procedure in procedures:
        fields = ", ".join(f'"{given.name}" {_loose(given)}' for given in procedure.inputs)
        yield f'CREATE TYPE engine."{procedure.name}" AS ({fields})'
        values = ",\n    ".join(_read(given) for given in procedure.inputs)
        yield (
            f'CREATE FUNCTION engine."read_{procedure.name}"(arguments jsonb) RETURNS engine."{procedure.name}"\n'
            f"LANGUAGE sql STABLE AS $$\n  SELECT ROW(\n    {values}\n"
            f'  )::engine."{procedure.name}"\n'
            f'  FROM jsonb_populate_record(NULL::engine."{procedure.name}", arguments) AS p\n$$'
        )


def procedure_wrappers(procedures: Iterable[Procedure]) -> Iterator[str]:
    """For each procedure: `dbo."P"(jsonb)`, what a caller sees; its work is `engine."body_P"`, written by hand."""
    for procedure in procedures:
        names = _array(given.name for given in procedure.inputs)
        required = _array(given.name for given in procedure.inputs if given.required)
        outputs = ", ".join(f'OUT "{column.name}" {column.kind.postgres}' for column in procedure.outputs)
        own = [column for column in procedure.outputs if column.name not in {"O_iErrorState", "oErrString"}]
        results = "".join(f', "{column.name}"' for column in own)
        numbers = any(column.name == "oErrString" for column in procedure.outputs)
        report = "  \"oErrString\" := left(array_to_string(errors, ' '), 255);\n" if numbers else ""
        yield (
            f'CREATE OR REPLACE FUNCTION dbo."{procedure.name}"(arguments jsonb, {outputs})\n'
            "LANGUAGE plpgsql SECURITY DEFINER SET search_path = dbo, engine, sandbox, pg_temp AS $$\n"
            "DECLARE\n  errors integer[];\nBEGIN\n"
            f"  errors := engine.checked('{procedure.name}', arguments, {names}, {required});\n"
            "  IF errors = '{}' THEN\n"
            f"    SELECT b.errors{results.replace(', ', ', b.')} INTO errors{results}\n"
            f'    FROM engine."body_{procedure.name}"(engine."read_{procedure.name}"(arguments))'
            f" AS b(errors{results});\n"
            "  END IF;\n"
            f'  "O_iErrorState" := coalesce(errors[1], 0);\n{report}'
            "END\n$$"
        )


def _create(table: Table) -> str:
    columns = ",\n  ".join(_declared(column) for column in table.columns)
    keys = _names(table.primary_key)
    checks = "".join(
        f',\n  CONSTRAINT "CK_{table.name}_{column.name}" CHECK ({_date_rule(column)})'
        for column in table.columns
        if column.kind.letter == "d" and column.name not in DATABASE_OWNED
    )
    return (
        f"CREATE TABLE {_qualified(table)} (\n  {columns},\n"
        f'  CONSTRAINT "PK{table.name}" PRIMARY KEY ({keys}){checks}\n)'
    )


def _declared(column: Column) -> str:
    if column.name == "DEX_ROW_ID":
        return '"DEX_ROW_ID" integer GENERATED BY DEFAULT AS IDENTITY NOT NULL'
    default = "sandbox.now_utc()" if column.name == "DEX_ROW_TS" else column.kind.empty
    return f'"{column.name}" {column.kind.postgres} NOT NULL DEFAULT {default}'


def _date_rule(column: Column) -> str:
    if column.name in TIME_COLUMNS:
        return f"\"{column.name}\" >= '1900-01-01' AND \"{column.name}\" < '1900-01-02'"
    return f'"{column.name}" = date_trunc(\'day\', "{column.name}") AND "{column.name}" >= \'1753-01-01\''


def _indexes(table: Table) -> Iterator[str]:
    for number, columns in enumerate(table.indexes, start=1):
        yield f'CREATE UNIQUE INDEX "AK{number}{table.name}" ON {_qualified(table)} ({_names(columns)})'
    if table.name in CASE_BLIND_KEYS:
        key = CASE_BLIND_KEYS[table.name]
        yield f'CREATE UNIQUE INDEX "CI{table.name}" ON {_qualified(table)} (upper("{key}"::text))'


def _stamp_trigger(table: Table) -> str:
    """GP stamps a changed row by a second update of it, which change data capture sees as a second event."""
    condition = " AND ".join(f't."{name}" = NEW."{name}"' for name in table.primary_key)
    return (
        f'CREATE FUNCTION sandbox."zDT_{table.name}U"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$\n'
        f'BEGIN\n  UPDATE {_qualified(table)} AS t SET "DEX_ROW_TS" = sandbox.now_utc() WHERE {condition};\n'
        "  RETURN NULL;\nEND\n$$;\n"
        f'CREATE TRIGGER "zDT_{table.name}U" AFTER UPDATE ON {_qualified(table)} FOR EACH ROW\n'
        f'WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION sandbox."zDT_{table.name}U"()'
    )


def _blank(table: Table) -> str:
    values = ", ".join(f"{column.kind.empty}::{column.kind.postgres}" for column in table.columns)
    return (
        f'CREATE FUNCTION engine."blank_{table.name}"() RETURNS {_qualified(table)} LANGUAGE sql IMMUTABLE AS $$\n'
        f"  SELECT ROW({values})::{_qualified(table)}\n$$"
    )


def _store(table: Table, verb: str, on_conflict: str) -> str:
    columns = _stored(table)
    values = ", ".join(f'given."{name}"' for name in columns)
    return (
        f'CREATE FUNCTION engine."{verb}_{table.name}"(given {_qualified(table)}) RETURNS void LANGUAGE plpgsql AS $$\n'
        f"BEGIN\n  INSERT INTO {_qualified(table)} ({_names(columns)})\n  VALUES ({values}){on_conflict};\nEND\n$$"
    )


def _on_conflict(table: Table) -> str:
    others = [name for name in _stored(table) if name not in table.primary_key]
    conflict = f"\n  ON CONFLICT ({_names(table.primary_key)}) DO "
    if not others:
        return f"{conflict}NOTHING"
    changes = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in others)
    # an update that changes nothing would still be an event for whoever captures changes
    before = ", ".join(f'{_qualified(table)}."{name}"' for name in others)
    after = ", ".join(f'EXCLUDED."{name}"' for name in others)
    return f"{conflict}UPDATE SET {changes}\n  WHERE ROW({before}) IS DISTINCT FROM ROW({after})"


def _copy(work: Table, history: Table) -> str:
    names = _names([name for name in _stored(history) if name in work])
    return (
        f'CREATE FUNCTION engine."copy_{work.name}_to_{history.name}"(document_type smallint, number bpchar)\n'
        "RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n"
        f"  INSERT INTO {_qualified(history)} ({names})\n"
        f'  SELECT {names} FROM {_qualified(work)} WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number;\nEND\n$$'
    )


def _loose(given: Parameter) -> str:
    """The type that takes any value of the kind: what is too long or too precise is cut afterwards, not refused."""
    match given.kind.letter:
        case "c":
            return "bpchar"
        case "v" | "txt":
            return "text"
        case "n":
            return "numeric"
        case _:
            return given.kind.postgres


def _read(given: Parameter) -> str:
    value = f'p."{given.name}"'
    if given.kind.is_text and given.kind.size:
        value = f"left({value}::text, {given.kind.size})"
    value = f"{value}::{'bpchar' if given.kind.letter == 'c' else given.kind.postgres}"
    if given.default is not None:
        value = f"coalesce({value}, {given.default}::{'bpchar' if given.kind.letter == 'c' else given.kind.postgres})"
    return value


def _stored(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.name not in DATABASE_OWNED]


def _qualified(table: Table) -> str:
    return f'"{table.schema}"."{table.name}"'


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _array(names: Iterable[str]) -> str:
    return "ARRAY[" + ", ".join(f"'{name}'" for name in names) + "]::text[]"
