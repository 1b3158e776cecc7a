"""Starts the GP user beside his company database: `python -m sandbox.dynamics_gp --port 8090 --proxy-port 8091 …`."""

import argparse
import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import msgspec
import psycopg
import uvicorn

from sandbox.dynamics_gp.app import build
from sandbox.dynamics_gp.database import Installation, install

LOG = logging.getLogger("dynamics_gp")
#: how long to wait for PostgreSQL at the start
PATIENCE_S = 60


def main() -> None:
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    # uvicorn raises the signal again once it has shut down in order; that is then a clean end
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    installation = _installation(arguments)
    _install(installation)
    config = uvicorn.Config(
        build(installation, arguments.proxy_port),
        host="127.0.0.1",
        port=arguments.port,
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="info",
        timeout_graceful_shutdown=3,
    )
    # what is loaded stays: the garbage collector need not go over it again and again
    gc.freeze()
    uvicorn.Server(config).run()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _install(installation: Installation) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            install(installation)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                sys.exit(f"dynamics_gp sandbox: no database within {PATIENCE_S} s: {error}")
            LOG.info("waiting for the database")
            time.sleep(1)
        except (OSError, psycopg.Error, ValueError) as error:
            sys.exit(f"dynamics_gp sandbox: {error}")
        else:
            return


def _installation(arguments: argparse.Namespace) -> Installation:
    given = Installation(
        dsn=arguments.dsn,
        database=arguments.database,
        towpath_password=arguments.towpath_password,
        debezium_password=arguments.debezium_password,
        user_password=arguments.user_password,
        role_suffix=arguments.role_suffix,
    )
    return given if arguments.catalogue is None else msgspec.structs.replace(given, catalogue=arguments.catalogue)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.dynamics_gp",
        description="A simulated Dynamics GP company and the people at its windows.",
    )
    parser.add_argument("--port", type=int, required=True, help="of the control API")
    parser.add_argument(
        "--proxy-port", type=int, required=True, help="of the way to the database that can be disturbed"
    )
    parser.add_argument("--dsn", default=os.environ.get("GP_SANDBOX_DSN"), help="a superuser of the PostgreSQL cluster")
    parser.add_argument("--database", default="TWO")
    # other users of the machine can read a command line, but not the environment
    for user, password in (("towpath", "towpath"), ("debezium", "debezium"), ("user", "gpuser")):
        variable = f"GP_SANDBOX_{user.upper()}_PASSWORD"
        parser.add_argument(
            f"--{user}-password",
            default=os.environ.get(variable, password),
            help=f"(default: {variable}, or {password})",
        )
    parser.add_argument(
        "--role-suffix", default="", help="appended to the role names, which a cluster's databases share"
    )
    parser.add_argument(
        "--catalogue", type=Path, help="products and customers to seed (default: sandbox/catalogue.json)"
    )
    return parser


if __name__ == "__main__":
    main()
