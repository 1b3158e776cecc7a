"""Which sinks may be delivered to: those that say what a repeat does and can be asked what became of a write."""

from collections.abc import Iterable

from delivery.ports import Sink
from delivery.states import Repeats

#: What each class promises, in words.
PAGE = "docs/how-to/repeats.md"


def refused(sinks: Iterable[tuple[str, object]]) -> Iterable[str]:
    """Why a sink may not be delivered to: after a lost answer it could only send again and hope.

    Args:
        sinks: Each, or its class, with the record it is for.
    """
    for record, sink in sinks:
        kind = sink if isinstance(sink, type) else type(sink)
        if getattr(kind, "find", Sink.find) is Sink.find:
            yield f"{record}: {kind.__name__} has no `find`, so that nobody could tell what became of a lost answer"
        if getattr(sink, "repeats", None) not in set(Repeats):
            yield f"{record}: {kind.__name__} declares no `repeats`; there are {', '.join(Repeats)} ({PAGE})"
