"""Every setting of a deployment as one frozen record; nobody else reads the environment or the deployment folder.

    TOWPATH_DEPLOYMENT    the deployment's folder; default: deployments/demo
    TOWPATH_ENVIRONMENT   which of environments/*.toml is laid over towpath.toml; default: dev

A string in `towpath.toml` may be a reference: `env:NAME`, or `file:PATH` relative to the deployment. Secrets must be.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from bus import windows
from bus.lookups import files, rows, values
from bus.secret import Secret
from errors import ConfigurationError
from mapping.overlay import FOLDER, NONE
from mapping.port import Lookups

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")
P = ParamSpec("P")
_VARIABLE = re.compile(r"\benv:(\w+)")

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DEPLOYMENT = "deployments/demo"
DEFAULT_ENVIRONMENT = "dev"
#: In the place of what a reference does not find, where nobody is reached by it.
NOTHING_SAID = "1"
#: In the place of what must be said and is not, for who goes on all the same.
_EMPTY: Mapping[object, object] = {str: "", int: 0, Secret: Secret("")}
#: A process has a quarter of them, a document takes up to three calls, and they have fifteen seconds.
FEWEST_REQUESTS_PER_MINUTE = 60
#: What the operating system knows.
NICEST = 19
#: Of a connection.
NUMBERS_ABOVE_0 = (
    *("in_flight", "circuit_keys", "circuit_window_s", "circuit_delay_s", "circuit_longest_delay_s"),
    *("most_rows", "most_bytes", "spool_most_mb"),
)


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """How webhooks are received."""

    host: str = "127.0.0.1"
    port: int = 8080
    max_body_bytes: int = 262_144
    #: How far a signature's time may be from ours, past and future.
    window_s: int = 300
    #: Of each connection.
    requests_per_minute: int = 6000


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Where each process shows its metrics to Prometheus."""

    host: str = "127.0.0.1"
    #: Of the first process; the others follow it, in the order `towpath info` tells. 0: any free one.
    port: int = 9470


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How `towpath run` starts processes."""

    #: By how much the processes of the way back, from an ERP to its stores, give way to the others: where processors
    #: are short, orders come before what is told of them. 0: all are alike; 19: the way back takes what is left.
    way_back_niceness: int = 10


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """The database change data capture reads."""

    host: str
    port: int
    database: str
    user: str
    password: Secret


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One installed system under its name."""

    name: str
    system: str
    #: Database of the connection's store.
    store_dsn: Secret
    url: str = ""
    user: str = ""
    password: Secret = Secret("")
    #: In the order they are tried; the newest first.
    webhook_secrets: tuple[Secret, ...] = ()
    odbc: Secret | None = None
    #: `postgresql` or `sql-server`: how procedures are called.
    dialect: str = "sql-server"
    currency: str = ""
    time_zone: str = "UTC"
    #: Calls under way at once, of each of our processes: sessions, where the system counts those.
    in_flight: int = 4
    #: Of all our processes together; 0: as many as they like. Pollers, fetchers, consumers and what people start beside
    #: them (as the census) cannot see each other, so each has a fixed quarter, evenly spread, used or not. Systems
    #: that are spoken to over HTTP only; a second process of the same kind would have a quarter of its own.
    requests_per_minute: int = 0
    #: So many different keys failing within the window stop delivery there until a probe passes.
    circuit_keys: int = 5
    circuit_window_s: float = 30.0
    #: Until the first probe; doubled, up to the longest, after each that fails.
    circuit_delay_s: float = 5.0
    circuit_longest_delay_s: float = 60.0
    #: No longer than this are we held off by a `Retry-After`.
    longest_retry_after_s: float = 300.0
    poll_interval_s: float = 60.0
    #: How far a poll looks back behind the last one.
    poll_overlap_s: float = 300.0
    #: How long a write may take there. Longer lets slow ones through; a worker that dies in one holds its key as long.
    send_timeout_s: float = 60.0
    #: How long an unknown outcome is left alone before it is looked for.
    settling_delay_s: float = 5.0
    #: Nothing more is taken in for a queue of the connection while so many events are at work or due there, or so many
    #: bytes of them; it goes on at half of that. Kafka keeps what waits. Parked events do not count, nor what waits
    #: behind them.
    most_rows: int = 20_000
    most_bytes: int = 268_435_456
    #: After so many hours of waiting for a missing thing a person is told; what waits goes on waiting, and is woken.
    tell_after_waiting_h: float = 72.0
    #: So often the system itself is asked for a thing something waits for, as its event may have been lost; 0: only
    #: when an operator asks.
    ask_for_missing_min: float = 0.0
    #: When nothing new is started there, in the connection's time zone: `sun 02:00-04:00`, `23:30-00:15` for every day.
    maintenance: tuple[str, ...] = ()
    #: Folder on a volume that outlives the machine, for webhooks accepted while Kafka is away; empty: none is accepted
    #: then. Each gateway process needs its own.
    spool: str = ""
    spool_most_mb: int = 256
    capture: Capture | None = None
    #: What only this system knows: `document_id`, `site`.
    options: dict[str, str] = {}


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A store and the ERP that works on its orders."""

    store: str
    erp: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment."""

    #: Root of the checkout.
    root: Path
    #: Name of the deployment.
    deployment: str
    #: Its folder.
    folder: Path
    time_zone: str
    #: Bootstrap servers.
    kafka: str
    #: Base of the registry's Confluent API.
    registry: str
    connect: str
    projection_dsn: Secret
    gateway: Gateway
    connections: dict[str, Connection]
    pairs: tuple[Pair, ...]
    #: The tables as their files say, and each connection's options; what runs takes `bus.live_lookups`.
    lookups: Lookups
    #: The deployment's own mappings by their file's name.
    mappings: Mapping[str, bytes] = NONE
    #: What is wrong with files of tables: those are missing above, and nothing that maps starts.
    lookup_faults: tuple[str, ...] = ()
    #: Of the running code, as it stands in dead letters.
    code_version: str
    metrics: Metrics = Metrics()
    run: Run = Run()
    log_level: str = "INFO"

    def connection(self, name: str) -> Connection:
        """The connection of that name.

        Raises:
            ConfigurationError: there is none; names those there are.
        """
        if name not in self.connections:
            known = ", ".join(sorted(self.connections)) or "none"
            raise ConfigurationError(f"connections.{name}", f"no such connection; there are: {known}")
        return self.connections[name]

    def of_system(self, system: str) -> tuple[Connection, ...]:
        """Connections to installations of one system, by name."""
        return tuple(
            self.connections[name] for name in sorted(self.connections) if self.connections[name].system == system
        )


def current() -> Settings:
    """Settings of this process: the real environment over what runs locally."""
    return load(os.environ, ROOT)


def demo() -> Settings:
    """The deployment that comes with the bus, which the examples were recorded in; reaches nobody."""
    return offline({"TOWPATH_DEPLOYMENT": DEFAULT_DEPLOYMENT}, ROOT)


def at_rest() -> Settings:
    """The deployment of this process for work that reaches nobody, also where nothing runs."""
    return offline(os.environ, ROOT)


def offline(environ: Mapping[str, str], root: Path) -> Settings:
    """The deployment for work that reaches nobody: a reference to a variable that is not set stands for `1`.

    Raises:
        ConfigurationError: as `load`.
    """
    known = {**_local_values(root), **environ}
    folder = root / known.get("TOWPATH_DEPLOYMENT", DEFAULT_DEPLOYMENT)
    files = [folder / "towpath.toml", *(folder / "environments").glob("*.toml")]
    named = {name for path in files if path.is_file() for name in _VARIABLE.findall(_text(path))}
    return load({**dict.fromkeys(named, NOTHING_SAID), **known}, root)


def load(environ: Mapping[str, str], root: Path) -> Settings:
    """Read the deployment the environment names.

    Args:
        environ: Values for `env:` references; what the local stack and sandbox wrote lies below it.
        root: Of the checkout.

    Raises:
        ConfigurationError: a setting is missing, unknown or impossible; names it and says what to write.
    """
    return _load(environ, root, None)


def examined(environ: Mapping[str, str], root: Path) -> tuple[Settings, tuple[str, ...]]:
    """The deployment as far as it can be read, and all that hinders `load`; for who checks it, and runs nothing.

    What a reference to nothing would say stands there as `1`; a connection that cannot be read is left out.

    Raises:
        ConfigurationError: there is no such deployment, or its file is no text or no TOML.
    """
    faults: list[str] = []
    settings = _load(environ, root, faults)
    return settings, tuple(dict.fromkeys(faults))


def _load(environ: Mapping[str, str], root: Path, told: list[str] | None) -> Settings:
    """`told`: takes what is wrong, in the place of an error."""
    known = {**_local_values(root), **environ}
    folder = root / known.get("TOWPATH_DEPLOYMENT", DEFAULT_DEPLOYMENT)
    text = _merge(
        _toml(folder / "towpath.toml", required=True),
        _toml(
            folder / "environments" / f"{known.get('TOWPATH_ENVIRONMENT', DEFAULT_ENVIRONMENT)}.toml", required=False
        ),
    )
    reader = _Reader(known, folder, told)
    deployment = reader.table(text, "deployment")
    named = reader.table(text, "connections", optional=True)
    connections = {
        name: made for name, table in named.items() if (made := reader.go_on(_connection, reader, name, table))
    }
    pairs = tuple(
        pair
        for at, table in enumerate(reader.tables(text, "pairs"), 1)
        if (pair := reader.go_on(reader.record, Pair, table, f"pairs[{at}]")) and pair.store and pair.erp
    )
    tables, faults = tables_in(folder)
    tables |= {of_connection(each.name): _options(each) for each in connections.values()}
    run = reader.go_on(reader.record, Run, reader.table(text, "run", optional=True), "run") or Run()
    if not 0 <= run.way_back_niceness <= NICEST:
        reader.wrong("run.way_back_niceness", f"{run.way_back_niceness}: write a number from 0 to {NICEST}")
    settings = Settings(
        root=root,
        deployment=reader.text(deployment, "deployment", "name"),
        folder=folder,
        time_zone=reader.text(deployment, "deployment", "time_zone", default="UTC"),
        kafka=reader.text(reader.table(text, "kafka"), "kafka", "bootstrap"),
        registry=reader.text(reader.table(text, "registry"), "registry", "url"),
        connect=reader.text(reader.table(text, "connect", optional=True), "connect", "url", default=""),
        projection_dsn=reader.secret(reader.table(text, "projection"), "projection", "dsn"),
        gateway=reader.go_on(reader.record, Gateway, reader.table(text, "gateway", optional=True), "gateway")
        or Gateway(),
        metrics=reader.go_on(reader.record, Metrics, reader.table(text, "metrics", optional=True), "metrics")
        or Metrics(),
        run=run,
        connections=connections,
        pairs=pairs,
        lookups=Lookups(tables),
        lookup_faults=faults,
        mappings={
            name: content
            for path in sorted((folder / FOLDER).rglob("*.yaml"))
            if (content := reader.go_on(_content, path, name := path.relative_to(folder).as_posix())) is not None
        },
        code_version=_toml(ROOT / "pyproject.toml", required=True)["project"]["version"],
        log_level=known.get("TOWPATH_LOG_LEVEL", "INFO").upper(),
    )
    for name in dict.fromkeys(name for pair in pairs for name in (pair.store, pair.erp)):
        if name not in named:
            reader.go_on(settings.connection, name)
    return settings


class _AlreadyToldError(ConfigurationError):
    """Something cannot be made of what was told before."""


class _Reader:
    """Reads values and follows references; knows for each value what it is called in the file."""

    def __init__(self, environ: Mapping[str, str], folder: Path, told: list[str] | None) -> None:
        self._environ = environ
        self._folder = folder
        self._told = told

    def wrong(self, name: str, text: str, cause: Exception | None = None) -> None:
        """Say what is wrong with a setting.

        Raises:
            ConfigurationError: where nobody collects it.
        """
        error = ConfigurationError(name, text)
        if self._told is None:
            raise error from cause
        self._told.append(error.message)

    def go_on(self, make: Callable[P, T], *given: P.args, **named: P.kwargs) -> T | None:
        """What is made; None: it cannot be, which was told, where somebody collects that."""
        try:
            return make(*given, **named)
        except ConfigurationError as error:
            if self._told is None:
                raise
            if not isinstance(error, _AlreadyToldError):
                self._told.append(error.message)
            return None

    def table(self, text: Any, name: str, *, optional: bool = False, is_itself: bool = False) -> dict[str, Any]:
        found = text if is_itself else text.get(name)
        if found is None and optional:
            return {}
        if not isinstance(found, dict):
            self.wrong(name, f"write a table [{name}] in towpath.toml")
            return {}
        return found

    def tables(self, text: Mapping[str, Any], name: str) -> list[Any]:
        """A list of tables, which may be left out; each is looked at by who reads it."""
        found = text.get(name, [])
        if not isinstance(found, list):
            self.wrong(name, f"write each as a table [[{name}]] in towpath.toml")
            return []
        return found

    def text(self, table: Mapping[str, Any], name: str, key: str, *, default: str | None = None) -> str:
        if key not in table:
            if default is not None:
                return default
            self.wrong(f"{name}.{key}", f'missing: write {key} = "..." under [{name}]')
            return ""
        return str(self.follow(table[key], f"{name}.{key}"))

    def secret(self, table: Mapping[str, Any], name: str, key: str) -> Secret:
        if key not in table:
            self.wrong(f"{name}.{key}", f'missing: write {key} = "env:NAME" under [{name}]')
            return Secret("")
        return self.as_secret(table[key], f"{name}.{key}")

    def as_secret(self, value: Any, name: str) -> Secret:
        if not isinstance(value, str) or not value.startswith(("env:", "file:")):
            self.wrong(name, 'a secret may not stand in the file: write "env:NAME" or "file:PATH"')
            return Secret("")
        return Secret(str(self.follow(value, name)), reference=value)

    def follow(self, value: Any, name: str) -> Any:
        """The value, or what it refers to."""
        if not isinstance(value, str):
            return value
        if value.startswith("env:"):
            variable = value.removeprefix("env:")
            if variable not in self._environ:
                self.wrong(name, f"the environment variable {variable} is not set")
            return self._environ.get(variable, NOTHING_SAID)
        if value.startswith("file:"):
            path = self._folder / value.removeprefix("file:")
            try:
                return path.read_text(encoding="utf-8").strip()
            except OSError as error:
                self.wrong(name, f"cannot read {path}: {error.strerror}", error)
                return NOTHING_SAID
            except UnicodeDecodeError:
                # its cause would hold what may be a secret
                self.wrong(name, f"{path} is not UTF-8 text: save the file as UTF-8")
                return NOTHING_SAID
        return value

    def is_set(self, value: Any) -> bool:
        """False for a reference to a variable that is not there: an old secret that is gone."""
        return not (isinstance(value, str) and value.startswith("env:")) or value.removeprefix("env:") in self._environ

    def record(self, kind: type[R], table: Any, name: str, given: Mapping[str, Any] | None = None) -> R:
        """A table as a record; `given` are fields that do not come from it.

        Where faults are collected, what is missing or impossible stands at its default, or empty.
        """
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        values = dict(given or {})
        found = self.table(table, name, is_itself=True)
        if found is not table:
            raise _AlreadyToldError(name, "no table")
        for key, raw in found.items():
            if key not in fields or key in values:
                known = ", ".join(sorted(fields.keys() - (given or {}).keys()))
                self.wrong(f"{name}.{key}", f"no such setting; there are: {known}")
                continue
            value = self.go_on(self._value, fields[key].type, raw, f"{name}.{key}")
            if value is not None:
                values[key] = value
        for field in fields.values():
            if field.required and field.name not in values:
                if field.name not in found:
                    self.wrong(f"{name}.{field.name}", f"missing: write {field.name} = ... under [{name}]")
                values[field.name] = _EMPTY[field.type]
        return kind(**values)

    def _value(self, kind: Any, raw: Any, name: str) -> Any:
        if kind in {Secret, Secret | None}:
            return self.as_secret(raw, name)
        if kind == tuple[Secret, ...]:
            listed = raw if isinstance(raw, list) else [raw]
            return tuple(self.as_secret(value, name) for value in listed if self.is_set(value))
        if kind == Capture | None:
            return self.record(Capture, raw, name)
        if kind == dict[str, str]:
            return {
                key: str(self.follow(value, f"{name}.{key}"))
                for key, value in self.table(raw, name, is_itself=True).items()
            }
        told = len(self._told or ())
        followed = self.follow(raw, name)
        try:
            return msgspec.convert(followed, kind, strict=False)
        except msgspec.ValidationError as error:
            fault = _AlreadyToldError if len(self._told or ()) > told else ConfigurationError
            raise fault(name, str(error)) from error


def _connection(reader: _Reader, name: str, given: Any) -> Connection:
    connection = reader.record(Connection, given, f"connections.{name}", {"name": name})
    if "/" in name or ":" in name or name != name.strip().casefold():
        reader.wrong(f"connections.{name}", "a name is lower case, without `:` and `/`: it begins root keys")
    try:
        ZoneInfo(connection.time_zone)
    except (KeyError, ValueError, OSError) as error:
        reader.wrong(
            f"connections.{name}.time_zone",
            f"{connection.time_zone!r} is no time zone: write one like Europe/Vienna",
            error,
        )
    for number, window in enumerate(connection.maintenance, 1):
        try:
            windows.parse(window)
        except ValueError as error:
            reader.wrong(f"connections.{name}.maintenance[{number}]", str(error), error)
    if 0 != connection.requests_per_minute < FEWEST_REQUESTS_PER_MINUTE:
        reader.wrong(
            f"connections.{name}.requests_per_minute",
            f"write 0 for no limit, or at least {FEWEST_REQUESTS_PER_MINUTE}: with fewer a document's calls time out",
        )
    for setting in NUMBERS_ABOVE_0:
        if getattr(connection, setting) <= 0:
            reader.wrong(f"connections.{name}.{setting}", "write a number above 0")
    if connection.spool and not Path(connection.spool).is_absolute():
        reader.wrong(f"connections.{name}.spool", f"{connection.spool!r}: write the whole path")
    if connection.webhook_secrets == () and given.get("webhook_secrets"):
        first, *_ = [str(each).removeprefix("env:") for each in given["webhook_secrets"]]
        reader.wrong(f"connections.{name}.webhook_secrets", f"none of them is set: set the first variable, {first}")
    if not connection.system:
        raise _AlreadyToldError(f"connections.{name}", "of no system")
    return connection


def _local_values(root: Path) -> dict[str, str]:
    """What the local stack and the sandbox wrote about themselves."""
    values: dict[str, str] = {}
    for path in sorted((root / ".towpath" / "environment").glob("*.json")):
        try:
            values |= msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        except msgspec.DecodeError as error:
            raise ConfigurationError(str(path), f"not a flat JSON object of texts: {error}") from error
    return values


def _toml(path: Path, *, required: bool) -> dict[str, Any]:
    if not path.exists():
        if required:
            raise ConfigurationError(
                "TOWPATH_DEPLOYMENT", f"no {path.name} in {path.parent}: name a deployment's folder"
            )
        return {}
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), str(error)) from error


def _text(path: Path) -> str:
    content = _content(path, str(path))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(str(path), f"line {line} is not UTF-8 text: save the file as UTF-8") from error


def _content(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            name, f"cannot be read: {error.strerror}: put the file there, or take it away"
        ) from error


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        mine = merged.get(key)
        merged[key] = _merge(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return merged


def of_connection(name: str) -> str:
    """Name of the lookup table that holds a connection's options, so that mappings can ask for them."""
    return f"connection:{name}"


def options_of(settings: Settings) -> dict[str, dict[str, str]]:
    """The tables that hold the options of connections."""
    return {of_connection(each.name): _options(each) for each in settings.connections.values()}


def tables_in(folder: Path) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """The tables of a deployment's folder that can be read, and what is wrong with the others: little needs all."""
    tables: dict[str, dict[str, str]] = {}
    faults = []
    for path in files(folder / "lookups"):
        try:
            tables[path.stem] = values(rows(path))
        except ConfigurationError as error:
            faults.append(error.message)
    return tables, tuple(faults)


def _options(connection: Connection) -> dict[str, str]:
    return {**connection.options, "currency": connection.currency, "time_zone": connection.time_zone}
