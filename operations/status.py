"""Where things stand: everything that needs somebody, worst first, in money and age, with what to do about it.

Each source is asked on its own and for a short time: what is away is an alarm, and hides nothing of the rest.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bus import store_marks
from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Settings
from delivery.incarnation import Incarnation
from delivery.recognition import announced
from operations import census, connectors, findings, findings_of_stores, local, processes
from operations import ledger as books_of
from operations.findings import Finding, Here, Projector, Severity, Waiting, bare
from operations.ledger import Ledger
from operations.projection import queues, standing
from operations.projection.books import positions as projected
from operations.projection.migrate import opened
from operations.projection.queues import StoreStanding
from operations.projection.standing import Standing
from operations.readers import readers
from operations.side_by_side import Question, Silence, wait_for
from operations.tables_at_work import on_topic
from operations.unread import Log, Lost, Unread, log, lost, not_projected, unread
from producers.gateway.spool_file import Waits, look, path_of

ASK_WITHIN_S = 5.0
#: What is asked with the first answers in hand: ages, the projector's progress, the ledger.
THEN_WITHIN_S = 3.0
STATEMENT_WITHIN_MS = 4000
LEDGER_WAITS_S = 1.5
LEDGER_OF = timedelta(hours=24)
PROJECTOR_MOVES_WITHIN_S = 1.5

KAFKA, REGISTRY, CONNECT, PROJECTION = "Kafka", "schema registry", "Kafka Connect", "projection"
#: Asked of Kafka and of the registry: their own silence is told of already.
MARKS = "how far the stores had come"
SPOOLS = "spools of the gateway"
ROWS = "rows laid over lookup tables"
#: Server to its setting, and the variable the local stack keeps its own address under.
ADDRESSES = {
    KAFKA: ("kafka.bootstrap", "TOWPATH_KAFKA"),
    REGISTRY: ("registry.url", "TOWPATH_REGISTRY"),
    CONNECT: ("connect.url", "TOWPATH_CONNECT"),
}
#: What this screen cannot tell without a source.
UNKNOWN_WITHOUT = {
    KAFKA: "what is unread",
    CONNECT: "change data capture",
    PROJECTION: "parked events, dead letters, circuits, money, the census",
    MARKS: "whether a store was restored",
    SPOOLS: "webhooks that wait in the gateway's spools",
    ROWS: "rows of lookup tables that are put aside",
}


class NotAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What this screen does not speak of, and why."""

    what: str
    why: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole screen; field names are a contract."""

    as_of: datetime
    #: Neither alarm nor warning.
    well: bool
    findings: tuple[Finding, ...]
    looked_at: tuple[str, ...]
    not_asked: tuple[NotAsked, ...]

    @property
    def alarmed(self) -> bool:
        """Whether something stands until somebody acts."""
        return any(each.severity is Severity.ALARM for each in self.findings)


def status(settings: Settings, *, with_ledger: bool = True) -> Status:
    """One screen of what needs somebody; takes under ten seconds, whatever is away."""
    now = datetime.now(UTC)
    kafka = Question(KAFKA, lambda: log(settings))
    registry = Question(REGISTRY, lambda: _registry(settings))
    connect = Question(CONNECT, lambda: connectors.status(settings))
    books = Question(PROJECTION, lambda: _projection(settings))
    spools = Question(SPOOLS, lambda: _spools(settings))
    stores = {each.name: _store(settings, each.name) for each in settings.connections.values()}
    marks = Question(MARKS, lambda: _marks(settings))
    rows = Question(ROWS, lambda: on_topic(settings).aside)
    asked: list[Question[Any]] = [kafka, registry, connect, books, *stores.values()]
    here = Here(
        states=processes.states(settings.root, list(settings.connections)),
        all_of_it=_is_local(settings, KAFKA),
    )
    wait_for([*asked, marks, spools, rows], ASK_WITHIN_S)
    told = {name: each.answer for name, each in stores.items() if each.answer is not None}
    counted = census.asked(settings)
    waiting = unread(readers(settings), kafka.answer, told) if kafka.answer is not None else ()
    gone = lost(readers(settings), kafka.answer, told) if kafka.answer is not None else ()
    silences = [each.silence for each in asked if each.silence is not None]

    whole = with_ledger and not {each.source for each in silences} - {REGISTRY, CONNECT}
    ledger = Question("ledger", lambda: _ledger(settings, now)) if whole else None
    unaged = bool(waiting or gone) and books.answer is not None
    ages = Question("ages", lambda: _ages(settings, waiting, gone)) if unaged else None
    moving = _projector(settings, kafka.answer, books.answer)
    doubted = [each.about for each in findings_of_stores.of_stores(told.values(), marks.answer or {})]
    # whoever was asked before the marks were read may have announced something since
    again = {name: _store(settings, name) for name in doubted}
    later: list[Question[Any]] = [each for each in (ledger, ages, moving, *again.values()) if each is not None]
    wait_for(later, THEN_WITHIN_S)

    projector = moving.answer if moving is not None else None
    told |= {name: each.answer for name, each in again.items() if each.answer is not None}
    found = [
        *findings.of_silences(silences, lambda source: _where(settings, source)),
        *findings_of_stores.of_stores(told.values(), marks.answer or {}),
        *findings_of_stores.of_strangers(told.values()),
        *_recreated(told.values(), kafka.answer, books.answer, now, counted),
        *findings.of_processes(here),
        *findings.of_lookups(settings.lookup_faults),
        *findings.of_rows_aside(rows.answer or ()),
        *findings.of_connectors(connect.answer or ()),
        *findings.of_ledger(ledger.answer if ledger is not None else None, LEDGER_OF),
        *findings.of_projector(projector),
        *findings.of_lost(gone, (ages.answer if ages is not None else None) or {}),
        *findings.of_expiring(_aged(waiting, ages), now),
        *findings.of_unread(_aged(waiting, ages), now, books_current=projector is not None and not projector.behind),
        *findings.of_spools(spools.answer or {}, now),
        *findings_of_stores.of_pauses(told.values(), now),
        *findings_of_stores.of_full(told.values(), now),
    ]
    if books.answer is not None:
        found += [
            *findings.of_letters(books.answer.letters),
            *findings.of_stuck(books.answer.stuck, now, _waits_at_most(settings)),
            *findings.of_circuits(books.answer.circuits, now),
            *findings.of_replays(books.answer.replays),
            *findings.of_census((each for each in books.answer.census if each.connection in counted), now),
        ]
    return Status(
        as_of=now,
        well=all(each.severity is Severity.NOTE for each in found),
        findings=findings.worst_first(found),
        looked_at=(
            *(each.source for each in asked if each.silence is None),
            "processes here",
            *(["ledger of the last 24 h"] if ledger is not None and ledger.answer is not None else []),
        ),
        not_asked=_not_asked(
            [*silences, *(each.silence for each in (marks, spools, rows) if each.silence is not None)],
            ledger,
            with_ledger=with_ledger,
            not_counted=set(counted) - {each.connection for each in books.answer.census} if books.answer else set(),
        ),
    )


def _store(settings: Settings, name: str) -> Question[StoreStanding]:
    connection = settings.connection(name)
    return Question(f"store of {name}", lambda: queues.standing(connection))


def _spools(settings: Settings) -> dict[str, Waits]:
    """What waits in the spools whose volume is mounted here."""
    return {
        each.name: look(Path(each.spool), each.name)
        for each in settings.connections.values()
        if each.spool and path_of(Path(each.spool), each.name).exists()
    }


def _registry(settings: Settings) -> bool:
    registry = Registry(settings.registry, timeout_s=ASK_WITHIN_S - 1)
    try:
        registry.latest("towpath-status")
    finally:
        registry.close()
    return True


def _recreated(
    stores: Iterable[StoreStanding], found: Log | None, books: Standing | None, now: datetime, counted: Collection[str]
) -> Iterator[Finding]:
    ids = {name: place.topic_id for name, place in found.places.items()} if found is not None else {}
    return findings_of_stores.of_recreated(stores, ids, books.positions if books is not None else {}, now, counted)


def _marks(settings: Settings) -> Mapping[str, Incarnation]:
    with closing(Registry(settings.registry, timeout_s=ASK_WITHIN_S - 1)) as registry:
        marks = store_marks.read(settings.kafka, Codecs(registry))
    return {name: found for name, mark in marks.items() if (found := announced(mark)) is not None}


def _projection(settings: Settings) -> Standing:
    with opened(settings.projection_dsn.reveal(), STATEMENT_WITHIN_MS) as wire:
        return standing.read(wire)


def _ages(
    settings: Settings, waiting: Sequence[Unread], gone: Sequence[Lost]
) -> Mapping[tuple[str, int, int], datetime]:
    """When what follows came, and what was lost, by topic id, partition and offset."""
    found: dict[tuple[str, int, int], datetime] = {}
    with opened(settings.projection_dsn.reveal(), STATEMENT_WITHIN_MS) as wire:
        for each in waiting:
            first = standing.first_unread(wire, each.following)
            found |= {(*place, each.following[place]): at for place, at in first.items()}
        for gap in gone:
            place = (gap.topic_id, gap.partition)
            found |= {(*place, gap.offset): at for at in standing.first_unread(wire, {place: gap.offset}).values()}
    return found


def _aged(
    waiting: Sequence[Unread], ages: Question[Mapping[tuple[str, int, int], datetime]] | None
) -> Iterator[Waiting]:
    known = (ages.answer if ages is not None else None) or {}
    for each in waiting:
        since = [known[(*place, offset)] for place, offset in each.following.items() if (*place, offset) in known]
        yield Waiting(unread=each, since=min(since, default=None))


def _projector(settings: Settings, found: Log | None, books: Standing | None) -> Question[Projector] | None:
    if found is None or books is None:
        return None
    behind = not_projected(found, books.positions)
    return Question("projector", lambda: Projector(behind=behind, moves=_moves(settings, books) if behind else None))


def _moves(settings: Settings, books: Standing) -> bool:
    """Whether the projector reads on while we wait."""
    deadline = time.monotonic() + PROJECTOR_MOVES_WITHIN_S
    with opened(settings.projection_dsn.reveal(), STATEMENT_WITHIN_MS) as wire:
        while projected(wire) == books.positions:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
    return True


def _ledger(settings: Settings, now: datetime) -> Ledger:
    # what arrives while we ask belongs to it
    return books_of.ledger(settings, now - LEDGER_OF, now + timedelta(minutes=5), wait_s=LEDGER_WAITS_S)


def _is_local(settings: Settings, server: str) -> bool:
    variable = ADDRESSES[server][1]
    address = {KAFKA: settings.kafka, REGISTRY: settings.registry, CONNECT: settings.connect}[server]
    return local.read(settings.root, local.STACK).get(variable) == address


def _waits_at_most(settings: Settings) -> Mapping[str, timedelta]:
    return {each.name: timedelta(hours=each.tell_after_waiting_h) for each in settings.connections.values()}


def _where(settings: Settings, source: str) -> str:
    """What to do about a server that is away: start our own, or look at somebody else's."""
    if _is_local(settings, source if source in ADDRESSES else KAFKA):
        return "`towpath stack up`."
    if source in ADDRESSES:
        return f"See that it runs; its address is the setting {ADDRESSES[source][0]}."
    return "See that it runs; its addresses are the settings projection.dsn and store_dsn of each connection."


def _not_asked(
    silences: Sequence[Silence], ledger: Question[Ledger] | None, *, with_ledger: bool, not_counted: Collection[str]
) -> tuple[NotAsked, ...]:
    found = [
        NotAsked(
            what=UNKNOWN_WITHOUT.get(each.source, f"pauses and positions in the {each.source}"), why=bare(each.why)
        )
        for each in silences
        if each.source != REGISTRY
    ]
    if not with_ledger:
        found.append(NotAsked(what="ledger", why="left out by --no-ledger"))
    elif ledger is None:
        found.append(NotAsked(what="ledger", why="it needs Kafka, the projection and every store"))
    elif ledger.silence is not None:
        found.append(NotAsked(what="ledger", why=f"{bare(ledger.silence.why)}; take the time with `towpath ledger`"))
    if not_counted:
        names = ", ".join(sorted(not_counted))
        found.append(NotAsked(what=f"census of {names}", why="none was taken yet: `towpath census` asks"))
    return tuple(found)
