"""The registry's client: remembers what it has seen, says which field breaks a rule, tells away from missing."""

import json
from collections.abc import Callable

import httpx
import pytest

from bus.registry import Registry, difference
from errors import ConfigurationError, DecodeError, RetryableError

SCHEMA = json.dumps({"type": "record", "name": "A", "fields": [{"name": "a", "type": "string"}]})
NEWER = json.dumps(
    {"type": "record", "name": "A", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}
)


def registry(answer: Callable[[httpx.Request], httpx.Response]) -> Registry:
    return Registry("http://registry/apis/ccompat/v7", transport=httpx.MockTransport(answer))


def test_ids_are_remembered_while_the_registry_is_away() -> None:
    away = False

    def answer(request: httpx.Request) -> httpx.Response:
        if away:
            raise httpx.ConnectError("refused", request=request)
        if request.url.path.endswith("/schemas/ids/7"):
            return httpx.Response(200, json={"schema": SCHEMA})
        return httpx.Response(200, json={"id": 7, "version": 1, "subject": "s", "schema": SCHEMA})

    client = registry(answer)
    assert client.schema_of(7) == SCHEMA
    assert client.id_of("s", SCHEMA) == 7
    away = True

    assert client.schema_of(7) == SCHEMA
    assert client.id_of("s", SCHEMA) == 7
    with pytest.raises(RetryableError):
        client.schema_of(8)


def test_schema_that_is_not_registered_says_what_to_run() -> None:
    client = registry(lambda _request: httpx.Response(404, json={"error_code": 40403, "message": "Schema not found"}))

    with pytest.raises(ConfigurationError, match="towpath topics apply") as refused:
        client.id_of("canonical.orders.v1-value", SCHEMA)

    assert refused.value.facts["setting"] == "schema of canonical.orders.v1-value"
    assert client.schema_of(1) is None
    assert client.latest("s") is None
    assert client.compatibility("s") is None


def test_incompatible_schema_names_subject_and_difference() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(409, json={"error_code": 409, "message": "Incompatible"})
        return httpx.Response(200, json={"id": 7, "version": 1, "subject": "s", "schema": SCHEMA})

    with pytest.raises(ConfigurationError) as refused:
        registry(answer).register("s", NEWER)

    assert refused.value.facts["setting"] == "schema of s"
    assert 'field a was "string" and is "long"' in refused.value.message
    assert "field b is new and has no default" in refused.value.message


def test_failing_registry_is_away_and_not_without_schemas() -> None:
    client = registry(lambda _request: httpx.Response(503))

    with pytest.raises(RetryableError):
        client.schema_of(1)


def test_difference_tells_fields_that_went() -> None:
    assert difference(NEWER, SCHEMA) == 'field b is gone; field a was "long" and is "string"'


def test_schema_of_another_language_is_refused() -> None:
    said = {"schema": SCHEMA, "schemaType": "JSON"}
    client = registry(lambda _request: httpx.Response(200, json=said))

    with pytest.raises(DecodeError, match="schema id 7 is of type JSON, not AVRO"):
        client.schema_of(7)
    said["schemaType"] = "AVRO"
    assert client.schema_of(7) == SCHEMA
