"""What needs somebody, told from what the sources said: severities, headlines, advice and their order; pure.

An *alarm* stands until somebody acts, or is the bus itself not at work. A *warning* goes on by itself and has lasted;
after an hour it is an alarm. A *note* is worth knowing.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

from bus.laid_over import Aside
from delivery.states import ParkedFor, State
from operations.connectors import ConnectorStatus
from operations.lag import KEPT
from operations.ledger import Ledger
from operations.processes import SUPERVISOR, ProcessState
from operations.projection.census import CensusTold
from operations.projection.letters import Unheld
from operations.projection.parked import Group
from operations.projection.replays import ReplayTold
from operations.projection.standing import OpenCircuit
from operations.sentences import NOTHING, sentence
from operations.side_by_side import Silence
from operations.unread import Lost, Unread
from producers.gateway.spool_file import Waits

#: What waits for a missing thing is an alarm after this, where the connection says nothing else.
WAITS_AT_MOST = timedelta(hours=72)
#: What goes on by itself is told of when it has lasted so long …
UNREAD_FOR = timedelta(minutes=1)
UNKNOWN_FOR = timedelta(minutes=1)
BACKOFF_FOR = timedelta(minutes=5)
#: … and is an alarm when it has lasted so long.
TOO_LONG = timedelta(hours=1)

#: A census is taken every hour.
NO_CENSUS_FOR = timedelta(hours=3)

POSTGRESQL = "PostgreSQL"
#: Codes of what does not answer; the empty one of what did not in time.
NOT_ANSWERING = frozenset(
    {
        *("", "kafka.away", "registry_away", "connect.away"),
        *("projection.away", "projection.slow", "store.away", "store.slow"),
    }
)
OF_TABLES = frozenset({"configuration", "store.absent"})
MIGRATE = "`towpath migrate`; where the tables are the newer ones, install the newer code."
DATABASES = ("projection", "store of ")


class Severity(StrEnum):
    """From the worst."""

    ALARM = "alarm"
    WARNING = "warning"
    NOTE = "note"


class Kind(StrEnum):
    """What a finding is about; what others follow from comes first."""

    SERVER = "server"
    STORE = "store"
    STRANGER = "stranger"
    PROCESS = "process"
    CAPTURE = "capture"
    LOOKUPS = "lookups"
    LOST = "lost"
    LEDGER = "ledger"
    CENSUS = "census"
    PROJECTOR = "projector"
    TOPIC = "topic"
    CIRCUIT = "circuit"
    DEAD_LETTERS = "dead letters"
    PARKED = "parked"
    UNKNOWN = "unknown"
    UNREAD = "unread"
    SPOOL = "spool"
    PAUSE = "pause"
    REPLAY = "replay"
    FULL = "full"
    EXPIRING = "expiring"


#: Of one severity these are told first: the rest may follow from them.
CAUSES = (
    *(Kind.SERVER, Kind.STORE, Kind.STRANGER, Kind.PROCESS, Kind.CAPTURE, Kind.LOST),
    *(Kind.LEDGER, Kind.CENSUS, Kind.PROJECTOR),
)
RANKS = list(Severity)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that needs somebody, or is worth knowing; field names are a contract."""

    severity: Severity
    kind: Kind
    #: Connection, process or server.
    about: str
    headline: str
    #: Currency to amount.
    money: dict[str, Decimal] = {}
    count: int = 0
    #: The oldest.
    since: datetime | None = None
    #: With the command to type.
    to_do: str


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """The processes of this machine."""

    states: tuple[ProcessState, ...]
    #: All of the bus runs here: its Kafka is the local stack's.
    all_of_it: bool


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Events one process has not read, and when the first of them came."""

    unread: Unread
    since: datetime | None


class Projector(msgspec.Struct, frozen=True, kw_only=True):
    """How far the books are behind."""

    behind: int
    #: None: nobody looked whether it goes on.
    moves: bool | None


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By severity; then what others follow from; then by money, age and number; pure."""

    def rank(finding: Finding) -> tuple[object, ...]:
        causes = CAUSES.index(finding.kind) if finding.kind in CAUSES else len(CAUSES)
        oldest = finding.since.timestamp() if finding.since is not None else float("inf")
        most = max(finding.money.values(), default=Decimal(0))
        return RANKS.index(finding.severity), causes, -most, oldest, -finding.count, finding.about

    return tuple(sorted(findings, key=rank))


def of_silences(silences: Iterable[Silence], where: Callable[[str], str]) -> Iterator[Finding]:
    """Servers that do not answer; a database of several is told of once; pure."""
    away, without_tables = [], []
    for each in silences:
        if each.source.startswith(DATABASES) and each.code in NOT_ANSWERING:
            away.append(each.source)
        elif each.source.startswith(DATABASES) and each.code in OF_TABLES:
            without_tables.append(each.source)
        else:
            what = "does not answer" if each.code in NOT_ANSWERING else f"cannot be asked: {bare(each.why)}"
            yield _silent(each.source, f"{_capital(each.source)} {what}.", where(each.source))
    if away:
        yield _silent(POSTGRESQL, f"PostgreSQL does not answer in time: {', '.join(away)}.", where(POSTGRESQL))
    if without_tables:
        listed = ", ".join(without_tables)
        yield _silent(POSTGRESQL, f"Tables are missing or of another version than this code: {listed}.", MIGRATE)


def of_processes(here: Here) -> Iterator[Finding]:
    """Processes that should run here and do not; pure."""
    supervisor = next((each for each in here.states if each.name == SUPERVISOR), None)
    known = [each for each in here.states if each.name != SUPERVISOR]
    if supervisor is not None and not supervisor.running:
        yield _process(
            Severity.ALARM,
            SUPERVISOR,
            "The supervisor of the processes here was killed: what ends is not started again.",
            "`towpath stop`, then `towpath run all --detach`.",
        )
    missing = [each for each in known if not each.running]
    if not here.all_of_it:
        if len(missing) < len(known) and missing:
            listed = ", ".join(each.name for each in missing)
            yield _process(
                Severity.NOTE, listed, f"Not run on this machine: {listed}.", "Nothing to do if they run elsewhere."
            )
        return
    if len(missing) == len(known):
        yield _process(
            Severity.ALARM, "all", "No process of the bus runs: nothing moves.", "`towpath run all --detach`."
        )
        return
    supervised = supervisor is not None and supervisor.running
    for each in missing:
        to_do = (
            f"It is started again by itself; if it stays, {each.log} says why it ends."
            if supervised
            else f"`towpath run {each.name} --detach`."
        )
        yield _process(Severity.ALARM, each.name, f"{each.name} does not run.", to_do)


#: What Debezium says, on every database, of offsets that belong to another log.
LOG_IS_GONE = "is no longer available on the server"
SAID_AT_MOST = 300


def of_connectors(states: Iterable[ConnectorStatus]) -> Iterator[Finding]:
    """Change data capture that stands still; pure."""
    for each in states:
        failed = next((task for task in each.tasks if task.state == "FAILED"), None)
        if each.state == "RUNNING" and failed is None:
            continue
        paused = each.state in {"PAUSED", "STOPPED"}
        why = each.failure or (failed.failure if failed is not None else "")
        state = "FAILED" if failed is not None else each.state
        yield Finding(
            severity=Severity.WARNING if paused else Severity.ALARM,
            kind=Kind.CAPTURE,
            about=each.connector,
            headline=f"Changes in the database of {each.connector} are not captured: its connector is {state.lower()}"
            + (f": {_short(why)}" if why else "."),
            to_do=_connector_advice(each.state, why),
        )


def _connector_advice(state: str, why: str) -> str:
    if state in {"PAUSED", "STOPPED"}:
        return "Resume it in Kafka Connect."
    if state == "ABSENT":
        return "`towpath connectors apply`."
    if LOG_IS_GONE in why:
        return (
            "A restart does not help: the place it had read to is not in this database's log. If the database was "
            "restored or swapped, have it make a new snapshot (docs/how-to/when-an-erp-was-restored.md, step 3)."
        )
    return "`towpath connectors restart`."


def _short(why: str) -> str:
    """Of what a connector says the kind and the end: between them may lie a page of positions."""
    return why if len(why) <= SAID_AT_MOST else f"{why[: SAID_AT_MOST // 2]} … {why[-SAID_AT_MOST // 2 :]}"


def of_ledger(ledger: Ledger | None, of: timedelta) -> Iterator[Finding]:
    """Events nobody knows of; pure."""
    if ledger is None or ledger.balanced:
        return
    lost = ledger.intake_total.remainder + ledger.delivery_total.remainder
    uncounted = sum(ledger.uncounted.values())
    parts = [f"{events(lost)} unaccounted for"] if lost else []
    parts += [f"{uncounted} never counted"] if uncounted else []
    hours = int(of / timedelta(hours=1))
    yield Finding(
        severity=Severity.ALARM,
        kind=Kind.LEDGER,
        about="ledger",
        headline=f"The books of the last {hours} h do not balance: {', '.join(parts) or 'sums differ'}.",
        count=abs(lost) + uncounted,
        since=min((each.hour for each in ledger.unaccounted), default=None),
        to_do=f"`towpath ledger --since {hours}h` names them; `towpath census` tells what the stores say.",
    )


def of_census(told: Iterable[CensusTold], now: datetime) -> Iterator[Finding]:
    """What the last census of each source found, whatever it is; pure."""
    for each in told:
        where = f"--since {each.since:%Y-%m-%dT%H:%M}"
        severity, headline, to_do = Severity.NOTE, "", "Nothing to do: it is taken every hour."
        if each.uncaptured:
            severity = Severity.ALARM
            headline = (
                f"{_documents(each.uncaptured)} of {each.listed} that {each.connection} lists as changed never reached "
                f"us; {_asked_for(each, now)}."
            )
            to_do = f"They are fetched by themselves: see that fetchers@{each.connection} runs."
            if each.absent == each.uncaptured:
                to_do = f"See at {each.connection} why it lists what it does not show."
            to_do += f" `towpath census {where}` names them."
        elif now - each.at > NO_CENSUS_FOR:
            severity = Severity.WARNING
            headline = (
                f"No census of {each.connection} since {clock(each.at, now)}: what it has changed since "
                f"{clock(each.until, now)} may be missing unseen."
            )
            to_do = f"The projector's log says why (`census.`); `towpath census {where}` asks now."
        else:
            headline = (
                f"Of {each.connection} nothing is missing: {_documents(each.listed)} it lists as changed until "
                f"{clock(each.until, now)}."
            )
        yield Finding(
            severity=severity,
            kind=Kind.CENSUS,
            about=each.connection,
            headline=headline,
            count=each.uncaptured,
            since=each.oldest,
            to_do=to_do,
        )


def _asked_for(told: CensusTold, now: datetime) -> str:
    asked = f"asked for at {clock(told.at, now)}"
    if not told.absent:
        return asked
    again = f", and is asked again from {clock(told.again_at, now)} on" if told.again_at is not None else ""
    if told.absent == told.uncaptured:
        return f"asked for each, it says they are not there{again}"
    return f"{asked}. Of {told.absent} it says, asked for each, that they are not there{again}"


def of_projector(projector: Projector | None) -> Iterator[Finding]:
    """Books that are behind: what they tell is older than it looks; pure."""
    if projector is None or not projector.behind:
        return
    stands = projector.moves is False
    yield Finding(
        severity=Severity.ALARM if stands else Severity.NOTE,
        kind=Kind.PROJECTOR,
        about="projector",
        headline=f"The projector {'stands still' if stands else 'is'} {projector.behind} records behind: money, counts "
        "and ages here may be older.",
        count=projector.behind,
        to_do="`towpath run projector --detach`, and look into its log." if stands else "Nothing to do: it goes on.",
    )


def of_unread(waiting: Iterable[Waiting], now: datetime, *, books_current: bool) -> Iterator[Finding]:
    """Events that wait to be read; what came just now is no finding; pure."""
    for each in waiting:
        lag = each.unread
        if each.since is None and books_current:
            continue
        if each.since is not None and now - each.since < UNREAD_FOR:
            continue
        yield Finding(
            severity=lasting(each.since, now) if each.since is not None else Severity.NOTE,
            kind=Kind.UNREAD,
            about=lag.process,
            headline=f"{events(lag.count)} of {lag.topic} not read by {lag.process} yet"
            + ("." if each.since is not None else "; since when is not known."),
            count=lag.count,
            since=each.since,
            to_do=f"See that {lag.process} runs (`towpath run {lag.process} --detach`); `towpath lag` tells whether it "
            "gets on.",
        )


def of_lookups(faults: Iterable[str]) -> Iterator[Finding]:
    """Files of lookup tables that are none: `lookups/<table>.csv: ...`; pure."""
    for fault in faults:
        yield Finding(
            severity=Severity.ALARM,
            kind=Kind.LOOKUPS,
            about=fault.partition(": ")[0],
            headline=f"{bare(fault)}.",
            count=1,
            to_do="Mend the file, `towpath check`: what runs goes on with the rows from before and takes it within "
            "seconds; what maps does not start until then.",
        )


def of_rows_aside(rows: Iterable[Aside]) -> Iterator[Finding]:
    """Rows laid over lookup tables that nobody can map by; pure."""
    for each in rows:
        place = f"{each.table} {shlex.quote(each.key)}"
        yield Finding(
            severity=Severity.ALARM,
            kind=Kind.LOOKUPS,
            about=f"lookups/{each.table}",
            headline=f"Row {each.key!r} of {each.table} on bus.lookups.v1 is put aside{each.who}: {bare(each.why)}. "
            f"What stood before it stands{' there; elsewhere it is at work' if each.by else ''}.",
            count=1,
            to_do=f"`towpath lookups set {place} ...` with what can be, or `towpath lookups drop {place}`.",
        )


def of_spools(spools: Mapping[str, Waits], now: datetime) -> Iterator[Finding]:
    """Webhooks accepted while Kafka could not take them, by connection: in flight, and in no topic yet; pure."""
    for connection, waits in spools.items():
        going = waits.count - waits.refused
        if going and waits.since is not None:
            yield Finding(
                severity=lasting(waits.since, now),
                kind=Kind.SPOOL,
                about=connection,
                headline=f"{events(going)} of {connection} accepted and not in Kafka yet: the spool has them.",
                count=going,
                since=waits.since,
                to_do="They go there by themselves: see that Kafka is up and the gateway runs "
                "(`towpath run gateway --detach`).",
            )
        if waits.refused:
            yield Finding(
                severity=Severity.ALARM,
                kind=Kind.SPOOL,
                about=connection,
                headline=f"{events(waits.refused)} of {connection} in the gateway's spool can never be sent.",
                count=waits.refused,
                to_do="`towpath census` fetches what is missing; the gateway's log tells why.",
            )


def of_replays(running: Iterable[ReplayTold]) -> Iterator[Finding]:
    """Replays that are under way; pure."""
    for each in running:
        values = {**each.code_values, "connection": each.connection}
        held = sentence(values["holds"], values) if values.get("holds") else None
        why = f': "{each.why}"' if each.why else ""
        headline = f"{each.who} replays to {each.connection}{why}. {sentence(each.code, values).happened}"
        id_ = each.command_id[:8]
        yield Finding(
            severity=Severity.NOTE,
            kind=Kind.REPLAY,
            about=each.connection,
            headline=headline if held is None else f"{headline} {held.happened}",
            count=int(values.get("left", "0")),
            since=each.begun_at,
            to_do=f"Follow it: `towpath replay show {id_}`; end it: `towpath replay stop {id_}`."
            if held is None or held.to_do == NOTHING
            else held.to_do,
        )


def of_lost(gone: Iterable[Lost], since: Mapping[tuple[str, int, int], datetime]) -> Iterator[Finding]:
    """Events that a topic forgot before they were read, each partition told; pure.

    Args:
        gone: What can never be read any more.
        since: When the event at a topic id, partition and offset came, where the projection knows.
    """
    for each in gone:
        came = since.get((each.topic_id, each.partition, each.offset))
        from_when = f", the first from {came:%Y-%m-%d %H:%M}Z" if came is not None else ""
        yield Finding(
            severity=Severity.ALARM,
            kind=Kind.LOST,
            about=each.process,
            headline=f"{events(each.count)} of {each.topic}/{each.partition} deleted before {each.process} had read "
            f"them: lost (offsets {each.offset} to {each.offset + each.count - 1}{from_when}).",
            count=each.count,
            since=came,
            to_do="`towpath census --since ...` tells which documents the store has changed since then; "
            f"`towpath ledger --explain` names those that never came to an end. Then start {each.process}.",
        )


def of_expiring(waiting: Iterable[Waiting], now: datetime) -> Iterator[Finding]:
    """Events unread for more than half of the time their topic keeps them; pure."""
    for each in waiting:
        kept = KEPT.get(each.unread.topic)
        if kept is None or each.since is None or now - each.since <= kept / 2:
            continue
        yield Finding(
            severity=Severity.WARNING,
            kind=Kind.EXPIRING,
            about=each.unread.process,
            headline=f"{each.unread.topic} forgets what {each.unread.process} has not read from "
            f"{each.since + kept:%Y-%m-%d %H:%M}Z on: it keeps {kept.days} days.",
            count=each.unread.count,
            since=each.since,
            to_do=f"`towpath run {each.unread.process} --detach`; or have {each.unread.topic} keep more "
            "(retention.ms) until it has caught up.",
        )


def of_circuits(circuits: Iterable[OpenCircuit], now: datetime) -> Iterator[Finding]:
    """Targets that do not work; pure."""
    for each in circuits:
        why = each.values.get("why", "")
        told = sentence(why, {"connection": each.connection}).happened if why else ""
        probed = " It is being tried with single events." if each.code == "circuit.probing" else ""
        yield Finding(
            severity=lasting(each.at, now),
            kind=Kind.CIRCUIT,
            about=each.connection,
            headline=f"{each.connection} does not work: {each.stage} send nothing but probes. {told}{probed}".strip(),
            since=each.at,
            to_do=f"See that {each.connection} is up; everything waits in order and goes on by itself. For a longer "
            f"outage: `towpath pause {each.connection} --why ...`.",
        )


def of_stuck(
    stuck: Iterable[Group], now: datetime, waits_at_most: Mapping[str, timedelta] | None = None
) -> Iterator[Finding]:
    """Parked and doubtful events by what they wait for, several currencies together; pure.

    Args:
        stuck: As the projection groups them.
        now: Ages count to here.
        waits_at_most: By connection: how long a missing thing may be waited for before a person is told.
    """
    by_thing: dict[tuple[str, ...], list[Group]] = {}
    for each in stuck:
        thing = (each.connection, each.stage, each.state, each.cause, each.code, each.waits_for)
        by_thing.setdefault(thing, []).append(each)
    for groups in by_thing.values():
        oldest = min(groups, key=lambda group: group.since)
        limit = (waits_at_most or {}).get(oldest.connection, WAITS_AT_MOST)
        severity = _severity(oldest, now, limit)
        if severity is None:
            continue
        count = sum(group.count for group in groups)
        kind, headline, to_do = _told(oldest, count)
        if oldest.cause == ParkedFor.DEPENDENCY and severity is Severity.ALARM:
            headline += f" The oldest has waited for more than {_hours(limit)}: somebody has to see to it."
        yield Finding(
            severity=severity,
            kind=kind,
            about=oldest.connection,
            headline=headline,
            money={group.currency: group.amount for group in groups if group.currency and group.amount},
            count=count,
            since=oldest.since,
            to_do=to_do,
        )


def of_letters(letters: Iterable[Unheld]) -> Iterator[Finding]:
    """Dead letters that hold no key: nothing waits behind them; pure."""
    for each in letters:
        said = sentence(each.code, each.values | {"connection": each.connection})
        where = f"{each.stage} of {each.connection}" if each.connection else each.stage
        command = f"`towpath dead-letters list --stage {each.stage} --code {each.code}`"
        yield Finding(
            severity=Severity.ALARM if each.known else Severity.WARNING,
            kind=Kind.DEAD_LETTERS,
            about=each.connection or each.stage,
            headline=f"{_letters(each.count, where)}: {said.happened}",
            count=each.count,
            since=each.since,
            to_do=f"{_advice(said.to_do)}{command}.",
        )


def _severity(group: Group, now: datetime, waits_at_most: timedelta) -> Severity | None:
    """None: it has not lasted long enough to be told of."""
    age = now - group.since
    if group.state == State.UNKNOWN:
        return lasting(group.since, now) if age >= UNKNOWN_FOR else None
    if group.cause == ParkedFor.BACKOFF:
        return lasting(group.since, now) if age >= BACKOFF_FOR else None
    if group.cause == ParkedFor.DEPENDENCY:
        return Severity.ALARM if age >= waits_at_most else Severity.WARNING
    return Severity.ALARM


def _told(group: Group, count: int) -> tuple[Kind, str, str]:
    """Kind, headline and advice for a group, told by its oldest."""
    said = sentence(group.code, group.values | {"connection": group.connection})
    advice = _advice(said.to_do)
    where = f"--connection {group.connection}"
    if group.state == State.UNKNOWN:
        headline = f"{events(count)} at {group.connection} of which nobody knows whether it was done: {said.happened}"
        command = f"`towpath outcomes --connection {group.connection} --state unknown`"
        return Kind.UNKNOWN, headline, f"{advice}{command}."
    if group.cause == ParkedFor.REFUSED:
        headline = f"{_letters(count, group.connection)}: {said.happened}"
        return Kind.DEAD_LETTERS, headline, f"{advice}`towpath dead-letters list {where} --code {group.code}`."
    waiting = f"--for {shlex.quote(group.waits_for)}" if group.waits_for else f"--cause {group.cause}"
    command = f"`towpath parked list {where} {waiting}`"
    waits = {
        ParkedFor.BACKOFF: "tried again and again",
        ParkedFor.DEPENDENCY: "waiting for something else",
        ParkedFor.PERSON: "waiting for a person",
        ParkedFor.OPERATOR: "held by an operator",
        ParkedFor.LOOP: "stopped because it goes round in circles",
    }.get(ParkedFor(group.cause), group.cause)
    if group.cause == ParkedFor.DEPENDENCY and group.waits_for:
        headline = f"{group.waits_for} is missing at {group.connection} and blocks {events(count)}."
    else:
        headline = f"{events(count)} at {group.connection} {waits}: {said.happened}"
    return Kind.PARKED, headline, f"{advice}{command}."


def lasting(since: datetime, now: datetime) -> Severity:
    """Of what goes on by itself."""
    return Severity.ALARM if now - since >= TOO_LONG else Severity.WARNING


def _silent(source: str, headline: str, to_do: str) -> Finding:
    return Finding(severity=Severity.ALARM, kind=Kind.SERVER, about=source, headline=headline, to_do=to_do)


def _process(severity: Severity, name: str, headline: str, to_do: str) -> Finding:
    return Finding(severity=severity, kind=Kind.PROCESS, about=name, headline=headline, to_do=to_do)


def _advice(to_do: str) -> str:
    """What the catalogue advises, before the command that shows the cases."""
    return "" if to_do == NOTHING else f"{to_do} See "


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"


def events(count: int) -> str:
    """So many, in words."""
    return "1 event" if count == 1 else f"{count} events"


def _letters(count: int, where: str) -> str:
    return f"1 dead letter at {where}" if count == 1 else f"{count} dead letters at {where}, the oldest"


def _hours(time: timedelta) -> str:
    hours = time / timedelta(hours=1)
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"


def clock(moment: datetime, now: datetime) -> str:
    """A time, with its day where that is not today's."""
    return f"{moment:%H:%M}Z" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}Z"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def bare(text: str) -> str:
    """A message without its full stop, to go on with."""
    return text.strip().removesuffix(".")
