"""Avro schemas as our codecs need them: without logical types, and cut down to what a writer wrote."""

from typing import Any

#: A parsed JSON schema: a name, a list of alternatives, or an object.
Schema = Any


def without_meaning(schema: Schema) -> Schema:
    """The schema without logical types, so that fastavro leaves those values to us."""
    if isinstance(schema, list):
        return [without_meaning(part) for part in schema]
    if isinstance(schema, dict):
        meaning = ("logicalType", "precision", "scale")
        return {key: without_meaning(value) for key, value in schema.items() if key not in meaning}
    return schema


def meanings(schema: Schema, path: str = "") -> dict[str, str]:
    """The logical types of a schema by the path of their field."""
    if isinstance(schema, list):
        return {key: value for part in schema for key, value in meanings(part, path).items()}
    if not isinstance(schema, dict):
        return {}
    found = {}
    if "logicalType" in schema:
        found[path] = f"{schema['logicalType']}({schema.get('precision', '')},{schema.get('scale', '')})"
    for field in schema.get("fields", ()):
        found |= meanings(field["type"], f"{path}.{field['name']}".lstrip("."))
    for inner in ("items", "values", "type"):
        found |= meanings(schema.get(inner), path)
    return found


def cut_to(ours: Schema, theirs: Schema) -> Schema:
    """Our schema without the fields the writer did not know; those take the record's own defaults.

    fastavro would fill them from the schema, a decimal as text and a record as one dict shared by all.
    """
    return _Cut(ours, theirs).cut(ours, theirs)


class _Cut:
    """Knows the named types of both sides: whichever field of a type survives first must carry its definition."""

    def __init__(self, ours: Schema, theirs: Schema) -> None:
        self._ours = _named(ours)
        self._theirs = _named(theirs)
        self._written: set[str] = set()

    def cut(self, ours: Schema, theirs: Schema) -> Schema:
        if isinstance(ours, list):
            return [self.cut(part, _alternative(theirs, part, self._theirs)) for part in ours]
        if isinstance(ours, str) and ours in self._ours and ours not in self._written:
            ours = self._ours[ours]
        if not isinstance(ours, dict):
            return ours
        theirs = _alternative(theirs, ours, self._theirs)
        if not isinstance(theirs, dict):
            theirs = {}
        if ours["type"] == "record":
            return self._record(ours, theirs)
        inner = {"array": "items", "map": "values"}.get(ours["type"])
        return ours if inner is None else {**ours, inner: self.cut(ours[inner], theirs.get(inner))}

    def _record(self, ours: dict[str, Any], theirs: dict[str, Any]) -> Schema:
        name = _full_name(ours)
        if name in self._written:
            return name
        self._written.add(name)
        known = {field["name"]: field["type"] for field in theirs.get("fields", ())}
        fields = [
            {"name": field["name"], "type": self.cut(field["type"], known[field["name"]])}
            for field in ours["fields"]
            if field["name"] in known
        ]
        return {**ours, "fields": fields}


def _named(schema: Schema) -> dict[str, Schema]:
    """Every record definition in the schema by its full name."""
    if isinstance(schema, list):
        return {name: found for part in schema for name, found in _named(part).items()}
    if not isinstance(schema, dict):
        return {}
    found = {_full_name(schema): schema} if schema.get("type") == "record" else {}
    for field in schema.get("fields", ()):
        found |= _named(field["type"])
    for inner in ("items", "values"):
        found |= _named(schema.get(inner))
    return found


def _full_name(record: dict[str, Any]) -> str:
    return ".".join(part for part in (record.get("namespace"), record["name"]) if part)


def _alternative(theirs: Schema, ours: Schema, named: dict[str, Schema]) -> Schema:
    """Which of the writer's alternatives ours is read from."""
    kind = ours.get("type") if isinstance(ours, dict) else ours
    for part in theirs if isinstance(theirs, list) else [theirs]:
        found = named.get(part, part) if isinstance(part, str) else part
        if isinstance(found, dict) and found.get("type") == kind:
            return found
    return theirs
