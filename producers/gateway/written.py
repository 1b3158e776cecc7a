"""What the gateway writes to Kafka for a webhook, told from what it is given: a thin change, or how it ended."""

import uuid
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from bus.events import Headers
from bus.headers import Lineage, event_id, to_headers
from producers.gateway.signatures import Verified
from producers.gateway.sources import Notice
from schemas import topics
from schemas.bus.change import Cause, Change
from schemas.bus.dead_letter import DeadLetter
from schemas.bus.outcome import Outcome
from schemas.topics import Topic
from schemas.types import root_key

STAGE = "gateway"
_LETTERS = uuid.uuid5(uuid.NAMESPACE_URL, "https://towpath.invalid/gateway")


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """One record for one topic."""

    topic: Topic
    key: str
    record: Change | DeadLetter | Outcome
    headers: Headers


def change(
    connection: str, topic: Topic, notice: Notice, verified: Verified, now: datetime, traceparent: str
) -> Written:
    """The thin change; a repeat of the same webhook has the same `ce_id`."""
    headers = [
        *_said_of_all(connection, topic.name),
        ("ce_id", event_id(f"{connection}/{verified.delivery_id}", STAGE, 0).encode()),
        ("ce_time", _text(notice.changed_at or datetime.fromtimestamp(verified.signed_at_s, UTC)).encode()),
        ("traceparent", traceparent.encode()),
    ]
    return Written(
        topic=topic,
        key=root_key(connection, notice.id),
        record=Change(
            connection=connection,
            record=notice.record,
            id=notice.id,
            noticed_at=now,
            changed_at=notice.changed_at,
            cause=Cause.WEBHOOK.value,
            delivery_id=verified.delivery_id,
        ),
        headers=headers,
    )


def ignored(connection: str, notice: Notice, verified: Verified, now: datetime) -> Written:
    """An outcome: the event is of a kind nobody completes here."""
    return _outcome(
        connection, verified, now, state="filtered", code="gateway.unknown_event", values={"event": notice.event}
    )


def unreadable(
    connection: str,
    body: bytes,
    content_type: str,
    verified: Verified,
    now: datetime,
    reason: str,
    code_version: str,
) -> tuple[Written, Written]:
    """The dead letter with the bytes, and its outcome; signed rightly, so a person should look at it."""
    values = {"connection": connection, "reason": reason}
    letter = DeadLetter(
        id=str(uuid.uuid5(_LETTERS, f"{connection}/{verified.delivery_id}")),
        at=now,
        stage=STAGE,
        code="gateway.malformed",
        values=values,
        connection=connection,
        value=body,
        headers={
            "webhook-id": verified.delivery_id.encode(),
            "webhook-timestamp": str(verified.signed_at_s).encode(),
            "content-type": content_type.encode("latin-1", "replace"),
        },
        code_version=code_version,
        reference=verified.delivery_id,
    )
    written = Written(topic=topics.DEAD_LETTERS, key=connection, record=letter, headers=())
    return written, _outcome(connection, verified, now, state="dead", code="gateway.malformed", values=values)


def _outcome(
    connection: str, verified: Verified, now: datetime, *, state: str, code: str, values: dict[str, str]
) -> Written:
    outcome = Outcome(
        at=now,
        stage=STAGE,
        state=state,
        code=code,
        values={"connection": connection, **values},
        connection=connection,
        cause=Cause.WEBHOOK.value,
        reference=verified.delivery_id,
        origin=connection,
    )
    return Written(topic=topics.OUTCOMES, key=connection, record=outcome, headers=())


@lru_cache(maxsize=1024)
def _said_of_all(connection: str, topic_name: str) -> list[tuple[str, bytes]]:
    return to_headers(Lineage(origin=connection, ce_source=f"/{STAGE}/{connection}", ce_type=f"towpath.{topic_name}"))


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
