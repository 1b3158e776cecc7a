"""When the call under way gives up: whoever sends looks once more, as its process may have stood still meanwhile."""

import math
import time
from contextvars import ContextVar

#: On the monotonic clock; set by who limits the call (`delivery.deadlines`).
GIVES_UP_AT: ContextVar[float] = ContextVar("gives_up_at", default=math.inf)


def is_over() -> bool:
    """Whether somebody else may have the work by now, so that nothing is to be sent."""
    return time.monotonic() > GIVES_UP_AT.get()
