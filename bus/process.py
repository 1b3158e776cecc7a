"""Running a worker to the right exit code; for every process, without importing what only agents need."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvloop

from errors import BusError, ConfigurationError

log = structlog.get_logger(__name__)

EXIT_STOPPED = 0
EXIT_FAILED = 1


def run_async(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run on uvloop; a refusal to start is one line that names the setting."""
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
