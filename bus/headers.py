"""What travels beside a record: CloudEvents' Kafka binding, the trace, and the lineage of an event on the bus.

`ce_id` is a UUIDv5 of where the event comes from, the route it took, its place among what the route made, and for a
fetched document its body's digest: a repeat has the id of the first, two readings have two.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import sha1

import msgspec

from bus.events import Headers
from schemas.types import Root

SPEC_VERSION = "1.0"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://towpath.invalid/events")
_NAMESPACE = NAMESPACE.bytes
#: What a hexadecimal digit becomes whose first two bits say the variant of a UUID.
_VARIANT = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record comes from. Empty text and 0 mean: not said."""

    #: The source event it descends from: `<topic id>/<partition>/<offset>`.
    root: Root = Root("")
    #: Connection at which the change was made, whoever brought it here.
    origin: str = ""
    #: `id@version+digest` of the mapping that made it, lookups included.
    mapping: str = ""
    #: How often it went through the bus.
    hops: int = 0
    #: W3C trace context.
    traceparent: str = ""
    #: Identity of the record itself; empty where it is read from a stranger.
    ce_id: str = ""
    #: Who says it: `/<stage>/<route>`.
    ce_source: str = ""
    #: What it is: `towpath.canonical.orders.v1`.
    ce_type: str = ""
    #: When it was made, RFC 3339; the source event's own time, so that a repeat is byte for byte the same.
    ce_time: str = ""


def event_id(root: str, route: str, ordinal: int, body_digest: str = "") -> str:
    """`ce_id` of the record a route makes in that place out of that source event.

    `str(uuid.uuid5(NAMESPACE, …))`, without the two objects of the library's way.
    """
    digest = sha1(_NAMESPACE + f"{root}\n{route}\n{ordinal}\n{body_digest}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"


def descended(
    parent: Lineage,
    *,
    root: Root,
    route: str,
    ordinal: int,
    ce_type: str,
    at: datetime,
    mapping: str = "",
    origin: str = "",
    body_digest: str = "",
) -> list[tuple[str, bytes]]:
    """Kafka headers of what a route makes out of an event; what is not said is left out.

    Args:
        parent: What came with the event; its root, origin and trace go on.
        root: The event's own identity: the root, where the event brings none.
        route: Name of the route, the same in every process and for good.
        ordinal: Place among the records the route makes of this event.
        ce_type: What the record is.
        at: When.
        mapping: Stamp of the mapping, where one was at work.
        origin: Where the change was made, if the event does not say.
        body_digest: Of a fetched document's body.
    """
    root, origin = parent.root or root, parent.origin or origin
    made = [
        *_said_of_all(route, ce_type, mapping, parent.hops),
        ("ce_id", event_id(root, route, ordinal, body_digest).encode()),
        ("ce_time", at.isoformat().replace("+00:00", "Z").encode()),
        ("towpath-root", root.encode()),
    ]
    if origin:
        made.append(("towpath-origin", origin.encode()))
    if parent.traceparent:
        made.append(("traceparent", parent.traceparent.encode()))
    return made


@lru_cache(maxsize=1024)
def _said_of_all(route: str, ce_type: str, mapping: str, hops: int) -> list[tuple[str, bytes]]:
    return to_headers(Lineage(ce_source=f"/{route}", ce_type=ce_type, mapping=mapping, hops=hops))


def to_headers(lineage: Lineage) -> list[tuple[str, bytes]]:
    """As Kafka headers; what is not said is left out."""
    texts = (
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", lineage.ce_id),
        ("ce_source", lineage.ce_source),
        ("ce_type", lineage.ce_type),
        ("ce_time", lineage.ce_time),
        ("content-type", "application/avro"),
        ("traceparent", lineage.traceparent),
        ("towpath-root", lineage.root),
        ("towpath-origin", lineage.origin),
        ("towpath-mapping", lineage.mapping),
        ("towpath-hops", str(lineage.hops)),
    )
    return [(name, text.encode()) for name, text in texts if text]


def from_headers(headers: Headers | Iterable[tuple[str, bytes | None]]) -> Lineage:
    """Read what is known; a stranger's headers, and broken ones, count as not there. The last of a name wins."""
    said = {name: _text(value) for name, value in headers}
    return Lineage(
        root=Root(said.get("towpath-root", "")),
        origin=said.get("towpath-origin", ""),
        mapping=said.get("towpath-mapping", ""),
        hops=_count(said.get("towpath-hops", "")),
        traceparent=said.get("traceparent", ""),
        ce_id=said.get("ce_id", ""),
        ce_source=said.get("ce_source", ""),
        ce_type=said.get("ce_type", ""),
        ce_time=said.get("ce_time", ""),
    )


def new_trace(trace_id: bytes, span_id: bytes) -> str:
    """A W3C `traceparent` for a way that begins here.

    Args:
        trace_id: 16 random bytes, not all zero.
        span_id: 8 random bytes, not all zero.
    """
    return f"00-{trace_id.hex()}-{span_id.hex()}-01"


def _text(value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        return ""


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
