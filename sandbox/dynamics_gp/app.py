"""Puts the GP user's process together: control API and proxy in one, started and stopped with the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from psycopg.conninfo import conninfo_to_dict
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox.dynamics_gp.company import Company
from sandbox.dynamics_gp.control import Control
from sandbox.dynamics_gp.database import Installation
from sandbox.dynamics_gp.errors import ControlError
from sandbox.dynamics_gp.proxy import Proxy


def build(installation: Installation, proxy_port: int) -> Starlette:
    """The application; its start opens the proxy's port and its end closes everything."""
    given = conninfo_to_dict(installation.dsn)
    address = str(given.get("hostaddr") or given.get("host") or "127.0.0.1"), int(given.get("port") or 5432)
    proxy = Proxy(port=proxy_port, database=address)
    company = Company(installation)
    control = Control(company, proxy)

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        await proxy.start()
        try:
            yield
        finally:
            await control.autopilot.stop()
            await company.close()
            await proxy.stop()

    return Starlette(
        routes=list(control.routes()),
        lifespan=running,
        exception_handlers={HTTPException: _no_such_route, Exception: _failed},
    )


async def _no_such_route(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = "no such route; GET /control lists them" if status == 404 else "this route does not take that method"
    return Response(ControlError(status, text).body, status_code=status, media_type="application/json")


async def _failed(_request: Request, error: Exception) -> Response:
    body = msgspec.json.encode({"error": "error", "message": type(error).__name__, "field": None})
    return Response(body, status_code=500, media_type="application/json")
