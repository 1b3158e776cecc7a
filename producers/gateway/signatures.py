"""Whether a webhook comes from who it claims, by the Standard Webhooks rules; pure, for the gateway.

Source: reference/webhooks.md, "Signatures". Everything is decided over the raw bytes. A scheme of another sender
(Shopify's body-only signature, Acumatica's static header) is another class with the same method.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

ID = b"webhook-id"
TIMESTAMP = b"webhook-timestamp"
SIGNATURE = b"webhook-signature"
_THREE = frozenset({ID, TIMESTAMP, SIGNATURE})

_PREFIX = "whsec_"
#: The least the standard allows.
_SHORTEST_KEY_BYTES = 24
#: Printable, at most 200; a dot would let one signed text be cut in two ways.
_USABLE_ID = re.compile(rb"[!-\-/-~]{1,200}")
_LONGEST_TIMESTAMP = 12

#: As they came: name in lower case, value untouched.
RawHeaders = Iterable[tuple[bytes, bytes]]


class Doubt(StrEnum):
    """Why a sender is not believed; told to us, never to the sender."""

    HEADERS_MISSING = "headers_missing"
    HEADERS_MALFORMED = "headers_malformed"
    STALE = "stale"
    SIGNATURE_WRONG = "signature_wrong"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook from who it claims."""

    #: The sender's id of it, the same at every attempt.
    delivery_id: str
    #: When this attempt was signed.
    signed_at_s: int
    #: Position of the secret that matched: 0 is the newest.
    secret: int


class Scheme(Protocol):
    """One way senders sign."""

    def verify(self, headers: RawHeaders, body: bytes, now: datetime) -> Verified | Doubt:
        """Whether the body is the sender's; fails closed."""


class StandardWebhooks:
    """HMAC-SHA256 over id, time and body, with one or more secrets at a time."""

    def __init__(self, keys: Sequence[bytes], window: timedelta) -> None:
        """Args:
        keys: Decoded secrets, the newest first; the older ones are still accepted while a sender changes over.
        window: How far the sender's time may lie from ours, into the past and the future.
        """
        self._keys = tuple(keys)
        self._window_s = window.total_seconds()

    def verify(self, headers: RawHeaders, body: bytes, now: datetime) -> Verified | Doubt:
        """In this order: headers, window, signature."""
        said = _single(headers)
        if isinstance(said, Doubt):
            return said
        delivery_id, signed_at, signatures = said
        if _USABLE_ID.fullmatch(delivery_id) is None or not _usable_timestamp(signed_at):
            return Doubt.HEADERS_MALFORMED
        if abs(now.timestamp() - int(signed_at)) > self._window_s:
            return Doubt.STALE
        # The text is signed as it came: a timestamp written 0123 is not the one written 123.
        secret = self._matching(b".".join((delivery_id, signed_at, body)), signatures)
        if secret is None:
            return Doubt.SIGNATURE_WRONG
        return Verified(delivery_id=delivery_id.decode("ascii"), signed_at_s=int(signed_at), secret=secret)

    def _matching(self, signed: bytes, signatures: bytes) -> int | None:
        given = [signature for signature in map(_decoded, signatures.split(b" ")) if signature is not None]
        found: int | None = None
        for position, key in enumerate(self._keys):
            expected = hmac.digest(key, signed, "sha256")
            for signature in given:
                # Every pair is compared, so that the time taken tells nothing.
                if hmac.compare_digest(expected, signature) and found is None:
                    found = position
        return found


def key_of(secret: str) -> bytes:
    """The key in a secret as Standard Webhooks shows it: `whsec_` and base64.

    Raises:
        ValueError: no such secret, or too short to be one.
    """
    text = secret.removeprefix(_PREFIX).strip()
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not whsec_ followed by base64") from error
    if len(key) < _SHORTEST_KEY_BYTES:
        raise ValueError(f"shorter than {_SHORTEST_KEY_BYTES} bytes")
    return key


def _single(headers: RawHeaders) -> tuple[bytes, bytes, bytes] | Doubt:
    """The three headers; one given twice could be read in two ways."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _THREE:
            if name in found:
                return Doubt.HEADERS_MALFORMED
            found[name] = value.strip()
    delivery_id, signed_at, signatures = found.get(ID), found.get(TIMESTAMP), found.get(SIGNATURE)
    if not delivery_id or not signed_at or not signatures:
        return Doubt.HEADERS_MISSING
    return delivery_id, signed_at, signatures


def _usable_timestamp(signed_at: bytes) -> bool:
    # bytes.isdigit knows ASCII digits only.
    return len(signed_at) <= _LONGEST_TIMESTAMP and signed_at.isdigit()


def _decoded(signature: bytes) -> bytes | None:
    """The bytes of a `v1` signature; None for other versions (v1a is asymmetric) and for what is no base64."""
    version, _, text = signature.partition(b",")
    if version != b"v1":
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
