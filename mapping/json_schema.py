"""The JSON Schema of mapping files, made of the same words the reader knows; for editors."""

import json
from typing import Any

from mapping.spec import BLOCK_KEYS, FILE_KEYS, LOOKUP_KEYS, PART_KEYS, REQUIRE_KEYS, ROUND_TRIP_KEYS, STATUS_KEYS

_EXPRESSION = {"$ref": "#/$defs/expression"}
_SHAPES: dict[str, Any] = {
    "mapping": {"type": "string", "pattern": "^[a-z0-9_/]+$"},
    "version": {"type": "integer", "minimum": 1},
    "about": {"type": "string"},
    "extends": {"type": "string", "pattern": "^.+@[0-9]+$"},
    "replaces": {"type": "string", "pattern": "^.+@[0-9]+$"},
    "from": {"type": "object", "additionalProperties": {"type": "string"}},
    "to": {"type": "string"},
    "unmapped": {"type": "string", "pattern": "^(ignore|refuse|keep in .+)$"},
    "ignored": {"type": "array", "items": {"type": "string"}},
    "rules": {"type": "array", "items": {"type": "string"}},
    "round trip": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/roundTrip"}]},
    "by": {"type": "string"},
    "without": {"type": "array", "items": {"type": "string"}},
    "let": {"type": "object", "additionalProperties": _EXPRESSION},
    "require": {"type": "array", "items": {"$ref": "#/$defs/requirement"}},
    "fields": {"type": "object", "additionalProperties": {"$ref": "#/$defs/value"}},
    "group by": {"anyOf": [_EXPRESSION, {"type": "object", "additionalProperties": _EXPRESSION}]},
    "order by": {"anyOf": [_EXPRESSION, {"type": "array", "items": _EXPRESSION}]},
    "number": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
    "otherwise": {"$ref": "#/$defs/value"},
    "text": {"type": "string"},
    "inverts": {"type": "boolean"},
    "values": {"type": "object"},
    "lookups": {
        "anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/lookup"}},
        ]
    },
    "statuses": {"type": "object", "additionalProperties": {"$ref": "#/$defs/statuses"}},
    "parts": {"type": "object", "additionalProperties": {"$ref": "#/$defs/part"}},
}


def text() -> str:
    """The schema as it lies in `mapping/mapping.schema.json`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A mapping of Towpath",
        **_object(FILE_KEYS, required=["mapping", "version"]),
        "anyOf": [{"required": ["from", "to", "fields"]}, {"required": ["extends"]}],
        "$defs": {
            "expression": {
                "type": ["string", "number", "boolean"],
                "description": "An expression; texts within it stand in quotes.",
            },
            "one": {"anyOf": [_EXPRESSION, {"$ref": "#/$defs/block"}, {"$ref": "#/$defs/verbatim"}]},
            "value": {"anyOf": [{"$ref": "#/$defs/one"}, {"type": "array", "items": {"$ref": "#/$defs/one"}}]},
            "block": _object({key: BLOCK_KEYS[key] for key in BLOCK_KEYS if key != "text"}, required=["fields"]),
            "verbatim": _object({"text": BLOCK_KEYS["text"]}, required=["text"]),
            "requirement": _object(REQUIRE_KEYS, required=["that", "say"]),
            "statuses": _object(STATUS_KEYS, required=["values"]),
            "lookup": {**_object(LOOKUP_KEYS), "type": ["object", "null"]},
            "part": _object(PART_KEYS, required=["from", "to"]),
            "roundTrip": _object(ROUND_TRIP_KEYS, required=["by"]),
        },
    }
    return json.dumps(schema, indent=2) + "\n"


def _object(keys: dict[str, str], required: list[str] | None = None) -> dict[str, Any]:
    properties = {key: {**_SHAPES.get(key, _EXPRESSION), "description": said} for key, said in keys.items()}
    made: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**made, "required": required} if required else made
