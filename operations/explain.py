"""Why a key is where it is, and what would move it: its queues, who has not read it yet, what was delivered last."""

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from bus.settings import Connection, Settings
from delivery.announcements import dead_letter_id
from delivery.states import ENDS, ParkedFor, State
from errors import NotFoundError, RetryableError
from operations import processes, unread
from operations.acting import WITHOUT_KEYS
from operations.projection import letters, queues, replays, standing, stories
from operations.projection.letters import DeadLetterTold
from operations.projection.migrate import opened
from operations.projection.project import QUEUES
from operations.projection.queues import Head, Pause, StoreStanding
from operations.projection.standing import DeliveryTold, Event, OpenCircuit
from operations.projection.stories import OutcomeTold
from operations.readers import readers, routed
from operations.sentences import sentence
from operations.side_by_side import Question, Silence, wait_for
from operations.unread import NotRead

ASK_WITHIN_S = 5.0
STATEMENT_WITHIN_MS = 4000
#: Parked for these, a key goes on when somebody releases it.
BY_RELEASE = frozenset({ParkedFor.OPERATOR, ParkedFor.LOOP, ParkedFor.PERSON})


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of the key in one queue: it holds the others."""

    connection: str
    queue: str
    record: str
    state: str
    cause: str
    code: str
    happened: str
    to_do: str
    #: The missing thing, where it waits for one: `item:SKU-77`.
    waits_for: str
    #: Since when it is in that state; None: the projection does not know yet.
    since: datetime | None
    attempts: int
    #: When it may be tried next; None: when somebody says so, or not known.
    due: datetime | None
    lease_owner: str
    lease_until: datetime | None
    #: Events of the key that wait behind it; None: the store could not be asked.
    behind: int | None
    pause: Pause | None
    #: Since when its target does not work.
    circuit_open_since: datetime | None
    money: dict[str, Decimal]
    document_number: str
    #: Of a refused one.
    dead_letter: str
    #: `store`, or `projection` where the store could not be asked.
    told_by: str
    #: The replay it is part of; empty: live.
    replay: str = ""
    #: Why nothing is delivered to the connection at all: another system is behind it than is remembered.
    stranger: str = ""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What of the key came to a good end last, at one connection."""

    connection: str
    record: str
    document_number: str
    code: str
    happened: str
    at: datetime
    #: The replay it was part of; empty: live.
    replay: str = ""


class Buried(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter of the key that holds no queue."""

    id: str
    stage: str
    connection: str
    code: str
    happened: str
    to_do: str
    at: datetime


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What would move the key."""

    #: To type; empty: nothing.
    command: str
    says: str


class AskedBy(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for something, and why."""

    who: str
    why: str


class AskedFor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked a connection for a thing the key waits for; its last answer."""

    thing: str
    connection: str
    at: datetime
    who: str
    why: str
    code: str
    happened: str


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One key."""

    key: str
    waiting: tuple[Waiting, ...]
    #: Its events somebody has not read, upstream first.
    not_read: tuple[NotRead, ...]
    dead_letters: tuple[Buried, ...]
    delivered: tuple[Delivered, ...]
    moves: tuple[Move, ...]
    #: The replays named above, and who asked for them.
    replays: dict[str, AskedBy] = {}
    asked: tuple[AskedFor, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Every key the text can mean; field names are a contract."""

    as_of: datetime
    keys: tuple[Explained, ...]
    #: Who could not be asked, and why.
    not_asked: tuple[Silence, ...]


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What the projection knows."""

    #: Key to what its queues told of its events.
    deliveries: Mapping[str, tuple[DeliveryTold, ...]]
    #: Key to its events on the bus.
    events: Mapping[str, tuple[Event, ...]]
    letters: Mapping[str, tuple[Buried, ...]]
    circuits: tuple[OpenCircuit, ...]
    #: Replay to who asked for it, and why.
    replays: Mapping[str, tuple[str, str]] = {}
    #: Of things that something waits for.
    asked: tuple[AskedFor, ...] = ()


def explain(settings: Settings, text: str) -> Explanation:
    """Why the keys a text can mean are where they are.

    Raises:
        NotFoundError: nobody knows such a key; says what was looked for.
        RetryableError: neither the projection nor any store can be read.
    """
    now = datetime.now(UTC)
    candidates = candidates_of(text, list(settings.connections))
    books = Question("projection", lambda: _books(settings, text))
    groups = Question("Kafka", lambda: unread.groups(settings))
    stores = _stores(settings, candidates)
    wait_for([books, groups, *stores.values()], ASK_WITHIN_S)
    keys = tuple(dict.fromkeys((*(books.answer.events if books.answer is not None else ()), *candidates)))
    if len(keys) > len(candidates):
        # what the projection knows a number by, the stores were not asked for
        stores = _stores(settings, keys)
        wait_for(stores.values(), ASK_WITHIN_S)
    told = {name: each.answer for name, each in stores.items() if each.answer is not None}
    if books.answer is None and not told:
        raise RetryableError("explain.away", f"neither the projection nor a store can be read: {_why(books)}")
    known = books.answer or Books(deliveries={}, events={}, letters={}, circuits=())
    held = [head.root_key for _, heads in told.values() for head in heads]
    found = [key for key in keys if key in known.events or key in held]
    if not found:
        raise NotFoundError("explain.unknown", _nothing_known(text, candidates, books.silence))
    standings = {name: stands for name, (stands, _) in told.items()}
    running = frozenset(processes.running(settings.root))
    explained = []
    for key in found:
        waiting = waiting_of(
            key,
            {name: heads for name, (_, heads) in told.items()},
            standings,
            known.deliveries.get(key, ()),
            known.circuits,
        )
        missing = unread.not_read(
            known.events.get(key, ()), readers(settings), routed(settings), groups.answer or {}, standings
        )
        delivered = delivered_of(known.deliveries.get(key, ()))
        named = {each.replay for each in waiting} | {each.replay for each in delivered}
        things = {each.waits_for for each in waiting}
        explained.append(
            Explained(
                key=key,
                waiting=waiting,
                not_read=missing,
                dead_letters=known.letters.get(key, ()),
                delivered=delivered,
                replays={id_: AskedBy(who=who, why=why) for id_, (who, why) in known.replays.items() if id_ in named},
                asked=tuple(each for each in known.asked if each.thing in things),
                moves=moves_of(key, waiting, missing, known.letters.get(key, ()), running, now),
            )
        )
    asked: list[Question[Any]] = [books, groups, *stores.values()]
    silent = [each.silence for each in asked if each.silence is not None]
    return Explanation(as_of=now, keys=tuple(explained), not_asked=tuple(silent))


def candidates_of(text: str, connections: Sequence[str]) -> tuple[str, ...]:
    """Root keys a text can be or end; pure."""
    return (text.split("/", 1)[0], *(f"{connection}:{text}" for connection in connections))


def waiting_of(
    key: str,
    heads: Mapping[str, Sequence[Head]],
    stores: Mapping[str, StoreStanding],
    deliveries: Sequence[DeliveryTold],
    circuits: Sequence[OpenCircuit],
) -> tuple[Waiting, ...]:
    """The head of the key in each queue: from the store, else from the projection; pure."""
    since = {(each.connection, _event(each)): each for each in deliveries}
    found = []
    for connection, listed in heads.items():
        for head in listed:
            if head.root_key == key:
                told = since.get((connection, _event(head)))
                found.append(_from_store(connection, head, told, stores[connection], circuits))
    open_elsewhere: dict[tuple[str, str], DeliveryTold] = {}
    for each in deliveries:
        if each.connection not in heads and each.state not in ENDS:
            open_elsewhere.setdefault((each.connection, each.stage), each)
    found += [_from_projection(each, circuits) for each in open_elsewhere.values()]
    return tuple(sorted(found, key=lambda each: (each.queue != "fetchers", each.connection)))


def delivered_of(deliveries: Iterable[DeliveryTold]) -> tuple[Delivered, ...]:
    """The last good end at each connection, for each record; pure."""
    last: dict[tuple[str, str], DeliveryTold] = {}
    for each in deliveries:
        if each.state == State.DELIVERED and each.stage == "consumers":
            place = (each.connection, each.record)
            last[place] = max(each, last.get(place, each), key=lambda told: told.at)
    return tuple(
        Delivered(
            connection=each.connection,
            record=each.record,
            document_number=each.document_number,
            code=each.code,
            happened=_sentence(each.code, each.code_values, each.connection, each.document_number)[0],
            at=each.at,
            replay=each.replay,
        )
        for _, each in sorted(last.items())
    )


def moves_of(
    key: str,
    waiting: Sequence[Waiting],
    missing: Sequence[NotRead],
    buried: Sequence[Buried],
    running: Collection[str],
    now: datetime,
) -> tuple[Move, ...]:
    """What would move a key, each command once; pure."""
    moves = [move for each in waiting for move in _moves(key, each, running, now)]
    moves += [_run(each.process, running, f"nothing: {each.process} reads it in its turn") for each in missing]
    moves += [_letter_move(each) for each in buried]
    if not moves:
        moves.append(Move(command="", says="nothing: all that is known of it has come to an end"))
    return tuple(dict.fromkeys(moves))


def _moves(key: str, each: Waiting, running: Collection[str], now: datetime) -> list[Move]:
    moves = _resumes(each, now)
    process = f"{each.queue}@{each.connection}"
    name = shlex.quote(key)
    if each.state == State.PARKED and each.cause == ParkedFor.REFUSED:
        redrive = f"towpath dead-letters redrive {each.dead_letter} --why ..."
        moves.append(Move(command=redrive, says="once what it names is corrected; it is tried again in its place"))
        skip = f"towpath dead-letters skip {each.dead_letter} --why ..."
        moves.append(Move(command=skip, says="leaves it dead and lets the key go on"))
        return moves
    if each.state == State.PARKED and each.cause in BY_RELEASE:
        moves.append(Move(command=f"towpath parked release {name}", says="has it tried again"))
        moves.append(
            Move(command=f"towpath parked skip {name} --why ...", says="leaves it dead and lets the key go on")
        )
        return moves
    if each.state == State.PARKED and each.cause == ParkedFor.DEPENDENCY:
        says = (
            f"nothing: it goes on when {each.waits_for or 'what it waits for'} is there; this has it looked for at once"
        )
        moves.append(Move(command=f"towpath parked release {name}", says=says))
        if each.waits_for:
            asks = f"towpath parked ask {shlex.quote(each.waits_for)} --why ..."
            moves.append(Move(command=asks, says="asks its owner for it, in case the event that told of it was lost"))
    if each.pause is not None or each.stranger:
        return moves
    if each.circuit_open_since is not None:
        says = f"nothing: it goes on by itself when {each.connection} answers again"
        return [*moves, _run(process, running, says)]
    if each.lease_until is not None and each.lease_until > now:
        says = f"nothing: {each.lease_owner} works on it, until {_clock(each.lease_until, now)} at most"
        return [*moves, Move(command="", says=says)]
    what = "it is looked for at the target" if each.state == State.UNKNOWN else "it is tried again"
    if each.told_by != "store":
        at = "in its turn; the store that knows when could not be asked"
    elif each.due is not None and each.due > now:
        at = f"at {_clock(each.due, now)}"
    else:
        at = "as soon as a worker is free"
    moves.append(_run(process, running, f"nothing: {what} {at}"))
    if each.cause == ParkedFor.BACKOFF:
        moves.append(Move(command=f"towpath parked release {name}", says="has it tried at once"))
    return moves


def _resumes(each: Waiting, now: datetime) -> list[Move]:
    moves = []
    if each.stranger:
        command = f"towpath resume {each.connection} --accept-identity --why ..."
        moves.append(Move(command=command, says="once it is sure that this is the right system, and not a mistake"))
    if each.pause is not None:
        until = f", else it goes on at {_clock(each.pause.until, now)}" if each.pause.until is not None else ""
        says = f"{each.connection} is paused by {each.pause.who}{until}"
        moves.append(Move(command=f"towpath resume {each.connection}", says=says))
    return moves


def _letter_move(letter: Buried) -> Move:
    if letter.stage in WITHOUT_KEYS | QUEUES:
        redrive = f"towpath dead-letters redrive {letter.id} --why ..."
        return Move(command=redrive, says="reads and maps its bytes again, once what it names is corrected")
    says = f"tells what to correct for {letter.stage}; the document's next version then comes by itself"
    return Move(command=f"towpath dead-letters show {letter.id}", says=says)


def _run(process: str, running: Collection[str], says: str) -> Move:
    """Nothing has to be done where the process runs; where it does not, it has to be started."""
    if process in running or process.partition("@")[0] in running:
        return Move(command="", says=says)
    return Move(command=f"towpath run {process} --detach", says=f"{process} does not run here; where it runs, {says}")


def _from_store(
    connection: str,
    head: Head,
    told: DeliveryTold | None,
    store: StoreStanding,
    circuits: Iterable[OpenCircuit],
) -> Waiting:
    happened, to_do = _sentence(head.code, head.code_values, connection, head.document_number)
    current = told is not None and (told.state, told.cause) == (head.state, head.cause)
    return Waiting(
        connection=connection,
        queue=head.queue,
        record=head.record,
        state=head.state,
        cause=head.cause,
        code=head.code,
        happened=happened,
        to_do=to_do,
        waits_for=head.code_values.get("waits_for", "") if head.cause == ParkedFor.DEPENDENCY else "",
        since=told.at if told is not None and current else head.taken_in_at if head.state == State.READY else None,
        attempts=head.attempts,
        due=head.due,
        lease_owner=head.lease_owner,
        lease_until=head.lease_until,
        behind=head.behind,
        pause=next((each for each in store.pauses if each.queue == head.queue), None),
        circuit_open_since=_open_since(connection, head.queue, circuits),
        money={head.currency: head.amount} if head.currency and head.amount else {},
        document_number=head.document_number,
        dead_letter=_dead_letter(connection, head.queue, _event(head)) if head.cause == ParkedFor.REFUSED else "",
        told_by="store",
        replay=head.replay,
        stranger=_sentence(store.stranger.code, store.stranger.values, connection, "")[0] if store.stranger else "",
    )


def _from_projection(told: DeliveryTold, circuits: Iterable[OpenCircuit]) -> Waiting:
    happened, to_do = _sentence(told.code, told.code_values, told.connection, told.document_number)
    return Waiting(
        connection=told.connection,
        queue=told.stage,
        record=told.record,
        state=told.state,
        cause=told.cause,
        code=told.code,
        happened=happened,
        to_do=to_do,
        waits_for=told.code_values.get("waits_for", "") if told.cause == ParkedFor.DEPENDENCY else "",
        since=told.at,
        attempts=told.attempts,
        due=None,
        lease_owner="",
        lease_until=None,
        behind=None,
        pause=None,
        circuit_open_since=_open_since(told.connection, told.stage, circuits),
        money={told.currency: told.amount} if told.currency and told.amount else {},
        document_number=told.document_number,
        dead_letter=_dead_letter(told.connection, told.stage, _event(told)) if told.cause == ParkedFor.REFUSED else "",
        told_by="projection",
        replay=told.replay,
    )


def _sentence(code: str, values: Mapping[str, str], connection: str, document_number: str) -> tuple[str, str]:
    if not code:
        return "", ""
    filled = {**values, "connection": connection, "document_number": document_number}
    said = sentence(code, {name: value for name, value in filled.items() if value})
    return said.happened, said.to_do


def _event(each: Head | DeliveryTold) -> tuple[str, int, int, str]:
    """Which event of a queue: one that is replayed is another."""
    return each.topic_id, each.partition, each.event_offset, each.replay


def _dead_letter(connection: str, queue: str, event: tuple[str, int, int, str]) -> str:
    """The id the queue gave the dead letter of an event."""
    return dead_letter_id(connection, queue, event[:3], event[3])


def _open_since(connection: str, queue: str, circuits: Iterable[OpenCircuit]) -> datetime | None:
    return next((each.at for each in circuits if (each.connection, each.stage) == (connection, queue)), None)


def _clock(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M:%S}Z" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _why(question: Question[Books]) -> str:
    return question.silence.why if question.silence is not None else ""


def _nothing_known(text: str, candidates: Sequence[str], silence: Silence | None) -> str:
    looked_for = f"the root keys {', '.join(candidates)}, and a document of that number"
    without = f"; the projection could not be asked: {silence.why}" if silence is not None else ""
    return f"nothing is known of {text!r}: looked for {looked_for}{without}"


def _stores(settings: Settings, keys: Sequence[str]) -> dict[str, Question[tuple[StoreStanding, tuple[Head, ...]]]]:
    def asked(connection: Connection) -> Question[tuple[StoreStanding, tuple[Head, ...]]]:
        return Question(f"store of {connection.name}", lambda: queues.heads(connection, keys))

    return {each.name: asked(each) for each in settings.connections.values()}


def _books(settings: Settings, text: str) -> Books:
    with opened(settings.projection_dsn.reveal(), STATEMENT_WITHIN_MS) as wire:
        keys = stories.root_keys(wire, text, list(settings.connections))
        deliveries = {key: standing.deliveries_of(wire, key) for key in keys}
        things = {each.code_values.get("waits_for", "") for listed in deliveries.values() for each in listed}
        return Books(
            deliveries=deliveries,
            asked=tuple(_asked_for(each) for each in stories.asked_for(wire, sorted(things - {""}))),
            events={
                key: (
                    *(
                        Event(
                            topic=each.topic,
                            topic_id=each.topic_id,
                            partition=each.partition,
                            offset=each.event_offset,
                            root_key=key,
                            connection=each.connection,
                        )
                        for each in stories.roots_of(wire, key)
                        if each.root_key == key
                    ),
                    *standing.events_of(wire, key),
                )
                for key in keys
            },
            letters={key: tuple(_buried(each) for each in letters.unheld_of(wire, key)) for key in keys},
            circuits=standing.open_circuits(wire),
            replays={each.command_id: (each.who, each.why) for each in replays.told(wire, limit=1000)},
        )


def _asked_for(told: OutcomeTold) -> AskedFor:
    return AskedFor(
        thing=told.code_values["thing"],
        connection=told.connection,
        at=told.at,
        who=told.who,
        why=told.why,
        code=told.code,
        happened=_sentence(told.code, told.code_values, told.connection, "")[0],
    )


def _buried(letter: DeadLetterTold) -> Buried:
    happened, to_do = _sentence(letter.code, letter.code_values, letter.connection, "")
    return Buried(
        id=letter.id,
        stage=letter.stage,
        connection=letter.connection,
        code=letter.code,
        happened=happened,
        to_do=to_do,
        at=letter.at,
    )
