"""A webhook of the store in the Standard Webhooks form, and which record each event type is about; for the gateway.

The names of the events are a contract with whoever installs the sender (requirements B1), as the vendor publishes
none. Of the data only the id is believed: the record is read again through the API.
"""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from errors import DecodeError

#: Record an event is about, by the event's type; the same event is known under several spellings.
RECORDS = {
    "order.created": "order",
    "ordercreated": "order",
    "order.updated": "order",
    "orderupdated": "order",
    "product.updated": "product",
    "productupdated": "product",
    "customer.updated": "customer",
    "customerupdated": "customer",
    "customer.registered": "customer",
    "customerregistered": "customer",
}
_LONGEST_ID = 100
_LARGEST_ID = 2**63 - 1


class WebhookData(msgspec.Struct, frozen=True, kw_only=True):
    """What the event is about; a sender may put more into it, which is not read."""

    id: int | str


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Body of a webhook."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    #: When it happened there; aware. Some senders leave it out: the signed time of sending is in the headers anyway.
    timestamp: datetime | None = None
    data: WebhookData

    @property
    def record(self) -> str | None:
        """The record the event is about, None for an event nobody knows."""
        return RECORDS.get(self.type.lower())


def read_webhook(body: bytes) -> Webhook:
    """The webhook in a body that is known to be JSON of sensible depth.

    Raises:
        DecodeError: the body does not fit; says where, never what stands there.
    """
    try:
        webhook = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise DecodeError(reason) from error
    if not webhook.type.isprintable():
        raise DecodeError("not the name of an event - at `$.type`")
    if webhook.timestamp is not None and not _sensible_time(webhook.timestamp):
        raise DecodeError("no moment with an offset from UTC - at `$.timestamp`")
    if not _sensible(webhook.data.id):
        raise DecodeError("not an id - at `$.data.id`")
    return webhook


def _sensible_time(moment: datetime) -> bool:
    try:
        return moment.tzinfo is not None and moment.astimezone(UTC) is not None
    except OverflowError:
        # The first and last hours of the calendar, turned into UTC, lie outside it.
        return False


def _sensible(document_id: int | str) -> bool:
    """Ids become keys of messages and rows, and parts of addresses: of bounded length, without control characters."""
    if isinstance(document_id, int):
        return 0 < document_id <= _LARGEST_ID
    if document_id.strip() in {"", ".", ".."}:
        return False
    return len(document_id.strip()) <= _LONGEST_ID and document_id.isprintable()


_DECODER = msgspec.json.Decoder(Webhook)
