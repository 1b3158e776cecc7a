"""The schema registry, by its Confluent API; for codecs that look up and for `towpath topics apply` that registers."""

import json
from typing import Any, Protocol

import httpx
import msgspec

from errors import ConfigurationError, DecodeError, RetryableError

_CONTENT = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
_NOT_FOUND = 404
_CONFLICT = 409


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a subject's schema."""

    subject: str
    version: int
    id: int
    schema: str


class Schemas(Protocol):
    """What a codec asks of a registry."""

    def schema_of(self, schema_id: int) -> str | None:
        """Text of the schema with that id; None where the registry has none.

        Raises:
            DecodeError: it is no Avro schema.
            RetryableError: the registry is away, and the id was never seen before.
        """

    def id_of(self, subject: str, schema: str) -> int:
        """Id under which exactly this schema is registered for the subject.

        Raises:
            ConfigurationError: it is not; says what to run.
            RetryableError: the registry is away.
        """


class Registry:
    """A client that remembers every id it has seen, so that work goes on while the registry is away."""

    def __init__(self, url: str, *, timeout_s: float = 5.0, transport: httpx.BaseTransport | None = None) -> None:
        """`url` is the base of the Confluent API; `transport` is for tests."""
        self._http = httpx.Client(base_url=url.rstrip("/") + "/", timeout=timeout_s, transport=transport)
        self._schemas: dict[int, str] = {}
        self._ids: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def schema_of(self, schema_id: int) -> str | None:
        """As in `Schemas`."""
        if schema_id not in self._schemas:
            found = self._ask("GET", f"schemas/ids/{schema_id}")
            if found is None:
                return None
            kind = found.get("schemaType") or "AVRO"
            if kind != "AVRO":
                raise DecodeError(f"schema id {schema_id} is of type {kind}, not AVRO", schema_id=schema_id)
            self._schemas[schema_id] = found["schema"]
        return self._schemas[schema_id]

    def id_of(self, subject: str, schema: str) -> int:
        """As in `Schemas`."""
        if (subject, schema) not in self._ids:
            found = self._ask("POST", f"subjects/{subject}", {"schema": schema})
            if found is None:
                raise ConfigurationError(
                    f"schema of {subject}", "the registry does not have ours: run `towpath topics apply`"
                )
            self._ids[subject, schema] = found["id"]
            self._schemas[found["id"]] = schema
        return self._ids[subject, schema]

    def latest(self, subject: str) -> Registered | None:
        """Newest version of the subject; None where there is none."""
        found = self._ask("GET", f"subjects/{subject}/versions/latest")
        if found is None:
            return None
        return Registered(subject=subject, version=found["version"], id=found["id"], schema=found["schema"])

    def register(self, subject: str, schema: str) -> int:
        """Add a version, or find the equal one; its id.

        Raises:
            ConfigurationError: incompatible with what readers rely on; names the difference.
        """
        response = self._send("POST", f"subjects/{subject}/versions", {"schema": schema})
        if response.status_code == _CONFLICT:
            latest = self.latest(subject)
            what = difference(latest.schema, schema) if latest else ""
            raise ConfigurationError(
                f"schema of {subject}",
                f"incompatible with the registered one: {what or _reason(response)}. "
                "A new field needs a default; anything else needs a new version of the topic",
            )
        return int(self._body(response, f"subjects/{subject}/versions")["id"])

    def compatibility(self, subject: str) -> str | None:
        """The subject's own rule; None where it has none."""
        found = self._ask("GET", f"config/{subject}")
        level = (found or {}).get("compatibilityLevel") or (found or {}).get("compatibility")
        return str(level) if level else None

    def set_compatibility(self, subject: str, rule: str) -> None:
        """Set the subject's own rule."""
        self._ask("PUT", f"config/{subject}", {"compatibility": rule})

    def delete(self, subject: str) -> None:
        """Forget a subject for good: only for `towpath topics reset`, before version 1.0."""
        self._ask("DELETE", f"subjects/{subject}")
        self._ask("DELETE", f"subjects/{subject}?permanent=true")

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        response = self._send(method, path, body)
        if response.status_code == _NOT_FOUND:
            return None
        found: dict[str, Any] = self._body(response, path)
        return found

    def _send(self, method: str, path: str, body: dict[str, str] | None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body, headers=_CONTENT)
        except httpx.HTTPError as error:
            raise RetryableError(
                "registry_away", f"no answer from the schema registry at {self._http.base_url}", retry_after_s=1.0
            ) from error

    def _body(self, response: httpx.Response, path: str) -> Any:
        if response.is_server_error:
            raise RetryableError(
                "registry_away", f"the schema registry answers {response.status_code} to {path}", retry_after_s=1.0
            )
        if response.is_error:
            raise ConfigurationError("registry", f"answers {response.status_code} to {path}: {_reason(response)}")
        return response.json() if response.content else {}


class MemoryRegistry:
    """Schemas kept in memory: for tests, and for tools that need codecs and no registry."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def schema_of(self, schema_id: int) -> str | None:
        """As in `Schemas`."""
        return self._texts[schema_id - 1] if 1 <= schema_id <= len(self._texts) else None

    def id_of(self, subject: str, schema: str) -> int:  # noqa: ARG002 - as in Schemas
        """As in `Schemas`, but registers what it does not know."""
        if schema not in self._texts:
            self._texts.append(schema)
        return self._texts.index(schema) + 1


def difference(old: str, new: str) -> str:
    """What two record schemas differ in, field by field, in words."""
    before, after = _fields(json.loads(old)), _fields(json.loads(new))
    told = [f"field {name} is gone" for name in before if name not in after]
    told += [
        f"field {name} is new" + ("" if "default" in after[name] else " and has no default")
        for name in after
        if name not in before
    ]
    told += [
        f"field {name} was {json.dumps(before[name]['type'])} and is {json.dumps(after[name]['type'])}"
        for name in after
        if name in before and before[name]["type"] != after[name]["type"]
    ]
    return "; ".join(told)


def _fields(schema: Any) -> dict[str, Any]:
    return {field["name"]: field for field in schema.get("fields", [])} if isinstance(schema, dict) else {}


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json().get("message", ""))
    except (ValueError, AttributeError):
        return response.reason_phrase
