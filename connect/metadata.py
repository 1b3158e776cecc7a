"""The records of an OData `$metadata` document (CSDL in XML, version 2 to 4); names and types only; pure.

Annotations, descriptions, defaults and members of enums are left out: people write what they like there. What a type
says stands in attributes alone, so no text of the document is ever looked at.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final
from xml.parsers import expat

import msgspec

from connect.discovered import Field, Kind, Record
from errors import DecodeError

#: Versions 2 and 3 of the standard write one of Microsoft's, by year.
_NAMESPACES: Final = ("http://schemas.microsoft.com/ado/", "http://docs.oasis-open.org/odata/ns/")
_KINDS: Final = {
    "Boolean": Kind.FLAG,
    "Byte": Kind.WHOLE,
    "SByte": Kind.WHOLE,
    "Int16": Kind.WHOLE,
    "Int32": Kind.WHOLE,
    "Int64": Kind.WHOLE,
    "Decimal": Kind.DECIMAL,
    "Double": Kind.DECIMAL,
    "Single": Kind.DECIMAL,
    "String": Kind.TEXT,
    "Guid": Kind.TEXT,
    "Duration": Kind.TEXT,
    "Time": Kind.TEXT,
    "TimeOfDay": Kind.TEXT,
    "Date": Kind.MOMENT,
    "DateTime": Kind.MOMENT,
    "DateTimeOffset": Kind.MOMENT,
    "Binary": Kind.BYTES,
}
_RECORDS: Final = ("EntityType", "ComplexType")
_NAMED: Final = (*_RECORDS, "EnumType", "TypeDefinition", "Association")
#: What stands in one of those and is read.
_FIELDS: Final = ("Property", "NavigationProperty")
_MEMBERS: Final = (*_FIELDS, "PropertyRef", "End")
#: A type upon a type, as deep as anybody reads; and fields in all, those of outer types again in each.
_DEEPEST = 30
_MOST = 500_000

_Said = Mapping[str, str]


class _Type(msgspec.Struct):
    """An element that has a name, and what was in it."""

    element: str
    said: _Said
    #: In which names without a dot are.
    schema: str
    members: list[tuple[str, _Said]]
    has_fields: bool = False


def records(document: bytes) -> tuple[Record, ...]:
    """Every entity and complex type with fields, those of its base first; none: it names none.

    Raises:
        DecodeError: it is no such document, it declares entities, or it has too many fields.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    # entities live in a document type alone: without one nothing is fetched and nothing doubles
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(document, True)
    # the two others: an encoding nobody knows, or one of more than a byte a letter
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise DecodeError(f"no OData metadata: {error}") from error
    if not reader.is_metadata:
        raise DecodeError("no OData metadata: its first element is no edmx:Edmx")
    return _Types(reader.types, reader.aliases).records()


def _refuse_document_type(*_: object) -> None:
    raise DecodeError("no OData metadata: it has a document type (<!DOCTYPE), which could name other files")


class _Reader:
    """Takes the elements as they come."""

    def __init__(self) -> None:
        self.types: dict[str, _Type] = {}
        #: Short names of schemas.
        self.aliases: dict[str, str] = {}
        self.is_metadata = False
        self._path: list[str] = []
        self._schema = ""
        self._open: _Type | None = None

    def start(self, tag: str, said: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        element = name if namespace.startswith(_NAMESPACES) else ""
        if not self._path:
            self.is_metadata = element == "Edmx"
        if element == "Schema":
            self._schema = said.get("Namespace", "")
            if "Alias" in said:
                self.aliases[said["Alias"]] = self._schema
        elif element in _NAMED and self._path[-1:] == ["Schema"] and "Name" in said:
            self._open = _Type(element, said, self._schema, [])
            self.types[f"{self._schema}.{said['Name']}"] = self._open
        elif element in _MEMBERS and self._open is not None:
            self._open.members.append((element, said))
            self._open.has_fields |= element in _FIELDS and "Name" in said
        self._path.append(element)

    def end(self, _tag: str) -> None:
        if self._path.pop() in _NAMED:
            self._open = None


class _Types:
    """Looks up what the elements name."""

    def __init__(self, types: Mapping[str, _Type], aliases: Mapping[str, str]) -> None:
        self._types = types
        self._aliases = aliases
        self._left = _MOST
        names = Counter(each.said["Name"] for each in types.values() if each.element in _RECORDS)
        self._twice = {name for name, times in names.items() if times > 1}

    def records(self) -> tuple[Record, ...]:
        made = (self._record(name, each) for name, each in sorted(self._types.items()) if each.element in _RECORDS)
        return tuple(sorted((each for each in made if each.fields), key=lambda each: each.name))

    def _record(self, name: str, type_: _Type) -> Record:
        line = list(self._bases(type_))
        key = [said["Name"] for each in line for element, said in each.members if _has(element, said, "PropertyRef")]
        fields = {field.name: field for each in line for field in self._fields(each)}
        return Record(name=self._shown(name), fields=tuple(fields.values()), key=tuple(dict.fromkeys(key)))

    def _bases(self, type_: _Type) -> Iterator[_Type]:
        """The type itself and those it is built on, the outermost first."""
        found: list[_Type] = []
        at: _Type | None = type_
        while at is not None and at not in found and len(found) < _DEEPEST:
            found.append(at)
            at = self._types.get(self._full(at.said.get("BaseType", ""), at))
        return reversed(found)

    def _fields(self, type_: _Type) -> Iterator[Field]:
        for element, said in type_.members:
            self._left -= 1
            if self._left < 0:
                raise DecodeError(f"no OData metadata that is read: more than {_MOST} fields")
            if _has(element, said, "Property"):
                yield self._property(type_, said)
            elif _has(element, said, "NavigationProperty"):
                yield self._navigation(type_, said)

    def _property(self, type_: _Type, said: _Said) -> Field:
        wanted, repeated = _one_of(said.get("Type", "Edm.String"))
        if said.get("CollectionKind", "None") != "None":
            repeated = True
        kind, record, facets = self._kind(wanted, type_, said)
        nullable = said.get("Nullable", "true") == "true" and not repeated
        scale = facets.get("Scale", "0")
        # a variable scale leaves no bound to either side of the point
        precision = _number(facets.get("Precision")) if kind is Kind.DECIMAL and scale.isdigit() else 0
        return Field(
            name=said["Name"],
            kind=kind,
            record=record,
            repeated=repeated,
            length=_number(facets.get("MaxLength")) if kind is Kind.TEXT else 0,
            precision=precision,
            scale=min(_number(scale), precision),
            nullable=nullable,
            required=not nullable and not repeated,
            said=wanted,
        )

    def _navigation(self, type_: _Type, said: _Said) -> Field:
        """Records that hang on this one: only there for who asks for them."""
        if "Type" in said:
            wanted, repeated = _one_of(said["Type"])
            nullable = said.get("Nullable", "true") == "true"
        else:
            end = self._end(type_, said)
            wanted, repeated = end.get("Type", ""), end.get("Multiplicity") == "*"
            nullable = end.get("Multiplicity") != "1"
        kind, record, _ = self._kind(wanted, type_, said)
        return Field(
            name=said["Name"],
            kind=kind,
            record=record,
            repeated=repeated,
            nullable=nullable and not repeated,
            said=wanted,
        )

    def _end(self, type_: _Type, said: _Said) -> _Said:
        """Where a navigation of versions 2 and 3 leads."""
        association = self._types.get(self._full(said.get("Relationship", ""), type_))
        ends = association.members if association is not None else []
        return next((end for element, end in ends if element == "End" and end.get("Role") == said.get("ToRole")), {})

    def _kind(self, wanted: str, type_: _Type, said: _Said) -> tuple[Kind, str, _Said]:
        """Of a type's name: what it is, of which record, and where its length and digits are said."""
        simple = wanted.removeprefix("Edm.")
        if simple != wanted:
            return _KINDS.get(simple, Kind.ANY), "", said
        full = self._full(wanted, type_)
        found = self._types.get(full)
        if found is None:
            return Kind.ANY, "", said
        if found.element in _RECORDS:
            # of a record without fields there is nothing to say
            has_fields = any(each.has_fields for each in self._bases(found))
            return (Kind.RECORD, self._shown(full), said) if has_fields else (Kind.ANY, "", said)
        if found.element == "TypeDefinition":
            below = found.said.get("UnderlyingType", "")
            return _KINDS.get(below.removeprefix("Edm."), Kind.ANY), "", {**found.said, **said}
        return (Kind.TEXT if found.element == "EnumType" else Kind.ANY), "", said

    def _full(self, name: str, type_: _Type) -> str:
        """With the namespace in place of its alias."""
        schema, dot, own = name.rpartition(".")
        return f"{self._aliases.get(schema, schema) if dot else type_.schema}.{own}"

    def _shown(self, full: str) -> str:
        """Without the namespace, unless two of them have the name."""
        name = full.rpartition(".")[2]
        return full if name in self._twice else name


def _has(element: str, said: _Said, wanted: str) -> bool:
    return element == wanted and "Name" in said


def _one_of(wanted: str) -> tuple[str, bool]:
    """A type, and whether there are several of it."""
    inner = wanted.removeprefix("Collection(")
    return (inner.removesuffix(")"), True) if inner != wanted else (wanted, False)


def _number(said: str | None) -> int:
    """0: not said, or as much as one likes (`max`, `variable`)."""
    return int(said) if said is not None and said.isascii() and said.isdigit() and len(said) <= 6 else 0
