"""A deployment whose servers nobody runs; tests name what they are about."""

from pathlib import Path

from bus.secret import Secret
from bus.settings import Connection, Gateway, Pair, Settings
from mapping.port import Lookups


def deployment(
    *connections: Connection, root: Path = Path(), address: str = "", dsn: str = "", pairs: tuple[Pair, ...] = ()
) -> Settings:
    """Settings with these connections.

    Args:
        connections: Each under its own name.
        root: Where it would run from.
        address: Of Kafka, registry and Connect: `127.0.0.1:1`.
        dsn: Of the projection.
        pairs: Of these connections.
    """
    url = f"http://{address}" if address else ""
    return Settings(
        root=root,
        deployment="test",
        folder=root,
        time_zone="UTC",
        kafka=address,
        registry=url,
        connect=url,
        projection_dsn=Secret(dsn),
        gateway=Gateway(),
        connections={each.name: each for each in connections},
        pairs=pairs,
        lookups=Lookups({}),
        code_version="0",
    )


def of_system(name: str, system: str) -> Connection:
    """A connection without addresses."""
    return Connection(name=name, system=system, store_dsn=Secret(""))
