"""How every process logs: one structured line for each event, JSON where nobody sits in front."""

import asyncio
import atexit
import contextlib
import json
import logging
import sys
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import msgspec
import structlog
from structlog.typing import Processor

from bus import metrics
from errors import BusError

_ROOT = Path(__file__).parents[1]
#: Where it happened, never with what values: local variables hold payloads and secrets.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)
#: Libraries that tell at INFO what is of no use, or at WARNING what is no warning.
_QUIET = {
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    # Faust and mode log each service they start under the module of its class, which is ours
    "bus.faust_app": logging.WARNING,
    "aiokafka": logging.ERROR,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}


def described(failure: BaseException) -> dict[str, str]:
    """What a log line says of a failure: our own errors in their words, others by kind and place alone.

    The text of a database's or a codec's error may hold the very data it stumbled over.
    """
    if isinstance(failure, BusError):
        return {"error": type(failure).__name__, "code": failure.code, "reason": failure.message}
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(failure.__traceback__)]
    ours = [(path, line) for path, line in frames if path.is_relative_to(_ROOT) and "site-packages" not in path.parts]
    return {
        "error": type(failure).__name__,
        "at": "".join(f"{path.relative_to(_ROOT)}:{line}" for path, line in ours[-1:]),
        "in": "".join(f"{path.name}:{line}" for path, line in frames[-1:]),
    }


def _as_json(line: object, default: Callable[[object], object]) -> str:
    """A line of ASCII, so that no terminal obeys it; what the quick encoder cannot tell, the library's can."""
    try:
        told = msgspec.json.encode(line, enc_hook=default).decode()
    except (msgspec.MsgspecError, TypeError, ValueError):
        told = ""
    return told if told.isascii() and told else json.dumps(line, default=default)


class _Lines(structlog.WriteLogger):
    """Writes a line where there is a reader; where there is none or no room, work goes on without it.

    What is told in one turn of an event loop is written at its end, in one piece; a warning at once, with all before.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._told: deque[str] = deque()
        #: The loop that will write it.
        self._due: asyncio.AbstractEventLoop | None = None
        # a loop that ends in the middle leaves its last lines behind
        atexit.register(self.write_all)

    def msg(self, message: str) -> None:
        """Write and flush; what cannot be written is counted."""
        self._told.append(message)
        self.write_all()

    def soon(self, message: str) -> None:
        """Write it with those of the turn."""
        self._told.append(message)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody turns
            self.write_all()
            return
        if self._due is not loop:
            self._due = loop
            loop.call_soon(self.write_all)

    def write_all(self) -> None:
        """What is told and not yet written; threads may tell meanwhile."""
        self._due = None
        told = []
        with contextlib.suppress(IndexError):
            while True:
                told.append(self._told.popleft())
        if not told:
            return
        try:
            super().msg("\n".join(told))
        except (OSError, ValueError):
            metrics.LOG_LINES_LOST.inc(len(told))

    log = warn = warning = msg
    debug = info = soon
    fatal = failure = err = error = critical = exception = msg


def of_a_command() -> None:
    """A command says itself what is wrong, once: of its libraries' logs only errors, and those on stderr."""
    if not structlog.is_configured():
        structlog.configure(
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        )


def set_up(process: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Log to `stream` (stderr): coloured lines on a terminal, JSON elsewhere; other libraries' logs the same way.

    Args:
        process: Name of the process, in every line.
        level: From which level on our own lines are written.
        stream: Where to.
    """
    stream = stream or sys.stderr
    on_terminal = stream.isatty()
    render: list[Processor] = (
        [structlog.dev.ConsoleRenderer()] if on_terminal else [_TRACEBACKS, structlog.processors.JSONRenderer(_as_json)]
    )
    lines = _Lines(stream)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)
    # Not by way of the standard library, which asks more of each line than there is to say.
    structlog.configure(
        processors=[*_SHARED, *render],
        logger_factory=lambda *_: lines,
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
