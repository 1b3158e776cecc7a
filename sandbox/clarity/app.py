"""The simulated store put together: shop, API, control API, faults in front, webhooks and traffic behind."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.clarity.api import Api
from sandbox.clarity.catalogue import load_catalogue
from sandbox.clarity.clock import StoreClock
from sandbox.clarity.control import Control, Parts
from sandbox.clarity.errors import error_body
from sandbox.clarity.faults import FaultBoard, FaultLayer
from sandbox.clarity.sessions import Credentials, Sessions
from sandbox.clarity.shop import Shop
from sandbox.clarity.store import Store
from sandbox.clarity.traffic import Traffic
from sandbox.clarity.webhooks import DEFAULT_WIRES, Outbox, Sender, Wires

DEFAULT_BASE_PATH = "/DesktopModules/ClarityEcommerce/API"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one simulated store is set up; the command line makes it."""

    data: Path
    base_path: str = DEFAULT_BASE_PATH
    credentials: Credentials = Credentials("bus", "sandbox-bus")
    #: None: what the data folder remembers
    webhook_url: str | None = None
    webhook_secret: str | None = None
    #: also serve the project's own GET /feed/orders/{id}
    flat_feed: bool = False
    #: of everything made up by chance; None: another every time
    seed: int | None = None


class Simulator:
    """One store; an ASGI application, whose background work runs between `start` and `stop`."""

    def __init__(self, settings: Settings, webhook_wires: Wires = DEFAULT_WIRES) -> None:
        rng = random.Random(settings.seed)
        self.store = Store(settings.data)
        self.clock = StoreClock(float(self.store.setting("clock offset") or 0))
        self.board = FaultBoard(rng)
        self.outbox = Outbox(self.store, self.clock, self.board)
        if settings.webhook_url is not None:
            self.outbox.set_target(settings.webhook_url, settings.webhook_secret)
        self.shop = Shop(self.store, self.clock, load_catalogue(), self.outbox, rng)
        self.sender = Sender(self.store, self.outbox, self.clock, self.board, webhook_wires)
        self.traffic = Traffic(self.shop)
        self._tasks: list[asyncio.Task[None]] = []
        self._app = self._layered(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self.sender.run())]

    async def stop(self) -> None:
        await self.traffic.stop()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.store.close()

    def _layered(self, settings: Settings) -> ASGIApp:
        sessions = Sessions(settings.credentials)
        api = Api(self.shop, sessions, settings.base_path)
        parts = Parts(self.shop, self.clock, self.board, sessions, self.outbox, self.sender, self.traffic)
        routes = [*Control(parts).routes(), *api.routes(), *(api.feed_routes() if settings.flat_feed else [])]
        handlers = {HTTPException: _no_route, Exception: _broken}
        app = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)
        app.router.redirect_slashes = False
        return FaultLayer(app, self.board, lambda path: not path.startswith("/control"))

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.stop()


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"no {request.method} {request.url.path} here"
    if request.url.path.startswith("/control"):
        body = msgspec.json.encode({"error": f"{message}; GET /control lists what there is"})
    else:
        body = error_body(status, message)
    return Response(body, status_code=status, media_type="application/json")


async def _broken(request: Request, _error: Exception) -> Response:
    """A fault of the sandbox itself; the log has the trace, the answer never does."""
    message = "the sandbox itself is at fault; see its log"
    body = (
        error_body(500, message)
        if not request.url.path.startswith("/control")
        else msgspec.json.encode({"error": message})
    )
    return Response(body, status_code=500, media_type="application/json")
