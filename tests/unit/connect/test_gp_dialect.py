"""GP's two dialects: T-SQL that parses, and what each database's errors mean."""

import json
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from connect.systems.dynamics_gp import statements
from connect.systems.dynamics_gp.dialect import NODE_OUTPUTS, DuplicateKeyError, PostgreSql, SqlServer, dialect_of
from errors import BusError, ConfigurationError, FatalError, RefusedError, RetryableError

ROOT = Path(__file__).parents[3]
MANY = (statements.headers_in_work, statements.headers_in_history, statements.receipts_of_documents)
TEXTS = {name: text for name, text in vars(statements).items() if name.isupper() and not name.startswith("_")} | {
    of.__name__: of(3) for of in MANY
}


def parsed(text: str, dialect: str) -> list[exp.Expr]:
    """Every statement of a text, understood: what sqlglot only carries along would hide a mistake."""
    found = [each for each in sqlglot.parse(text, read=dialect) if each is not None]
    assert found
    return found


@pytest.mark.parametrize("dialect", ["tsql", "postgres"])
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_plain_statements_are_one_text_for_both_databases(name: str, dialect: str) -> None:
    (statement,) = parsed(TEXTS[name], dialect)

    assert isinstance(statement, exp.Query | exp.Insert)
    assert len(list(statement.find_all(exp.Placeholder))) == TEXTS[name].count("?")


@pytest.mark.parametrize(("dialect", "read"), [(SqlServer(), "tsql"), (PostgreSql(), "postgres")])
def test_statements_that_differ_parse(dialect: SqlServer | PostgreSql, read: str) -> None:
    for text in (dialect.who, dialect.newest_receipt, dialect.last_drawn):
        assert [type(each) for each in parsed(text, read)] == [exp.Select]
    (added,) = parsed(dialect.add_receipt, read)
    assert isinstance(added, exp.Insert)
    assert added.args["returning"]
    assert len(list(added.find_all(exp.Placeholder))) == 6
    (asked,) = parsed(dialect.who, read)
    assert isinstance(asked, exp.Select)
    assert len(asked.selects) == 2 + len(dialect.parts)


def test_procedure_is_called_by_names_in_one_batch_that_selects_its_outputs() -> None:
    called = SqlServer().call("taSopVoidDocument", {"I_vSOPTYPE": 2, "I_vSOPNUMBE": "ORD1"}, NODE_OUTPUTS)

    assert called.parameters == (2, "ORD1")
    assert called.text == (
        "SET NOCOUNT ON; DECLARE @O_iErrorState int, @oErrString varchar(255); "
        "EXEC dbo.taSopVoidDocument @I_vSOPTYPE = ?, @I_vSOPNUMBE = ?, @O_iErrorState = @O_iErrorState OUTPUT, "
        "@oErrString = @oErrString OUTPUT; SELECT @O_iErrorState, @oErrString"
    )


def test_every_procedure_s_batch_is_tsql() -> None:
    procedures = json.loads((ROOT / "schemas/systems/dynamics_gp/procedures.json").read_bytes())
    for procedure, parameters in procedures.items():
        given = {parameter["name"]: "x" for parameter in parameters}
        called = SqlServer().call(procedure, given, NODE_OUTPUTS)

        kinds = [type(statement) for statement in parsed(called.text, "tsql")]
        assert kinds[0] is exp.Set, procedure
        assert kinds[-1] is exp.Select, procedure


@pytest.mark.parametrize(("file", "dialect"), [("receipts_sql_server", "tsql"), ("receipts_postgresql", "postgres")])
def test_receipts_for_the_administrator_parse(file: str, dialect: str) -> None:
    text = (ROOT / f"connect/systems/dynamics_gp/{file}.sql").read_text()

    for batch in text.split("\nGO"):
        if batch.strip():
            parsed(batch, dialect)


@pytest.mark.parametrize(
    ("dialect", "state", "number", "kind"),
    [
        ("sql-server", "40001", 1205, RetryableError),
        ("sql-server", "23000", 2627, DuplicateKeyError),
        ("sql-server", "23000", 515, RefusedError),
        ("sql-server", "42S02", 208, FatalError),
        ("sql-server", "28000", 0, FatalError),
        ("sql-server", "08S01", 0, None),
        ("sql-server", "HYT00", 0, None),
        ("postgresql", "40P01", 0, RetryableError),
        ("postgresql", "23505", 0, DuplicateKeyError),
        ("postgresql", "22001", 0, RefusedError),
        ("postgresql", "42P01", 0, FatalError),
        ("postgresql", "57P01", 0, None),
        ("postgresql", "08006", 0, None),
    ],
)
def test_what_an_error_means(dialect: str, state: str, number: int, kind: type[BusError] | None) -> None:
    assert dialect_of(dialect).kind_of(state, number) is kind


def test_level_that_lasts_for_the_session_is_set_back() -> None:
    assert SqlServer().after_snapshot == ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED",)
    assert PostgreSql().after_snapshot == ()


def test_unknown_dialect_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="postgresql, sql-server"):
        dialect_of("oracle")
