"""What status, ledger and stores say, as metrics: an alarm is a line of `towpath status` and a number here.

The projector's process measures once a minute. What could not be asked keeps its last values, each store's on its own;
the time of each measurement tells how old they are.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec
import structlog
from prometheus_client import Gauge

from bus import metrics
from bus.settings import Settings
from errors import BusError
from operations import findings, status
from operations.census import asked
from operations.findings import Finding
from operations.ledger import Ledger, ledger
from operations.projection import census, migrate
from operations.projection.census import CensusTold
from operations.projection.queues import Open, open_work
from operations.side_by_side import Question, wait_for

log = structlog.get_logger(__name__)

EVERY_S = 60.0
LEDGER_WAITS_S = 10.0
STORES_WITHIN_S = 15.0
#: The ledger reads every open row: beyond so many that would take the projector's memory.
MOST_ROWS = 200_000

Values = Mapping[tuple[str, ...], float]
T = TypeVar("T")


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment; None: could not be asked."""

    at: datetime
    findings: tuple[Finding, ...]
    #: By connection, of those whose store answered.
    open: Mapping[str, Open]
    ledger: Ledger | None
    #: The last of each connection.
    census: tuple[CensusTold, ...] | None = None


class Shown:
    """The gauges: what is not told any more goes away."""

    def __init__(self) -> None:
        self._before: dict[Gauge, set[tuple[str, ...]]] = {}

    def show(self, measured: Measured) -> None:
        """Tell what was measured."""
        self._set(metrics.FINDINGS, Counter(_about(each) for each in measured.findings))
        events: Counter[tuple[str, ...]] = Counter()
        for each in measured.findings:
            events[_about(each)] += each.count
        self._set(metrics.FINDINGS_EVENTS, events)
        self._at("status", measured.at)
        self._set(metrics.OPEN, _open(measured.open), measured.open)
        self._set(metrics.OLDEST_OPEN_SECONDS, _oldest(measured.open, measured.at), measured.open)
        for connection in measured.open:
            self._at(_store(connection), measured.at)
        if measured.ledger is not None:
            self._set(metrics.REMAINDER, _remainders(measured.ledger))
            self._set(metrics.UNCOUNTED, {(topic,): count for topic, count in measured.ledger.uncounted.items()})
            self._at("ledger", measured.at)
        if measured.census is not None:
            self._set(metrics.UNCAPTURED, {(each.connection,): each.uncaptured for each in measured.census})
            taken: Values = {(each.connection,): each.at.timestamp() for each in measured.census}
            self._set(metrics.CENSUS_SECONDS, taken)

    def _set(self, gauge: Gauge, values: Values, asked: Collection[str] | None = None) -> None:
        """Tell these; of a gauge that is told connection by connection only what the asked ones do not say is gone."""
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        before = self._before.get(gauge, set())
        stay = {labels for labels in before if asked is not None and labels[0] not in asked}
        for gone in before - stay - values.keys():
            gauge.remove(*gone)
        self._before[gauge] = stay | values.keys()

    @staticmethod
    def _at(what: str, moment: datetime) -> None:
        metrics.MEASURED_SECONDS.labels(what).set(moment.timestamp())


def keep_measuring(settings: Settings) -> None:
    """Measure in a thread beside the process's own work, for as long as that lives."""
    threading.Thread(target=_measure_on, args=(settings,), daemon=True).start()


def measure(settings: Settings) -> Measured:
    """Ask everybody; takes seconds."""
    now = datetime.now(UTC)
    told = status.status(settings, with_ledger=False)
    stores = {
        each.name: Question(_store(each.name), partial(open_work, each)) for each in settings.connections.values()
    }
    wait_for(stores.values(), STORES_WITHIN_S)
    for silence in (each.silence for each in stores.values() if each.silence is not None):
        log.info("metrics.not_measured", what=silence.source, code=silence.code)
    open_ = {name: each.answer for name, each in stores.items() if each.answer is not None}
    rows = sum(each.count for each in open_.values())
    answered = len(open_) == len(stores) and {status.KAFKA, status.PROJECTION} <= set(told.looked_at)
    books = _or_none("ledger", lambda: _ledger(settings, now)) if answered and rows <= MOST_ROWS else None
    found = (*told.findings, *findings.of_ledger(books, status.LEDGER_OF))
    return Measured(
        at=now, findings=found, open=open_, ledger=books, census=_or_none("census", lambda: _census(settings))
    )


def _ledger(settings: Settings, now: datetime) -> Ledger:
    # what arrives while we ask belongs to it
    return ledger(settings, now - status.LEDGER_OF, now + timedelta(minutes=5), wait_s=LEDGER_WAITS_S)


def _census(settings: Settings) -> tuple[CensusTold, ...]:
    with migrate.opened(settings.projection_dsn.reveal(), status.STATEMENT_WITHIN_MS) as wire:
        told = census.told(wire)
    return tuple(told[name] for name in asked(settings) if name in told)


def _or_none(what: str, ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except BusError as error:
        log.info("metrics.not_measured", what=what, code=error.code)
        return None


def _measure_on(settings: Settings) -> None:
    shown = Shown()
    while True:
        time.sleep(EVERY_S)
        try:
            shown.show(measure(settings))
        except Exception as error:  # noqa: BLE001  whatever it is, this look must not be the last
            log.warning("metrics.not_measured", what="all", error=type(error).__name__)


def _about(finding: Finding) -> tuple[str, ...]:
    return finding.severity.value, finding.kind.value, finding.about


def _store(connection: str) -> str:
    return f"store of {connection}"


def _open(told: Mapping[str, Open]) -> Values:
    return {(name, each.queue, each.state, each.cause): each.count for name, of in told.items() for each in of.counts}


def _oldest(told: Mapping[str, Open], now: datetime) -> Values:
    """In seconds; a queue without open rows has none."""
    return {
        (name, queue): max(0.0, (now - since).total_seconds())
        for name, of in told.items()
        for queue, since in of.oldest_taken_in_at.items()
    }


def _remainders(books: Ledger) -> Values:
    """Also those that are 0: a number that is not there raises no alarm."""
    found: Counter[tuple[str, ...]] = Counter()
    for intake in books.intake:
        found["intake", intake.topic, ""] += intake.remainder
    for delivery in books.delivery:
        found["delivery", delivery.record, delivery.target] += delivery.remainder
    for replay in books.replays:
        found["replay", replay.replay, replay.target] += replay.remainder
    return found
