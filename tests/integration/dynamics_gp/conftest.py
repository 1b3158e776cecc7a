"""The simulator as a process with a database of its own, for the tests of this folder."""

import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from connect.systems.dynamics_gp.client import GpClient
from tests.integration.dynamics_gp.company import DEADLINE_S, Gp, Sandbox, answers, eventually, free_port

REPOSITORY_ROOT = Path(__file__).parents[3]
#: Another folder of tests may run one of its own in the same process.
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster_dsn(request: pytest.FixtureRequest) -> str:
    given = os.environ.get("TOWPATH_TEST_SANDBOX_DSN")
    return given or str(request.getfixturevalue("stack").sandbox_dsn)


@pytest.fixture(scope="session")
def sandbox(cluster_dsn: str) -> Iterator[Sandbox]:
    suffix = f"_test_{os.getpid()}_{next(_numbers)}"
    port, proxy_port = free_port(), free_port()
    command = [sys.executable, "-m", "sandbox.dynamics_gp", "--port", str(port), "--proxy-port", str(proxy_port)]
    options = [
        "--dsn",
        cluster_dsn,
        "--database",
        f"GP{suffix}",
        "--role-suffix",
        suffix,
        "--towpath-password",
        "secret",
    ]
    process = subprocess.Popen([*command, *options], cwd=REPOSITORY_ROOT, stderr=subprocess.DEVNULL)
    where = conninfo_to_dict(cluster_dsn)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as control:
            eventually(lambda: answers(control), process)
            running = Sandbox(
                make_conninfo(cluster_dsn, dbname=f"GP{suffix}"),
                make_conninfo(cluster_dsn, dbname=f"GP{suffix}", user=f"towpath{suffix}", password="secret"),
                control,
                f"Driver={{PostgreSQL Unicode}};Server={where.get('host', '127.0.0.1')};Port={proxy_port};"
                f"Database=GP{suffix};Uid=towpath{suffix};Pwd=secret;Protocol=7.4-1",
                f"towpath{suffix}",
            )
            _as_an_administrator_does(running)
            yield running
    finally:
        process.terminate()
        ended = process.wait(DEADLINE_S)
        with psycopg.connect(cluster_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"GP{suffix}")))
            for role in ("towpath", "debezium", "gpuser"):
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role + suffix)))
    assert ended == 0


@pytest.fixture
def gp(sandbox: Sandbox) -> Iterator[Gp]:
    sandbox.control.post("/control/reset").raise_for_status()
    with psycopg.connect(sandbox.dsn) as connection:
        yield Gp(connection, sandbox)


@pytest.fixture
async def client(gp: Gp) -> AsyncIterator[GpClient]:
    """The product's client of the company."""
    async with aclosing(GpClient(gp.sandbox.proxied, "postgresql", in_flight=4)) as client:
        yield client


def _as_an_administrator_does(sandbox: Sandbox) -> None:
    """Put the product's receipts table into the company."""
    script = REPOSITORY_ROOT / "connect" / "systems" / "dynamics_gp" / "receipts_postgresql.sql"
    with psycopg.connect(sandbox.superuser_dsn) as superuser:
        superuser.execute(script.read_text().replace("TO towpath;", f'TO "{sandbox.role}";').encode())
