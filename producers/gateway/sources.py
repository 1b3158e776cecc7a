"""The connections that may send webhooks: how each signs, and what its bodies say; for the gateway."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from errors import ConfigurationError
from producers import routes
from producers.gateway.signatures import Scheme, StandardWebhooks, key_of
from schemas.systems.clarity.webhook import read_webhook
from schemas.topics import Topic


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook says, of which only the id is believed."""

    event: str
    #: The record it is about, in the system's noun; empty for an event nobody knows.
    record: str
    id: str
    #: None where the sender does not say.
    changed_at: datetime | None


Read = Callable[[bytes], Notice]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One connection that sends webhooks."""

    connection: str
    scheme: Scheme
    #: What a body says; raises DecodeError.
    read: Read
    #: Topic of each record that somebody completes.
    targets: Mapping[str, Topic]


def source(connection: str, system: str, secrets: list[str], window_s: float) -> Source | None:
    """The source of a connection; None where it has no secret or its system sends no webhooks: no secret, no route.

    Args:
        connection: Its name.
        system: What is installed there.
        secrets: As Standard Webhooks shows them, the newest first.
        window_s: How far a sender's time may lie from ours.

    Raises:
        ConfigurationError: a secret is none; names the setting, never the secret.
    """
    if not secrets or system not in _READERS:
        return None
    try:
        keys = [key_of(secret) for secret in secrets]
    except ValueError as error:
        raise ConfigurationError(f"connections.{connection}.webhook_secrets", str(error)) from None
    return Source(
        connection=connection,
        scheme=StandardWebhooks(keys, timedelta(seconds=window_s)),
        read=_READERS[system],
        targets={each.record: each.target for each in routes.WEBHOOKS if each.system == system},
    )


def _clarity(body: bytes) -> Notice:
    webhook = read_webhook(body)
    return Notice(
        event=webhook.type,
        record=webhook.record or "",
        id=str(webhook.data.id).strip(),
        changed_at=webhook.timestamp.astimezone(UTC) if webhook.timestamp is not None else None,
    )


def reader_of(system: str) -> Read | None:
    """How the bodies of a system's webhooks are read; None where it sends none."""
    return _READERS.get(system)


_READERS: Mapping[str, Read] = {"clarity": _clarity}
