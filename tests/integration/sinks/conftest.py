"""The simulators the sinks write to, and a connection's store."""

from collections.abc import Iterator

import pytest

from tests.integration.delivery.conftest import bus_dsn, connection, migrated, store
from tests.integration.dynamics_gp.conftest import cluster_dsn, sandbox
from tests.integration.sinks.shop import Shop, running_shop

__all__ = ["bus_dsn", "cluster_dsn", "connection", "migrated", "sandbox", "shop", "store"]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A Clarity store."""
    with running_shop(tmp_path_factory.mktemp("shop")) as running:
        yield running
