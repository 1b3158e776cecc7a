"""A customer in the background who places orders at a steady rate."""

import asyncio
import logging
import random
from contextlib import suppress

import msgspec

from sandbox.clarity.orders import OrderRefusedError
from sandbox.clarity.requests import OrderRequest, TrafficRequest
from sandbox.clarity.shop import Shop

_LOG = logging.getLogger("sandbox.clarity")


class TrafficState(msgspec.Struct, frozen=True, kw_only=True):
    running: bool = False
    wanted: int = 0
    placed: int = 0
    refused: int = 0
    per_second: float = 0.0
    first_id: int | None = None
    last_id: int | None = None


class Traffic:
    """One run at a time; a new one ends the one before."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._task: asyncio.Task[None] | None = None
        self.state = TrafficState()

    async def start(self, request: TrafficRequest) -> TrafficState:
        await self.stop()
        self.state = TrafficState(running=True, wanted=request.orders, per_second=request.per_second)
        self._task = asyncio.create_task(self._run(request))
        return self.state

    async def stop(self) -> TrafficState:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._note(running=False)
        return self.state

    async def _run(self, request: TrafficRequest) -> None:
        rng = random.Random(request.seed)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            for number in range(request.orders):
                # By the plan and not by the last order: a slow moment is caught up with.
                await asyncio.sleep(max(started + number / request.per_second - loop.time(), 0))
                self._place(request, rng)
        finally:
            self._note(running=False)
            _LOG.info("traffic ended: %d of %d orders", self.state.placed, self.state.wanted)

    def _place(self, request: TrafficRequest, rng: random.Random) -> None:
        state = self.state
        try:
            order = self._shop.place(OrderRequest(customers=request.customers), rng)
        except OrderRefusedError:
            # Stock and prices change under a customer's hands; the next one may have more luck.
            self._note(refused=state.refused + 1)
        else:
            self._note(placed=state.placed + 1, last_id=order.id, first_id=state.first_id or order.id)

    def _note(self, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)
