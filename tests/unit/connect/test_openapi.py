"""Records of an OpenAPI document: names and types, and nothing people wrote into it."""

import msgspec
import pytest

from connect.discovered import Field, Kind, Record
from connect.openapi import records
from errors import DecodeError

DOCUMENT = {
    "openapi": "3.0.1",
    "components": {
        "schemas": {
            "StringValue": {"type": "object", "properties": {"value": {"type": "string"}}},
            "Entity": {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}},
            "SalesOrder": {
                "allOf": [
                    {"$ref": "#/components/schemas/Entity"},
                    {
                        "type": "object",
                        "required": ["OrderNbr"],
                        "properties": {
                            "OrderNbr": {"type": "string", "maxLength": 15, "example": "secret@example.com"},
                            "CustomerID": {"$ref": "#/components/schemas/StringValue"},
                            "OrderTotal": {"type": "number", "nullable": True},
                            "Date": {"type": "string", "format": "date-time"},
                            "Hold": {"type": "boolean"},
                            "Details": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                            "custom": {"type": "object", "additionalProperties": {"type": "string"}},
                            "Totals": {"type": "object", "properties": {"Tax": {"type": "number"}}},
                            "Status": {"$ref": "#/components/schemas/Status"},
                            "Parent": {"$ref": "#/components/schemas/SalesOrder"},
                        },
                    },
                ]
            },
            "Line": {"type": "object", "properties": {"Qty": {"type": "integer"}, "Tags": {"type": "array"}}},
            "Status": {"type": "string", "enum": ["Open", "Closed"]},
        }
    },
}


def test_every_named_schema_is_a_record_with_its_types() -> None:
    found = {each.name: each for each in records(msgspec.json.encode(DOCUMENT))}

    assert list(found) == ["Entity", "Line", "SalesOrder", "SalesOrder_Totals", "StringValue"]
    assert found["SalesOrder"].fields == (
        Field(name="id", kind=Kind.TEXT, said="uuid"),
        Field(name="OrderNbr", kind=Kind.TEXT, length=15, required=True, said="string"),
        Field(name="CustomerID", kind=Kind.RECORD, record="StringValue"),
        Field(name="OrderTotal", kind=Kind.DECIMAL, nullable=True, said="number"),
        Field(name="Date", kind=Kind.MOMENT, said="date-time"),
        Field(name="Hold", kind=Kind.FLAG, said="boolean"),
        Field(name="Details", kind=Kind.RECORD, record="Line", repeated=True),
        Field(name="custom", kind=Kind.MAP, said="object"),
        Field(name="Totals", kind=Kind.RECORD, record="SalesOrder_Totals", said="object"),
        Field(name="Status", kind=Kind.TEXT),
        Field(name="Parent", kind=Kind.RECORD, record="SalesOrder"),
    )


def test_nothing_of_what_people_wrote_there_is_kept() -> None:
    assert b"secret@example.com" not in msgspec.json.encode(records(msgspec.json.encode(DOCUMENT)))


def test_the_older_form_is_read_as_well() -> None:
    old = {"swagger": "2.0", "definitions": {"A": {"properties": {"b": {"type": "integer"}}}}}

    assert records(msgspec.json.encode(old)) == (
        Record(name="A", fields=(Field(name="b", kind=Kind.WHOLE, said="integer"),)),
    )


def test_what_is_one_or_the_other_is_known_by_the_fields_of_both() -> None:
    card = {"type": "object", "required": ["last4"], "properties": {"last4": {"type": "string"}, "at": {"const": 1}}}
    wire = {"type": "object", "properties": {"iban": {"type": "string"}, "at": {"type": "string"}}}
    order = {
        "payment": {"oneOf": [{"$ref": "#/components/schemas/Card"}, wire]},
        "ship": {"anyOf": [{"$ref": "#/components/schemas/Card"}, {"type": "null"}]},
        "title": {"allOf": [{"type": "string"}, {"maxLength": 20}]},
        "kind": {"enum": ["web", "shop", None]},
        "mixed": {"enum": ["web", 1]},
        "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
    }
    schemas = {"Card": card, "Order": {"properties": order}}

    found = {
        each.name: each
        for each in records(msgspec.json.encode({"openapi": "3.1.0", "components": {"schemas": schemas}}))
    }

    fields = {field.name: field for field in found["Order"].fields}
    assert fields["payment"] == Field(name="payment", kind=Kind.RECORD, record="Order_payment")
    assert fields["ship"] == Field(name="ship", kind=Kind.RECORD, record="Card", nullable=True)
    assert fields["title"] == Field(name="title", kind=Kind.TEXT, length=20)
    assert [fields[name].kind for name in ("kind", "mixed", "matrix")] == [Kind.TEXT, Kind.ANY, Kind.ANY]
    assert [(each.name, each.kind, each.required) for each in found["Order_payment"].fields] == [
        ("last4", Kind.TEXT, False),
        ("at", Kind.ANY, False),
        ("iban", Kind.TEXT, False),
    ]


def test_schemas_that_double_end() -> None:
    twice = {"oneOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/A"}]}
    document = {"openapi": "3.1.0", "components": {"schemas": {"A": twice, "B": {"allOf": twice["oneOf"]}}}}

    assert records(msgspec.json.encode(document)) == ()


def test_a_document_without_schemas_names_no_record() -> None:
    assert records(b'{"openapi": "3.1.0", "paths": {}}') == ()


@pytest.mark.parametrize(
    "schema", [{"$ref": "#/components/schemas/A"}, {"allOf": [{"$ref": "#/components/schemas/A"}]}]
)
def test_what_only_refers_to_itself_ends(schema: object) -> None:
    document = {"openapi": "3.0.0", "components": {"schemas": {"A": schema, "B": {"properties": {"a": schema}}}}}

    (found,) = records(msgspec.json.encode(document))

    assert found.fields[0].kind is Kind.ANY


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b"<html>", b"\xff"])
def test_what_is_no_such_document_is_refused(document: bytes) -> None:
    with pytest.raises(DecodeError, match="no OpenAPI document"):
        records(document)
