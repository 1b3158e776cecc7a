"""The census taken by itself, beside the projector: what it finds missing is fetched, and told of by `towpath status`.

It looks at what is at least ten minutes old: a poller that rests a minute is no loss. From where the last one ended, a
little before; after one that found something from where that began, until all of it has arrived.
"""

import threading
import time
from datetime import UTC, datetime, timedelta

import structlog

from bus.settings import Settings
from errors import BusError
from operations import census, commands
from operations.acting import By
from operations.projection import census as kept
from operations.projection import migrate
from operations.projection.census import CensusTold

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 60.0
EVERY = timedelta(hours=1)
#: After one that found something, unless the source itself says that it is not there.
AGAIN_AFTER = timedelta(minutes=10)
SETTLED_AFTER = timedelta(minutes=10)
#: The first census of all, and the overlap of the others.
LOOK_BACK = timedelta(days=1)
OVERLAP = timedelta(hours=1)
#: Topics of changes remember little more.
LONGEST = timedelta(days=13)
WAIT_S = 30.0
WHO = "census"


def keep_counting(settings: Settings) -> None:
    """Take it in a thread beside the process's own work, for as long as that lives."""
    threading.Thread(target=_count_on, args=(settings,), daemon=True).start()


def is_due(last: CensusTold | None, now: datetime) -> bool:
    """Whether a source is to be asked again; pure."""
    return last is None or now - last.at >= (AGAIN_AFTER if last.uncaptured > last.absent else EVERY)


def window(last: CensusTold | None, now: datetime, poll_interval_s: float) -> tuple[datetime, datetime]:
    """Changes of which time the next census looks at; pure."""
    until = now - max(SETTLED_AFTER, timedelta(seconds=2 * poll_interval_s))
    since = until - LOOK_BACK
    if last is not None:
        since = last.since if last.uncaptured else last.until - OVERLAP
    return max(min(since, until - OVERLAP), until - LONGEST), until


def take(
    settings: Settings, name: str, last: CensusTold | None, now: datetime, written: frozenset[str] = frozenset()
) -> tuple[CensusTold, frozenset[str]]:
    """Ask one source, and for what is missing there.

    Args:
        settings: The deployment.
        name: Of the connection.
        last: Its census before this one.
        now: The moment.
        written: Commands that ask for what was missing then: they lie on their topic already.

    Returns:
        What it found, and the commands that ask for it.

    Raises:
        BusError: by kind: the source, Kafka or the projection do not answer, or the projector is behind.
    """
    connection = settings.connection(name)
    since, until = window(last, now, connection.poll_interval_s)
    found = census.of_connection(settings, name, since, until, wait_s=WAIT_S) or census.NOTHING
    asked = census.fetching(found.uncaptured, By(who=WHO, why=census.WHY, at=now))
    new = [each for each in asked if each.id not in written]
    if new:
        commands.ask(settings, new, wait_s=0)
    absent = census.absent(found.uncaptured)
    if found.uncaptured:
        missing = len(found.uncaptured)
        log.warning("census.uncaptured", connection=name, documents=missing, asked_for=len(new), absent=len(absent))
    told = CensusTold(
        connection=name,
        at=now,
        since=since,
        until=until,
        listed=found.listed,
        uncaptured=len(found.uncaptured),
        oldest=min((each.changed_at for each in found.uncaptured), default=None),
        absent=len(absent),
        again_at=min((each.again_at for each in absent if each.again_at is not None), default=None),
    )
    return told, frozenset(each.id for each in asked)


def _count_on(settings: Settings) -> None:
    failed: dict[str, datetime] = {}
    written: dict[str, frozenset[str]] = {}
    while True:
        time.sleep(LOOK_EVERY_S)
        try:
            _take_due(settings, failed, written)
        except BusError as error:
            log.info("census.waits", code=error.code, reason=error.message)
        except Exception as error:  # noqa: BLE001  whatever it is, this look must not be the last
            log.warning("census.failed", error=type(error).__name__)


def _take_due(settings: Settings, failed: dict[str, datetime], written: dict[str, frozenset[str]]) -> None:
    """Of each source that is due; one that cannot be counted keeps no other waiting, and is left alone for a while."""
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        # of several projectors one asks; the lock ends with the session
        ours = wire.execute("SELECT pg_try_advisory_lock(hashtextextended('census', 2))").fetchone()
        wire.commit()
        if ours is None or not ours[0]:
            return
        told = kept.told(wire)
        for name in census.asked(settings):
            now = datetime.now(UTC)
            if not is_due(told.get(name), now) or (name in failed and now - failed[name] < AGAIN_AFTER):
                continue
            try:
                counted, written[name] = take(settings, name, told.get(name), now, written.get(name, frozenset()))
            except BusError as error:
                failed[name] = now
                log.info("census.waits", connection=name, code=error.code, reason=error.message)
            else:
                kept.keep(wire, counted)
