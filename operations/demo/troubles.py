"""What goes wrong on purpose while customers buy: hostile webhooks, and GP's database restarted in the middle."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from errors import BusError
from operations.demo.board import Answered, Board
from operations.demo.outside import Store
from operations.stack import lifecycle
from operations.stack.lifecycle import Ending
from operations.stack.parts import PartName
from operations.stack.settings import load

#: Kind of webhook to the answer it must get.
HOSTILE = {"bad_signature": 401, "unsigned": 401, "stale": 401, "broken_json": 400}
#: Parts of the orders placed when it happens.
FORGED_AT = 0.2
RESTARTED_AT = 0.45

#: Returns when that part of all orders is placed.
Placed = Callable[[float], Awaitable[None]]


async def make(root: Path, store: Store, board: Board, placed: Placed) -> None:
    """All troubles, each at its time."""
    await placed(FORGED_AT)
    for kind, wanted in HOSTILE.items():
        try:
            status = await store.forge(kind, board.orders[0].order_id)
        except BusError:
            status = None
        board.hostile.append(Answered(kind=kind, status=status, wanted=wanted))
    await placed(RESTARTED_AT)
    began = time.monotonic()
    # stopped as in a power cut, and started again on its data
    await asyncio.to_thread(lifecycle.restart, load(root, os.environ), PartName.SANDBOX, Ending.CRASH)
    board.gp_away_s = round(time.monotonic() - began, 1)
