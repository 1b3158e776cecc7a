"""Change data capture as Kafka Connect runs it: the files of `connect/debezium`, filled and applied."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from bus.settings import Connection, Settings
from errors import ConfigurationError, FatalError, NotFoundError, RetryableError

T = TypeVar("T")

FILES = Path(__file__).resolve().parents[1] / "connect" / "debezium"
#: Which file describes the capture of a system, by the SQL its database speaks.
FILE_OF_DIALECT = {"postgresql": "sandbox", "sql-server": "sql-server"}
#: Connect answers slowly while it rebalances or a connector reads a large schema.
TIMEOUT_S = 60.0
PLACEHOLDER = re.compile(r"\$\{([a-z0-9_.]+)\}")
MASKED = "********"
#: Handed on by a connector to its driver, converters and history as they are; Connect's validation does not know them.
HANDED_ON = ("driver.", "key.converter.", "value.converter.", "schema.history.internal.")
#: Debezium reads these and forgets to declare them.
UNDECLARED = frozenset({"skip.messages.without.change", "field.name.adjustment.mode"})


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What applying did to one connector."""

    connector: str
    #: Setting names that were new, changed or gone; empty when nothing was to do.
    changed: tuple[str, ...]
    created: bool


class TaskStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One task of a connector."""

    id: int
    state: str
    #: First line of the stack trace of a failed task.
    failure: str = ""


class ConnectorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A connector as Connect sees it; RUNNING says nothing about being connected, the heartbeats do."""

    connector: str
    state: str
    tasks: tuple[TaskStatus, ...]
    failure: str = ""


class _RawTask(msgspec.Struct):
    id: int
    state: str
    trace: str = ""


class _RawConnector(msgspec.Struct):
    state: str
    trace: str = ""


class _RawStatus(msgspec.Struct):
    name: str
    connector: _RawConnector
    tasks: list[_RawTask]


class _RawValue(msgspec.Struct):
    name: str
    errors: list[str]


class _RawDefinition(msgspec.Struct):
    name: str


class _RawConfig(msgspec.Struct):
    #: Either may be missing: a setting nobody defined, or a definition nobody looked at.
    definition: _RawDefinition | None = None
    value: _RawValue | None = None


class _RawValidation(msgspec.Struct):
    error_count: int
    configs: list[_RawConfig]


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """What Connect has against a configuration."""

    #: Setting to its errors.
    errors: Mapping[str, tuple[str, ...]]
    #: Settings no connector, transform or converter reads: misspelt.
    unknown: tuple[str, ...]


def captured(settings: Settings) -> tuple[Connection, ...]:
    """The connections whose database is captured."""
    return tuple(each for each in settings.connections.values() if each.capture is not None)


def file_of(connection: Connection) -> Path:
    """The Debezium file for a connection.

    Raises:
        ConfigurationError: nothing is known about capturing this system in this dialect.
    """
    path = FILES / f"{connection.system}.{FILE_OF_DIALECT.get(connection.dialect, connection.dialect)}.json"
    if not path.exists():
        raise ConfigurationError(
            f"connections.{connection.name}.dialect", f"no {path.name} in connect/debezium for {connection.dialect!r}"
        )
    return path


def fill(text: str, values: Mapping[str, str]) -> dict[str, str]:
    """The configuration in a file's text with its placeholders replaced.

    Raises:
        ConfigurationError: a placeholder has no value; names it.
    """

    def value_of(match: re.Match[str]) -> str:
        try:
            return values[match.group(1)]
        except KeyError as error:
            raise ConfigurationError(match.group(1), "needed by the connector's file, but not set") from error

    template = msgspec.json.decode(text, type=dict[str, str])
    return {name: PLACEHOLDER.sub(value_of, value) for name, value in template.items()}


def values_of(settings: Settings, connection: Connection) -> dict[str, str]:
    """Everything a Debezium file may ask for, secrets included."""
    values = {
        "connection": connection.name,
        # replication slots take lower-case letters, digits and underscores only
        "connection.identifier": re.sub(r"[^a-z0-9_]", "_", connection.name.lower()),
        "kafka": settings.kafka,
        "registry.v2": registry_v2(settings.registry),
    }
    capture = connection.capture
    if capture is not None:
        values |= {
            "capture.host": capture.host,
            "capture.port": str(capture.port),
            "capture.database": capture.database,
            "capture.user": capture.user,
            "capture.password": capture.password.reveal(),
        }
    return values


def registry_v2(registry: str) -> str:
    """Where the converter finds the registry: its own API beside the Confluent one we use."""
    address = httpx.URL(registry)
    return str(address.copy_with(path="/apis/registry/v2", query=None))


def configuration(settings: Settings, connection: Connection) -> dict[str, str]:
    """What Connect is given for a connection; holds the password."""
    return fill(file_of(connection).read_text(encoding="utf-8"), values_of(settings, connection))


def apply(settings: Settings) -> tuple[Applied, ...]:
    """Bring Connect to what the deployment says; nothing happens where it already is so.

    Raises:
        ConfigurationError: Connect refuses a setting; names it and why.
        RetryableError: Connect does not answer.
    """
    with _connect(settings) as client:
        return tuple(_apply_one(client, each.name, configuration(settings, each)) for each in captured(settings))


def status(settings: Settings) -> tuple[ConnectorStatus, ...]:
    """The captured connections' connectors, whether they exist or not.

    Raises:
        BusError: Connect does not answer, or not as it should.
    """
    with _connect(settings) as client:
        return tuple(_status_of(client, each.name) for each in captured(settings))


def restart_failed(settings: Settings) -> tuple[str, ...]:
    """Restart the failed connectors and tasks; says which connectors had any.

    Raises:
        BusError: Connect does not answer, or not as it should.
    """
    failed = tuple(
        each.connector
        for each in status(settings)
        if each.state == "FAILED" or any(task.state == "FAILED" for task in each.tasks)
    )
    with _connect(settings) as client:
        for name in failed:
            _ask(client, "POST", f"/connectors/{name}/restart", params={"includeTasks": "true", "onlyFailed": "true"})
    return failed


def validate(client: httpx.Client, config: Mapping[str, str]) -> Validation:
    """Let Connect check every setting's name and type, and whether the database answers."""
    name = config["connector.class"].rsplit(".", 1)[-1]
    path = f"/connector-plugins/{name}/config/validate"
    answer = _read(_ask(client, "PUT", path, content=json.dumps(config)), _RawValidation)
    known = {each.definition.name for each in answer.configs if each.definition is not None}
    return Validation(
        errors={
            each.value.name: tuple(each.value.errors)
            for each in answer.configs
            if each.value is not None and each.value.errors
        },
        unknown=tuple(
            name for name in config if name not in known and name not in UNDECLARED and not name.startswith(HANDED_ON)
        ),
    )


def client_of(address: str) -> httpx.Client:
    """An HTTP client for one Connect cluster.

    Raises:
        ConfigurationError: the address is none.
    """
    try:
        return httpx.Client(base_url=address, timeout=TIMEOUT_S, headers={"content-type": "application/json"})
    except httpx.InvalidURL as error:
        raise ConfigurationError("connect.url", str(error)) from error


def differences(wanted: Mapping[str, str], there: Mapping[str, str]) -> tuple[str, ...]:
    """Names of settings that are new, changed or gone; Connect adds `name` itself."""
    names = (wanted.keys() | there.keys()) - {"name"}
    return tuple(sorted(name for name in names if wanted.get(name) != there.get(name)))


def _apply_one(client: httpx.Client, name: str, config: dict[str, str]) -> Applied:
    try:
        there = _read(_ask(client, "GET", f"/connectors/{name}/config"), dict[str, str])
    except NotFoundError:
        there = {}
    changed = differences(config, there)
    if changed:
        _refuse_unless_valid(name, validate(client, config | {"name": name}))
        _ask(client, "PUT", f"/connectors/{name}/config", content=json.dumps(config))
    return Applied(connector=name, changed=changed, created=not there)


def _refuse_unless_valid(name: str, validation: Validation) -> None:
    for setting, errors in validation.errors.items():
        raise ConfigurationError(f"connector {name}, {setting}", "; ".join(errors))
    for setting in validation.unknown:
        raise ConfigurationError(f"connector {name}, {setting}", "no such setting")


def _status_of(client: httpx.Client, name: str) -> ConnectorStatus:
    try:
        raw = _read(_ask(client, "GET", f"/connectors/{name}/status"), _RawStatus)
    except NotFoundError:
        return ConnectorStatus(connector=name, state="ABSENT", tasks=())
    return ConnectorStatus(
        connector=name,
        state=raw.connector.state,
        tasks=tuple(TaskStatus(id=task.id, state=task.state, failure=_first_line(task.trace)) for task in raw.tasks),
        failure=_first_line(raw.connector.trace),
    )


def _first_line(trace: str) -> str:
    return trace.strip().split("\n", 1)[0]


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])[:300]
    except (ValueError, TypeError, KeyError):
        return response.text[:300]


def _connect(settings: Settings) -> httpx.Client:
    return client_of(settings.connect)


def _ask(
    client: httpx.Client, method: str, path: str, *, content: str | None = None, params: Mapping[str, str] | None = None
) -> httpx.Response:
    """One request; whatever goes wrong with it becomes one of our errors here.

    Raises:
        NotFoundError: Connect has no such thing.
        RetryableError: Connect does not answer, is rebalancing (its 409), or has trouble of its own.
        FatalError: Connect refuses the request.
    """
    try:
        response = client.request(method, path, content=content, params=dict(params or {}))
    except httpx.HTTPError as error:
        raise RetryableError("connect.away", f"Kafka Connect does not answer at {client.base_url}") from error
    if response.is_success:
        return response
    told = f"Kafka Connect answered {response.status_code} to {method} {path}: {_reason(response)}"
    if response.status_code == httpx.codes.NOT_FOUND:
        raise NotFoundError("connect.absent", told)
    if response.status_code == httpx.codes.CONFLICT:
        raise RetryableError("connect.rebalancing", "Kafka Connect is rebalancing: try again in a moment")
    if response.is_client_error:
        raise FatalError("connect.refused", told)
    raise RetryableError("connect.failed", told)


def _read(response: httpx.Response, kind: type[T]) -> T:
    """What an answer says.

    Raises:
        RetryableError: it is none of Connect's; a proxy's page, perhaps.
    """
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as error:
        raise RetryableError("connect.odd", f"Kafka Connect answers at {response.url} what it never does") from error
