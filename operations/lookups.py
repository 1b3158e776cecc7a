"""Lookup tables as they stand: rows of the files, rows operators laid over them, and what a missing one holds up."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bus.codec import Codecs
from bus.headers import Lineage, to_headers
from bus.laid_over import Aside, Rows, laid_over, message_key, standing
from bus.lookups import FileRow, is_name, text_of, values
from bus.producer import BusProducer
from bus.registry import Registry
from bus.settings import Settings
from bus.watched_files import notes
from connect.systems.clarity.client import site_of_connection
from consumers.clarity.order_status_sink import ACTIONS, KEYS, impossible_row, require_possible
from errors import ConfigurationError, NotFoundError
from mapping.data import DataMapping
from mapping.port import Lookups
from mapping.tables import doubled
from operations import dead_letters, mapping_files
from operations.acting import By
from operations.commands import new_id
from operations.dead_letters import Count
from operations.projection import letters
from operations.projection.judging import Status
from operations.projection.letters import Selection
from operations.projection.migrate import opened
from operations.tables_at_work import OnTopic, on_topic
from schemas.bus.lookup_row import LookupRow
from schemas.systems.clarity.site import Site
from schemas.topics import LOOKUPS


class TableTold(msgspec.Struct, frozen=True, kw_only=True):
    """One table."""

    table: str
    #: As it stands.
    rows: int
    in_file: int
    #: Rows on the topic whose time is not over; those that say what the file says as well stand in the way of nobody,
    #: until somebody edits the file.
    laid_over: int
    as_the_file: int
    #: What is wrong with its file.
    problem: str = ""


class RowTold(msgspec.Struct, frozen=True, kw_only=True):
    """One row as it stands; None: there is none."""

    table: str
    key: str
    value: str | None
    file_says: str | None
    #: Of the file.
    note: str = ""
    #: Of a row that is laid over; empty: the file speaks.
    who: str = ""
    why: str = ""
    at: datetime | None = None
    until: datetime | None = None


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A table as its file should be."""

    table: str
    text: str
    rows: int
    #: Laid over for a time only: not written.
    left_out: tuple[str, ...]


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is put aside, and what comes of taking it off the topic."""

    aside: Aside
    message_key: str
    #: What is laid there anew; None: the file speaks.
    instead: LookupRow | None
    #: Where it is at work it says this, and then it would say that; None: no row.
    says: str | None
    then: str | None

    @property
    def changes(self) -> bool:
        """Whether some process maps by it, and would map by something else."""
        return bool(self.aside.by) and self.says != self.then


def laid_over_now(settings: Settings) -> Rows:
    """The rows on the topic that are at work; raises as `on_topic`."""
    return on_topic(settings).at_work


def told(
    tables: Mapping[str, Mapping[str, str]], faults: Iterable[str], rows: Iterable[LookupRow], now: datetime
) -> tuple[TableTold, ...]:
    """Every table; pure.

    Args:
        tables: As their files say.
        faults: What is wrong with files: `lookups/<table>.csv: ...`.
        rows: Laid over.
        now: The moment.
    """
    problems = {fault.partition(": ")[0].removeprefix("lookups/").removesuffix(".csv"): fault for fault in faults}
    over = standing(rows, now)
    whole = laid_over(tables, over, now)
    return tuple(
        TableTold(
            table=name,
            rows=len(whole.get(name, {})),
            in_file=len(tables.get(name, {})),
            laid_over=sum(row.table == name for row in over),
            as_the_file=sum(row.table == name and _says(tables, row) for row in over),
            problem=problems.get(name, ""),
        )
        for name in sorted({*whole, *problems})
    )


def listed(settings: Settings) -> tuple[tuple[TableTold, ...], tuple[Aside, ...]]:
    """Every table of the deployment, and the rows on the topic that are not at work; raises as `on_topic`."""
    files = {name: rows for name, rows in settings.lookups.rows().items() if is_name(name)}
    found = on_topic(settings)
    return told(files, settings.lookup_faults, found.at_work.values(), datetime.now(UTC)), found.aside


def shown(settings: Settings, table: str, key: str | None = None) -> tuple[RowTold, ...]:
    """The rows of a table, or of one key of it: also one that is not there.

    Raises:
        NotFoundError: no such table.
        ConfigurationError: its file is no table.
    """
    return rows_of(table, _file(settings, table), laid_over_now(settings), datetime.now(UTC), key)


def rows_of(
    table: str, file: Mapping[str, FileRow] | None, rows: Rows, now: datetime, key: str | None = None
) -> tuple[RowTold, ...]:
    """As `shown`; pure.

    Raises:
        NotFoundError: neither file nor topic has such a table.
    """
    over = {row.key: row for row in standing(rows.values(), now) if row.table == table}
    if file is None and not over:
        raise NotFoundError("lookups.unknown", f"there is no lookup table {table!r}: look at `towpath lookups list`")
    own = file or {}
    keys = [key] if key is not None else [*own, *(each for each in over if each not in own)]
    return tuple(_row(table, each, own.get(each), over.get(each)) for each in keys)


def lay_over(settings: Settings, rows: Iterable[LookupRow]) -> None:
    """Write rows to the topic: every process that maps has them at work within a second.

    Raises:
        RetryableError: Kafka or the registry does not answer.
    """
    asyncio.run(_publish(settings, {message_key(row.table, row.key): row for row in rows}))


def refuse_impossible(settings: Settings, row: LookupRow) -> tuple[str, ...]:
    """Hold a row against what runs, as it would stop what starts the next time; what it lacks yet to be at work.

    Raises:
        ConfigurationError: no process would start with it; names the table.
        BrokenMappingError: one of the deployment's own mappings cannot be run.
        RetryableError: Kafka or the registry does not answer.
    """
    mappings = [each.mapping for each in mapping_files.running(settings)]
    sites = [site_of_connection(each) for each in settings.of_system("clarity")]
    # also those put aside: two rows may be possible only together
    return lacking(settings.lookups, on_topic(settings).rows, row, mappings, sites)


def lacking(
    files: Lookups, rows: Rows, row: LookupRow, mappings: Iterable[DataMapping], sites: Iterable[Site]
) -> tuple[str, ...]:
    """As `refuse_impossible`; what was wrong before is not this row's fault; pure."""
    before = Lookups(laid_over(files.rows(), rows.values(), row.at))
    after = Lookups(laid_over(files.rows(), [*rows.values(), row], row.at))
    told_: list[str] = []
    for site in sites:
        if row.value is not None and (fault := impossible_row(row.table, row.key, row.value, site)):
            raise ConfigurationError(f"lookups/{row.table}.csv", f"{row.key}: {fault}")
        try:
            require_possible(after, site)
        except ConfigurationError as error:
            told_.append(error.message)
    for mapping in mappings:
        if new := [fault for fault in doubled(mapping, after) if fault not in doubled(mapping, before)]:
            raise ConfigurationError(f"lookups/{row.table}.csv", new[0].partition(": ")[2])
    return tuple(dict.fromkeys(told_)) if row.table in {ACTIONS, KEYS} else ()


def row_by(table: str, key: str, value: str | None, by: By, until: datetime | None = None) -> LookupRow:
    """What somebody sets.

    Raises:
        ConfigurationError: no table can be called so, or a row has no key.
    """
    if not is_name(table):
        raise ConfigurationError(f"lookups/{table}.csv", "a table's name is small Latin letters, digits and _")
    if not key:
        raise ConfigurationError(f"lookups/{table}.csv", "a row has a key")
    return LookupRow(table=table, key=key, value=value, who=by.who, why=by.why, at=by.at, until=until)


def cures(settings: Settings, table: str, key: str) -> tuple[Count, ...]:
    """Dead letters that stand because a row is missing, by cause and place.

    Raises:
        RetryableError: the projection cannot be read.
    """
    standing_ = Selection(filters={"status": Status.STANDING.value})
    with opened(settings.projection_dsn.reveal()) as wire:
        counts = dead_letters.counts_of(letters.grouped(wire, standing_))
    return tuple(each for each in counts if (each.cure_table, each.cure_row) == (table, key))


def exported(settings: Settings, table: str) -> Exported:
    """The table as it stands, as a file; what is laid over for a time only is left out.

    Raises:
        NotFoundError: no such table.
        ConfigurationError: its file is no table.
    """
    return export_of(table, _file(settings, table), laid_over_now(settings), datetime.now(UTC))


def export_of(table: str, file: Mapping[str, FileRow] | None, rows: Rows, now: datetime) -> Exported:
    """As `exported`: rows keep their places and notes, new ones come last, noted with why they were set; pure."""
    found = rows_of(table, file, rows, now)
    made = dict(file or {})
    for row in found:
        if row.until is not None or not row.who:
            continue
        if row.value is None:
            made.pop(row.key, None)
        elif row.value != row.file_says:
            made[row.key] = FileRow(row.value, row.why or row.note)
    return Exported(
        table=table,
        text=text_of(made),
        rows=len(made),
        left_out=tuple(row.key for row in found if row.until is not None),
    )


def write(path: Path, text: str) -> None:
    """Put a file in its place as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".csv.new")
    half.write_text(text, encoding="utf-8", newline="")
    half.replace(path)


def settle(settings: Settings, table: str) -> tuple[str, ...]:
    """Take off the topic what the table's file says by now as well; the keys.

    Raises:
        ConfigurationError: its file is no table.
        RetryableError: Kafka or the registry does not answer.
    """
    files = {table: values(_file(settings, table) or {})}
    over = [row for row in laid_over_now(settings).values() if row.table == table and row.until is None]
    keys = tuple(row.key for row in over if _says(files, row))
    asyncio.run(_publish(settings, {message_key(table, key): None for key in keys}))
    return keys


def to_drop(settings: Settings, table: str, key: str) -> Drop:
    """What taking a row off the topic would change.

    Raises:
        NotFoundError: no such row is put aside; names those there are.
        RetryableError: Kafka or the registry does not answer.
    """
    file = settings.lookups.rows().get(table, {})
    return drop_of(on_topic(settings), file, table, key, datetime.now(UTC))


def drop_of(topic: OnTopic, file: Mapping[str, str], table: str, key: str, now: datetime) -> Drop:
    """As `to_drop`; pure."""
    found = next((each for each in topic.aside if (each.table, each.key) == (table, key)), None)
    if found is None:
        there = ", ".join(f"{each.table} {each.key}" for each in topic.aside) or "none"
        raise NotFoundError("lookups.not_aside", f"no row {key!r} of {table} is put aside; there are: {there}")
    laid, instead = topic.rows.get((table, key)), topic.at_work.get((table, key))
    over = standing([instead], now) if instead is not None else []
    return Drop(
        aside=found,
        message_key=topic.strange.get((table, key), message_key(table, key)),
        instead=instead,
        says=laid.value if laid is not None else None,
        then=over[0].value if over else file.get(key),
    )


def drop(settings: Settings, row: Drop) -> None:
    """Take it off the topic; what stands in its place is laid there anew: a tombstone would take that off as well.

    Raises:
        RetryableError: Kafka or the registry does not answer.
    """
    asyncio.run(_publish(settings, {row.message_key: row.instead}))


def _file(settings: Settings, table: str) -> dict[str, FileRow] | None:
    """None: there is none, as of a table that is on the topic only."""
    return notes(settings.folder / "lookups", table) if is_name(table) else None


def _says(tables: Mapping[str, Mapping[str, str]], row: LookupRow) -> bool:
    """Whether the file says the same."""
    return tables.get(row.table, {}).get(row.key) == row.value


def _row(table: str, key: str, file: FileRow | None, over: LookupRow | None) -> RowTold:
    says = file.value if file is not None else None
    told_ = RowTold(table=table, key=key, value=says, file_says=says, note=file.note if file is not None else "")
    if over is None:
        return told_
    return msgspec.structs.replace(told_, value=over.value, who=over.who, why=over.why, at=over.at, until=over.until)


async def _publish(settings: Settings, rows: Mapping[str, LookupRow | None]) -> None:
    with closing(Registry(settings.registry)) as registry:
        codec = Codecs(registry).of(LOOKUPS)
        async with BusProducer(settings.kafka) as producer:
            for key, row in rows.items():
                said = Lineage(ce_id=new_id(), ce_source="/operators", ce_type=f"towpath.{LOOKUPS.name}")
                await producer.send(LOOKUPS, key, None if row is None else codec.encode(row), to_headers(said))
