"""Running a worker to the right exit code; for every process, without importing what only agents need."""

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvloop

from errors import BusError, ConfigurationError

log = structlog.get_logger(__name__)

EXIT_STOPPED = 0
EXIT_FAILED = 1
#: New objects before the collector looks at the young ones, young looks before middle ones, middle before all.
COLLECT_EVERY = (5_000, 20, 20)
#: glibc's name for the size from which a buffer is a mapping of its own.
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 512 * 1024


def run_async(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run on uvloop; a refusal to start is one line that names the setting."""
    give_back_large_buffers()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main())
    except ConfigurationError as error:
        log.error(  # noqa: TRY400 - what to do, no stack
            "worker.refuses_to_start", setting=error.facts.get("setting"), reason=error.message
        )
        return EXIT_FAILED
    except BusError as error:
        log.error(  # noqa: TRY400 - what to do, no stack
            "worker.cannot_start", code=error.code, reason=error.message
        )
        return EXIT_FAILED


def spare_the_collector() -> None:
    """Take everything there is now for good: the garbage collector need not go over it again and again.

    A worker's libraries are some hundred thousand objects, and a record makes a few hundred more that soon go by
    themselves: as Python sets out, half of a worker's processor time went into looking for cycles among them.
    To be called when all is loaded, and again when all has started.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)


def give_back_large_buffers() -> None:
    """Have what was fetched in one go return to the system when it is freed.

    By itself glibc raises the size from which it does so to the largest buffer it has met, up to 32 MiB; between small
    objects that live longer such holes stay, and a worker that catches up grows. Other libraries decide for themselves.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
