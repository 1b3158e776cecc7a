import pytest

from sandbox.dynamics_gp.tables import Column, Kind, NotationError, Parameter, read_procedures, read_tables

LIST = """
# a comment
SOP1 (5) pk SOPNUMBE, SOPTYPE ; ak ADDRESS1, DEX_ROW_ID
  SOPTYPE s, SOPNUMBE c21, ADDRESS1..2 c61,
  DEX_ROW_ID i

SYSTEM.codes (2) pk ErrorCode
  ErrorCode i, XCHGRATE n7
"""


def test_columns_are_read_across_lines_with_series_written_out() -> None:
    first, _ = read_tables(LIST)

    assert [column.name for column in first.columns] == ["SOPTYPE", "SOPNUMBE", "ADDRESS1", "ADDRESS2", "DEX_ROW_ID"]
    assert first.columns[2] == Column("ADDRESS1", Kind("c", 61))
    assert (first.schema, first.primary_key, first.indexes) == (
        "dbo",
        ("SOPNUMBE", "SOPTYPE"),
        (("ADDRESS1", "DEX_ROW_ID"),),
    )


def test_a_name_before_a_dot_is_the_schema() -> None:
    _, second = read_tables(LIST)

    assert (second.schema, second.name) == ("SYSTEM", "codes")


def test_a_twin_leaves_out_and_inserts() -> None:
    twin = """
SOP2 (4) pk SOPNUMBE
  as SOP1 in the same order, without ADDRESS1, ADDRESS2; plus DOCNCORR c21 after SOPNUMBE
"""

    second = read_tables(LIST + twin)[-1]

    assert [column.name for column in second.columns] == ["SOPTYPE", "SOPNUMBE", "DOCNCORR", "DEX_ROW_ID"]


def test_a_wrong_number_of_columns_is_refused() -> None:
    with pytest.raises(NotationError, match="SOP1 has 5 columns, its first line says 6"):
        read_tables(LIST.replace("SOP1 (5)", "SOP1 (6)"))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("T pk A\n  A s", "first line"), ("T (1) pk A\n  A x9", "not a type"), ("T (1) pk A\n  A", "not a column")],
)
def test_what_cannot_be_read_is_named(text: str, wrong: str) -> None:
    with pytest.raises(NotationError, match=wrong):
        read_tables(text)


@pytest.mark.parametrize(
    ("kind", "postgres", "empty"),
    [
        (Kind("c", 15), "char(15)", "''"),
        (Kind("v", 500), "varchar(500)", "''"),
        (Kind("n"), "numeric(19,5)", "0"),
        (Kind("n", 7), "numeric(19,7)", "0"),
        (Kind("d"), "timestamp(3)", "'1900-01-01'"),
        (Kind("t"), "smallint", "0"),
        (Kind("b", 4), "bytea", "'\\x00000000'"),
        (Kind("txt"), "text", "''"),
    ],
)
def test_each_type_has_a_postgresql_twin_and_an_empty_value(kind: Kind, postgres: str, empty: str) -> None:
    assert (kind.postgres, kind.empty) == (postgres, empty)


def test_parameters_say_whether_they_are_required_and_what_they_default_to() -> None:
    text = """
taNode
  *SOPTYPE s, SHIPMTHD c15?, QtyShrtOpt s=2, TAXAMNT n, DOCDATE d
"""

    (procedure,) = read_procedures(text)

    assert procedure.inputs == (
        Parameter(name="I_vSOPTYPE", kind=Kind("s"), required=True, default=None),
        Parameter(name="I_vSHIPMTHD", kind=Kind("c", 15), required=False, default=None),
        Parameter(name="I_vQtyShrtOpt", kind=Kind("s"), required=False, default="2"),
        Parameter(name="I_vTAXAMNT", kind=Kind("n"), required=False, default="0"),
        Parameter(name="I_vDOCDATE", kind=Kind("d"), required=False, default="'1900-01-01'"),
    )
    assert [column.name for column in procedure.outputs] == ["O_iErrorState", "oErrString"]


def test_a_number_getter_gives_no_error_string() -> None:
    (procedure,) = read_procedures("taGet\n  @I_tSOPTYPE t?, @O_vSopNumber v21 OUT\n")

    assert [given.name for given in procedure.inputs] == ["I_tSOPTYPE"]
    assert [column.name for column in procedure.outputs] == ["O_vSopNumber", "O_iErrorState"]
