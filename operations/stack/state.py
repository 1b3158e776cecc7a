"""What runs where: `.towpath/stack.json`, the page by which the rest of the product finds the local stack."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from operations.stack.places import Places


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one PostgreSQL cluster; prints without its password."""

    host: str
    port: int
    user: str
    password: str
    #: Empty for the sandbox cluster, whose databases are made by the sandbox.
    database: str = "postgres"

    @property
    def dsn(self) -> str:
        """A libpq address; the generated passwords need no quoting."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    @property
    def address(self) -> str:
        """For people: without the password."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"Database({self.user}@{self.host}:{self.port}/{self.database})"


class PartState(msgspec.Struct, frozen=True, kw_only=True):
    """One running part."""

    pid: int
    #: When the process began, in seconds since 1970.
    started: float
    port: int
    log: str


class StackState(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of one checkout's stack and the processes behind them."""

    kafka: str
    registry: str
    connect: str
    bus: Database
    sandbox: Database
    #: Every listener's port, kept for the next start.
    ports: Mapping[str, int]
    parts: Mapping[str, PartState]


def load(root: Path) -> StackState | None:
    """The stack of a checkout as the last `up` left it, or None where there never was one (or it was purged)."""
    try:
        content = Places(root=root.resolve()).state_file.read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(content, type=StackState)


def save(places: Places, state: StackState) -> None:
    """Write the state readable by its owner alone, and never half."""
    write_private(places.state_file, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    half.replace(path)
