"""What an agent takes at once: records of one partition, fetched together, and up to where a partition is done.

faust makes an object, a task or a lock of every record several times over; a slice is one of each for hundreds.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from faust.types import TP

#: Of one slice.
MOST_RECORDS = 500
#: And not much more of the topic's bytes, as many slices wait in an agent's queue.
MOST_BYTES = 1024 * 1024
#: Of the slices an agent takes at once.
MOST_BYTES_AT_ONCE = 8 * MOST_BYTES


class Record(Protocol):
    """A record as the client fetched it, as far as it is needed here."""

    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


class Part:
    """Of a partition, up to an offset: how many agents are not through with it."""

    __slots__ = ("left", "next_offset")

    def __init__(self, next_offset: int, agents: int) -> None:
        self.next_offset = next_offset
        self.left = agents


class Progress:
    """Up to where every agent is through with a partition, nothing open before it."""

    def __init__(self) -> None:
        self._parts: dict[TP, deque[Part]] = {}
        #: Where reading would go on; what was committed is taken out.
        self.reached: dict[TP, int] = {}

    def begin(self, tp: TP, next_offset: int, agents: int) -> Part:
        """So many agents begin with the records up to an offset, those before it being begun."""
        part = Part(next_offset, agents)
        self._parts.setdefault(tp, deque()).append(part)
        return part

    def end(self, tp: TP, part: Part) -> None:
        """One agent is through with it; one of a partition that went away changes nothing."""
        part.left -= 1
        parts = self._parts.get(tp)
        while parts and parts[0].left == 0:
            self.reached[tp] = parts.popleft().next_offset

    def forget(self, tps: set[TP]) -> None:
        """They are another's now, or begin anew."""
        for tp in tps:
            self._parts.pop(tp, None)
            self.reached.pop(tp, None)


class Owner(Protocol):
    """The consumer that fetched it."""

    def through(self, taken: "Slice") -> None:
        """An agent is through with its records."""


class Slice:
    """Records of one partition in their order, as one agent takes them."""

    __slots__ = ("__weakref__", "_owner", "acked", "generation_id", "part", "records", "size", "tp")

    def __init__(self, owner: Owner, tp: TP, records: Sequence[Any], size: int, part: Part, generation_id: int) -> None:
        self._owner = owner
        self.tp = tp
        self.records = records
        #: Bytes of their values.
        self.size = size
        self.part = part
        #: The group's generation in which they were fetched.
        self.generation_id = generation_id
        #: faust looks at it where it waits for what is in flight.
        self.acked = False

    def __len__(self) -> int:
        return len(self.records)

    def __bool__(self) -> bool:
        return True

    def ack(self) -> None:
        """Let their offsets be committed."""
        if not self.acked:
            self.acked = True
            self._owner.through(self)


def cut(
    records: Sequence[Record], most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES
) -> Iterator[tuple[Any, int]]:
    """The same in pieces of bounded size, none of them empty, each with its bytes."""
    start = size = 0
    for at, record in enumerate(records):
        if at > start and (size >= most_bytes or at - start >= most_records):
            yield records[start:at], size
            start, size = at, 0
        size += len(record.value or b"")
    if start < len(records):
        yield records[start:], size
