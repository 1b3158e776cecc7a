"""Our verifier agrees with the library the standard's authors keep, which is also what the sandbox signs with."""

import base64
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from producers.gateway.signatures import StandardWebhooks, Verified, key_of

KEY = os.urandom(32)
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OURS = StandardWebhooks([key_of(SECRET)], timedelta(minutes=5))

IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, blacklist_characters="."), min_size=1, max_size=80)
BODIES = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=4).map(str)


@given(IDS, BODIES)
def test_what_the_library_signs_we_believe(delivery_id: str, body: str) -> None:
    now = datetime.now(UTC)
    signature = Webhook(SECRET).sign(delivery_id, now, body)

    assert isinstance(OURS.verify(_pairs(delivery_id, now, signature), body.encode(), now), Verified)


@given(IDS, BODIES, st.integers(-900, 900), st.booleans())
def test_we_believe_nothing_the_library_does_not(delivery_id: str, body: str, away_s: int, right: bool) -> None:
    now = datetime.now(UTC)
    signed_at = now + timedelta(seconds=away_s)
    secret = SECRET if right else "whsec_" + base64.b64encode(b"x" * 32).decode()
    pairs = _pairs(delivery_id, signed_at, Webhook(secret).sign(delivery_id, signed_at, body))

    ours = OURS.verify(pairs, body.encode(), now)

    if isinstance(ours, Verified) and abs(away_s) < 290:
        Webhook(SECRET).verify(body, {name.decode(): value.decode() for name, value in pairs}, json_parse=False)
    if not isinstance(ours, Verified) and not 290 < abs(away_s) < 310:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, {name.decode(): value.decode() for name, value in pairs}, json_parse=False)


def _pairs(delivery_id: str, signed_at: datetime, signature: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"webhook-id", delivery_id.encode()),
        (b"webhook-timestamp", str(int(signed_at.timestamp())).encode()),
        (b"webhook-signature", signature.encode()),
    ]
