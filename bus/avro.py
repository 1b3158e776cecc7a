"""What Avro schemas say: their named types, what may be read as what, and where they mean more than bytes."""

from typing import Any

#: A parsed JSON schema: a name, a list of alternatives, or an object.
Schema = Any

#: What a type can be read as besides itself.
_PROMOTED = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


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


def type_of(schema: Schema) -> str:
    """Of anything but a union: `string`, `record`, or the full name of a type defined elsewhere."""
    while isinstance(schema, dict):
        schema = schema["type"]
        # a record by another name
        schema = "record" if schema == "error" else schema
    return str(schema)


def name_of(schema: Schema) -> str:
    """What people call it."""
    if isinstance(schema, list):
        return " or ".join(map(name_of, schema))
    return str(schema["name"]) if isinstance(schema, dict) and "name" in schema else type_of(schema)


def named(schema: Schema) -> dict[str, Schema]:
    """Every record, enum and fixed that is defined in a parsed schema, by its full name."""
    if isinstance(schema, list):
        return {name: found for part in schema for name, found in named(part).items()}
    if not isinstance(schema, dict):
        return {}
    found = {schema["name"]: schema} if "name" in schema else {}
    for inner in (*(each["type"] for each in schema.get("fields", ())), schema.get("items"), schema.get("values")):
        found |= named(inner)
    return found


def alternatives(schema: Schema, known: dict[str, Schema]) -> list[Schema]:
    """The parts of a union, or the one type it is; each with its definition."""
    parts = schema if isinstance(schema, list) else [schema]
    return [known.get(part, part) if isinstance(part, str) else part for part in parts]


def is_read_as(theirs: Schema, ours: Schema) -> bool:
    """Whether what was written as one type, with its definition, can be read as another; what they hold is not asked.

    Records, enums and fixed by their own names, without the namespace.
    """
    wire, read_as = type_of(theirs), type_of(ours)
    if wire != read_as:
        return read_as in _PROMOTED.get(wire, ())
    if wire not in {"record", "enum", "fixed"}:
        return True
    names = {each.rpartition(".")[2] for each in (ours["name"], *ours.get("aliases", ()))}
    return theirs["name"].rpartition(".")[2] in names and theirs.get("size") == ours.get("size")
