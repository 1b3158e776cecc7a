"""Signed webhooks of an order, as a Clarity store sends them."""

import base64
import hashlib
import hmac
import time

import msgspec

from benchmarks.sending.http import post


def webhook(host: str, port: int, path: str, key: bytes, delivery_id: str, order: int, number: str = "") -> bytes:
    """One request, signed now; valid for as long as the gateway's window."""
    body = msgspec.json.encode(
        {
            "type": "order.created",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "data": {"id": order, "key": number or str(order)},
        }
    )
    moment = str(int(time.time()))
    digest = hmac.new(key, f"{delivery_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    signed = {
        "webhook-id": delivery_id,
        "webhook-timestamp": moment,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    return post(host, port, path, body, signed)
