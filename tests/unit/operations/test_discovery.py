"""What changed in a system's records, and the records proposed for them."""

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import fastavro
import msgspec
import pytest

from connect.discovered import Field, Kind, Record
from connect.openapi import records as of_openapi
from connect.samples import records as of_samples
from connect.systems.dynamics_gp.catalogue import records as of_catalogue
from errors import ConfigurationError
from operations.discover import Discovery, differ, keep, last_seen, write
from operations.discovery import Change, Seen, changes, chosen
from operations.proposals import Proposal, camel, proposals, safe, snake
from tests.contract.test_records import avro_record, without_docs

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
COLUMNS = [
    ("SOP10100", "SOPTYPE", "smallint", None, 16, 0, "NO"),
    ("SOP10100", "SOPNUMBE", "char", 21, None, None, "NO"),
    ("SOP10100", "DOCAMNT", "numeric", None, 19, 5, "NO"),
    ("SOP10100", "DOCDATE", "datetime", None, None, None, "NO"),
    ("SOP10100", "DEX_ROW_TS", "timestamp without time zone", None, None, None, "YES"),
    ("SOP10100", "COMMENT", "varchar", -1, None, None, "YES"),
    ("SOP10100", "SOPHDRE1", "binary", 4, None, None, "NO"),
    ("SOP10200", "LNITMSEQ", "int", None, 32, 0, "NO"),
]
KEYS = [("SOP10100", "SOPTYPE"), ("SOP10100", "SOPNUMBE")]
SOP10100, SOP10200 = of_catalogue(COLUMNS, KEYS)


def test_a_table_is_a_record_with_its_columns_and_key() -> None:
    assert SOP10100.key == ("SOPTYPE", "SOPNUMBE")
    assert SOP10100.fields[:3] == (
        Field(name="SOPTYPE", kind=Kind.WHOLE, required=True, said="smallint"),
        Field(name="SOPNUMBE", kind=Kind.TEXT, length=21, required=True, said="char"),
        Field(name="DOCAMNT", kind=Kind.DECIMAL, precision=19, scale=5, said="numeric"),
    )
    assert [each.kind for each in SOP10100.fields[3:]] == [Kind.MOMENT, Kind.MOMENT, Kind.TEXT, Kind.BYTES]
    assert SOP10100.fields[4].nullable


def changed(**field: object) -> Record:
    """The table with another DOCAMNT."""
    fields = list(SOP10100.fields)
    fields[2] = msgspec.structs.replace(fields[2], **field)
    return msgspec.structs.replace(SOP10100, fields=tuple(fields))


@pytest.mark.parametrize(
    ("before", "after", "what", "breaks"),
    [
        ({}, {"precision": 21}, "type", False),
        ({}, {"precision": 15, "scale": 2}, "type", True),
        ({}, {"precision": 20, "scale": 6}, "type", False),
        ({}, {"kind": Kind.TEXT, "precision": 0, "scale": 0}, "type", True),
        ({}, {"nullable": True}, "type", True),
        ({"length": 10}, {"length": 20}, "length", False),
        ({"length": 20}, {"length": 10}, "length", True),
        ({}, {"required": True}, "required", True),
    ],
)
def test_a_field_that_changed_is_told_and_whether_it_may_break(
    before: dict[str, object], after: dict[str, object], what: str, *, breaks: bool
) -> None:
    (found,) = changes([changed(**before)], [changed(**after)])

    assert (found.record, found.field, found.what, found.breaks) == ("SOP10100", "DOCAMNT", what, breaks)


def test_what_came_and_went_is_told() -> None:
    less = msgspec.structs.replace(SOP10100, fields=SOP10100.fields[:-1], key=("SOPNUMBE",))

    assert changes([SOP10100, SOP10200], [less]) == (
        Change(record="SOP10100", field="", what="key", before="SOPTYPE, SOPNUMBE", after="SOPNUMBE", breaks=True),
        Change(record="SOP10100", field="SOPHDRE1", what="removed", before="bytes", breaks=True),
        Change(record="SOP10200", field="", what="removed", breaks=True),
    )
    assert changes([SOP10100], [SOP10100]) == ()


def test_what_samples_happen_not_to_have_breaks_nothing() -> None:
    (found,) = differ(of_samples("a", [b'{"b": 1, "c": 2}']), of_samples("a", [b'{"b": 1}']), "samples")

    assert (found.what, found.breaks) == ("removed", False)


def test_records_are_chosen_by_name_with_their_parts() -> None:
    order = of_samples("order", [b'{"lines": [{"taxes": [{"rate": 1}]}], "ship": {"city": "x"}}'])

    assert [each.name for each in chosen(order, ["order_l*"])] == ["order_lines", "order_lines_taxes"]
    assert chosen([SOP10100, SOP10200], ["sop102*"]) == (SOP10200,)
    assert chosen([SOP10100], []) == (SOP10100,)


HARD = of_samples(
    "Order_v2",
    [
        b'{"ID": 1, "class": "a", "odata.type": "b", "odata-type": 1, "at": "2026-03-02T14:05:12Z", "total": 1.5,'
        b' "lines": [{"sku": "a", "parts": [{"qty": 1}]}], "tags": ["x"], "ship": {"city": "x"}, "open": true,'
        b' "by": {"a b": 1}, "none": null}',
        b'{"ID": 1, "total": 2, "none": null}',
    ],
)


@pytest.mark.parametrize("records", [(SOP10100,), (SOP10200,), HARD], ids=["table", "small", "document"])
def test_a_proposed_record_runs_and_equals_its_schema(
    records: tuple[Record, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (proposal,) = proposals(records, "dynamics-gp", "gp-two")

    record = getattr(loaded(proposal, tmp_path, monkeypatch), camel(proposal.record))
    schema = json.loads(proposal.avsc)
    assert without_docs(schema) == avro_record(record, schema["namespace"], set())
    assert fastavro.parse_schema(schema)


def loaded(proposal: Proposal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The proposed module."""
    path = folder / "proposed.py"
    path.write_text(proposal.module)
    spec = importlib.util.spec_from_file_location("proposed", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "proposed", module)
    spec.loader.exec_module(module)
    return module


def test_a_document_is_read_by_its_proposed_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (proposal,) = proposals(HARD, "clarity", "clarity-main")
    module = loaded(proposal, tmp_path, monkeypatch)

    read = msgspec.json.decode(b'{"ID": 7, "total": 2.5, "class": "c", "unknown": 1}', type=module.OrderV2)

    assert (read.ID, str(read.total), read.class_, read.tags, read.at) == (7, "2.5", "c", (), None)


@pytest.mark.parametrize(
    ("name", "class_name", "file"),
    [
        ("SOP10100", "SOP10100".capitalize(), "sop_10100"),
        ("Order_salesItems", "OrderSalesItems", "order_sales_items"),
        ("2ndOrder", "Record2NdOrder", "2_nd_order"),
        ("???", "Record", "record"),
    ],
)
def test_names_are_such_as_python_takes(name: str, class_name: str, file: str) -> None:
    assert (camel(name), snake(name)) == (class_name, file)


@pytest.mark.parametrize(
    ("name", "made"),
    [("class", "class_"), ("odata.type", "odata_type"), ("2nd", "field_2nd"), ("_x", "x"), ("$", "field")],
)
def test_fields_have_names_of_python_and_avro(name: str, made: str) -> None:
    assert safe(name) == made


def test_what_was_seen_is_kept_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "discovered" / "gp-two.json"
    seen = Seen(connection="gp-two", system="dynamics-gp", how="catalogue", at=NOON, records=(SOP10100,))
    assert last_seen(path) is None

    keep(path, seen)

    assert last_seen(path) == seen
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match="holds nothing that was discovered"):
        last_seen(path)


def test_proposals_never_overwrite_what_somebody_changed(tmp_path: Path) -> None:
    found = Discovery(
        connection="gp-two",
        system="dynamics-gp",
        how="catalogue",
        records=(SOP10200,),
        since=None,
        changes=(),
        kept_in=tmp_path,
    )
    first, _ = write(found, tmp_path)
    (tmp_path / "sop_10200.py").write_text("# cut")

    second, left = write(found, tmp_path)

    assert [path.name for path in first] == ["sop_10200.avsc", "sop_10200.py"]
    assert ([path.name for path in second], [path.name for path in left]) == (["sop_10200.avsc"], ["sop_10200.py"])
    assert (tmp_path / "sop_10200.py").read_text() == "# cut"


HOSTILE = (
    "evil\n    b = __import__('os').system('id')\n    #",
    '"""\nimport os\n"""',
    '""" + __import__("os").system("id") + """',
    "\\",
    "a\x0cb\x85c\u2028import os\u202ed",
    "../../../etc/passwd",
    "True",
    "decimal",
    "msgspec",
    "😀 ' \"",
    "",
)


@pytest.mark.parametrize("said", HOSTILE)
def test_nothing_a_system_says_is_more_than_a_name_or_a_comment(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = of_openapi(
        msgspec.json.encode(
            {"openapi": "3", "components": {"schemas": {said: {"type": "object", "description": said, "properties": {
                said: {"type": "string", "format": said, "description": said, "default": said},
                "b": {"type": said, "default": said},
                "c": {"type": "number", "description": said},
            }}}}}
        )
    )  # fmt: skip
    told = Field(name=said, kind=Kind.DECIMAL, precision=9, scale=2, said=said, required=True)
    table = Record(name=said, fields=(told, msgspec.structs.replace(told, name="a")), key=(said,))

    for records in (described, (table,), (msgspec.structs.replace(table, key=()),)):
        (proposal,) = proposals(records, "dynamics-gp", "gp-two")

        assert re.fullmatch(r"[a-z0-9_]+", proposal.file)
        assert fastavro.parse_schema(json.loads(proposal.avsc))
        tree = ast.parse(proposal.module)
        assert not list(calls_that_are_not_ours(tree))
        for statement in tree.body:
            match statement:
                case ast.Expr(value=ast.Constant(value=str())) | ast.ImportFrom():
                    pass
                case ast.Import(names=[ast.alias(name="msgspec")]):
                    pass
                case ast.ClassDef(body=body):
                    assert isinstance(body[0], ast.Expr)
                    assert isinstance(body[0].value, ast.Constant)
                    assert all(isinstance(each, ast.AnnAssign) for each in body[1:])
                case _:
                    pytest.fail(f"{ast.unparse(statement)} is no part of a record")
        loaded(proposal, tmp_path, monkeypatch)


def calls_that_are_not_ours(tree: ast.Module) -> Iterator[ast.Call]:
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and ast.unparse(each.func) not in {"msgspec.field", "msgspec.Meta", "Decimal"}:
            yield each
