"""Records of an OData `$metadata` document: names and types, whichever version, and nothing from outside of it."""

import pytest

from connect import metadata
from connect.discovered import Field, Kind, Record
from connect.metadata import records
from errors import DecodeError

V4 = b"""\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
 <edmx:DataServices>
  <Schema Namespace="Shop.Sales" Alias="Self" xmlns="http://docs.oasis-open.org/odata/ns/edm">
   <EntityType Name="Entity" Abstract="true">
    <Key><PropertyRef Name="OrderNbr"/></Key>
    <Property Name="OrderNbr" Type="Edm.String" Nullable="false" MaxLength="15"/>
   </EntityType>
   <EntityType Name="Order" BaseType="Self.Entity">
    <Property Name="Total" Type="Edm.Decimal" Precision="19" Scale="4"/>
    <Property Name="Rate" Type="Edm.Decimal" Precision="28" Scale="variable"/>
    <Property Name="Weight" Type="Edm.Decimal" Scale="Variable"/>
    <Property Name="At" Type="Edm.DateTimeOffset" Nullable="false" DefaultValue="secret@example.com"/>
    <Property Name="Hold" Type="Edm.Boolean" Nullable="false"><Annotation Term="X" String="secret"/></Property>
    <Property Name="Status" Type="Shop.Sales.Status"/>
    <Property Name="Code" Type="Self.Code" Nullable="false"/>
    <Property Name="Note" Type="Edm.String" MaxLength="max"/>
    <Property Name="Tags" Type="Collection(Edm.String)" MaxLength="20"/>
    <Property Name="Ship" Type="Self.Address"/>
    <Property Name="Where" Type="Edm.GeographyPoint"/>
    <Property Name="Odd" Type="Elsewhere.Thing"/>
    <NavigationProperty Name="Lines" Type="Collection(Self.Line)" ContainsTarget="true"/>
    <NavigationProperty Name="Parent" Type="Shop.Sales.Order"/>
    <NavigationProperty Name="Nothing" Type="Self.Empty" Nullable="false"/>
   </EntityType>
   <EntityType Name="Line"><Property Name="Qty" Type="Edm.Int32" Nullable="false"/></EntityType>
   <EntityType Name="Empty"/>
   <ComplexType Name="Address"><Property Name="City" Type="Edm.String"/></ComplexType>
   <EnumType Name="Status"><Member Name="Open" Value="0"/></EnumType>
   <TypeDefinition Name="Code" UnderlyingType="Edm.String" MaxLength="8"/>
   <Action Name="Close"><Parameter Name="order" Type="Self.Order"/></Action>
  </Schema>
 </edmx:DataServices>
</edmx:Edmx>"""

V3 = b"""<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">
 <edmx:DataServices xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" m:DataServiceVersion="3.0">
  <Schema Namespace="NW" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">
   <EntityType Name="Order">
    <Key><PropertyRef Name="Company"/><PropertyRef Name="OrderID"/></Key>
    <Property Name="Company" Type="Edm.Guid" Nullable="false"/>
    <Property Name="OrderID" Type="Edm.Int32" Nullable="false"/>
    <Property Name="Freight" Type="Edm.Decimal" Precision="19" Scale="4"/>
    <Property Name="Photo" Type="Edm.Binary" MaxLength="Max"/>
    <NavigationProperty Name="Lines" Relationship="NW.OrderLines" FromRole="Order" ToRole="Lines"/>
    <NavigationProperty Name="Customer" Relationship="NW.OrderCustomer" FromRole="Order" ToRole="Customer"/>
    <NavigationProperty Name="Lost" Relationship="NW.Nowhere" FromRole="Order" ToRole="x"/>
   </EntityType>
   <EntityType Name="Line"><Property Name="At" Type="Edm.DateTime"/></EntityType>
   <Association Name="OrderLines">
    <End Role="Order" Type="NW.Order" Multiplicity="1"/><End Role="Lines" Type="NW.Line" Multiplicity="*"/>
   </Association>
   <Association Name="OrderCustomer">
    <End Role="Order" Type="NW.Order" Multiplicity="*"/><End Role="Customer" Type="CRM.Order" Multiplicity="0..1"/>
   </Association>
  </Schema>
  <Schema Namespace="CRM" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
   <EntityType Name="Order"><Property Name="Name" Type="Edm.String" FixedLength="true" MaxLength="5"/></EntityType>
  </Schema>
 </edmx:DataServices>
</edmx:Edmx>"""


def test_every_type_of_version_4_is_a_record_with_the_fields_of_its_base() -> None:
    found = {each.name: each for each in records(V4)}

    assert list(found) == ["Address", "Entity", "Line", "Order"]
    assert found["Order"].key == ("OrderNbr",)
    assert found["Order"].fields == (
        Field(name="OrderNbr", kind=Kind.TEXT, length=15, required=True, said="Edm.String"),
        Field(name="Total", kind=Kind.DECIMAL, precision=19, scale=4, nullable=True, said="Edm.Decimal"),
        Field(name="Rate", kind=Kind.DECIMAL, nullable=True, said="Edm.Decimal"),
        Field(name="Weight", kind=Kind.DECIMAL, nullable=True, said="Edm.Decimal"),
        Field(name="At", kind=Kind.MOMENT, required=True, said="Edm.DateTimeOffset"),
        Field(name="Hold", kind=Kind.FLAG, required=True, said="Edm.Boolean"),
        Field(name="Status", kind=Kind.TEXT, nullable=True, said="Shop.Sales.Status"),
        Field(name="Code", kind=Kind.TEXT, length=8, required=True, said="Self.Code"),
        Field(name="Note", kind=Kind.TEXT, nullable=True, said="Edm.String"),
        Field(name="Tags", kind=Kind.TEXT, repeated=True, length=20, said="Edm.String"),
        Field(name="Ship", kind=Kind.RECORD, record="Address", nullable=True, said="Self.Address"),
        Field(name="Where", kind=Kind.ANY, nullable=True, said="Edm.GeographyPoint"),
        Field(name="Odd", kind=Kind.ANY, nullable=True, said="Elsewhere.Thing"),
        Field(name="Lines", kind=Kind.RECORD, record="Line", repeated=True, said="Self.Line"),
        Field(name="Parent", kind=Kind.RECORD, record="Order", nullable=True, said="Shop.Sales.Order"),
        Field(name="Nothing", kind=Kind.ANY, said="Self.Empty"),
    )


def test_associations_of_version_3_say_where_a_navigation_leads() -> None:
    found = {each.name: each for each in records(V3)}

    assert list(found) == ["CRM.Order", "Line", "NW.Order"]
    assert found["NW.Order"].key == ("Company", "OrderID")
    assert found["NW.Order"].fields == (
        Field(name="Company", kind=Kind.TEXT, required=True, said="Edm.Guid"),
        Field(name="OrderID", kind=Kind.WHOLE, required=True, said="Edm.Int32"),
        Field(name="Freight", kind=Kind.DECIMAL, precision=19, scale=4, nullable=True, said="Edm.Decimal"),
        Field(name="Photo", kind=Kind.BYTES, nullable=True, said="Edm.Binary"),
        Field(name="Lines", kind=Kind.RECORD, record="Line", repeated=True, said="NW.Line"),
        Field(name="Customer", kind=Kind.RECORD, record="CRM.Order", nullable=True, said="CRM.Order"),
        Field(name="Lost", kind=Kind.ANY, nullable=True, said=""),
    )
    assert found["CRM.Order"] == Record(
        name="CRM.Order", fields=(Field(name="Name", kind=Kind.TEXT, length=5, nullable=True, said="Edm.String"),)
    )


def test_nothing_of_what_people_wrote_there_is_kept() -> None:
    assert "secret" not in repr(records(V4))


def test_another_encoding_is_read() -> None:
    document = V4.decode("utf-8-sig").replace('encoding="utf-8"', 'encoding="utf-16"')

    assert records(document.encode("utf-16")) == records(V4)


@pytest.mark.parametrize(
    "declared",
    [
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        b"<!DOCTYPE x>",
    ],
)
def test_a_document_that_declares_entities_is_refused(declared: bytes) -> None:
    with pytest.raises(DecodeError, match="document type"):
        records(declared + V3.replace(b'"Edm.DateTime"', b'"&b;"'))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"<html>",
        b"<html/>",
        b"\xff",
        V4[:-20],
        b'<Edmx xmlns="urn:other"/>',
        b"<a>&f;</a>",
        b'<?xml version="1.0" encoding="nobodys"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a/>',
    ],
)
def test_what_is_no_such_document_is_refused(document: bytes) -> None:
    with pytest.raises(DecodeError, match="no OData metadata"):
        records(document)


def test_types_that_are_built_on_each_other_end() -> None:
    types = b'<EntityType Name="A" BaseType="N.B"><Property Name="a"/></EntityType>'
    types += b'<EntityType Name="B" BaseType="N.A"><Property Name="b" Type="Collection(N.A)"/></EntityType>'
    edmx, edm = b"http://docs.oasis-open.org/odata/ns/edmx", b"http://docs.oasis-open.org/odata/ns/edm"
    document = b'<Edmx xmlns="%s"><Schema xmlns="%s" Namespace="N">%s</Schema></Edmx>' % (edmx, edm, types)

    assert [[field.name for field in each.fields] for each in records(document)] == [["b", "a"], ["a", "b"]]


def test_more_fields_than_are_read_are_refused_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_MOST", 10)

    with pytest.raises(DecodeError, match="more than 10 fields"):
        records(V4)
