"""Rows that operators lay over lookup tables: which of them stand, and what the tables say with them; pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from bus.lookups import is_name
from mapping.port import Lookups, Unfit
from schemas.bus.lookup_row import LookupRow

#: Table and key to the row that stands; what was taken off the topic is missing.
Rows = dict[tuple[str, str], LookupRow]
#: By table and key, the rows that stood before the newest, oldest first.
Former = dict[tuple[str, str], list[LookupRow]]
#: What cannot be mapped by in tables as they would stand.
Faults = Callable[[Lookups], Iterable[Unfit]]


class Aside(msgspec.Struct, frozen=True, kw_only=True):
    """A row on the topic that is not at work; field names are a contract."""

    #: As the key of its record says.
    table: str
    key: str
    why: str
    #: Processes that put it aside, where others have it at work; empty: all of them do.
    by: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """` by streams`, or nothing."""
        return f" by {', '.join(self.by)}" if self.by else ""


def no_faults(_tables: Lookups) -> tuple[Unfit, ...]:
    """Of who maps nothing."""
    return ()


def message_key(table: str, key: str) -> str:
    """Of a row on its topic."""
    return f"{table}/{key}"


def place_of(message_key: str) -> tuple[str, str]:
    """Table and key, of a message key; a table's name has no `/`."""
    table, _, key = message_key.partition("/")
    return table, key


def apply(rows: Rows, message_key: str, row: LookupRow | None) -> None:
    """Take in the next record of the topic; None: a tombstone."""
    if row is None:
        rows.pop(place_of(message_key), None)
    else:
        rows[row.table, row.key] = row


class Laid:
    """The rows of the topic as far as it was read, and of former ones what may have to stand once more."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.former: Former = {}
        self._unfit: set[tuple[str, str]] = set()

    def take(self, message_key: str, row: LookupRow | None) -> None:
        """As `apply`; the row that is replaced is kept, unless it was seen not to fit."""
        place = place_of(message_key)
        before = self.rows.get(place)
        apply(self.rows, message_key, row)
        if row is None:
            self.former.pop(place, None)
        elif before is not None and place not in self._unfit:
            self.former.setdefault(place, []).append(before)
        self._unfit.discard(place)

    def settle(self, at_work: Rows) -> None:
        """Forget former rows, but for the one at work of each place, or the last where the newest is or none is."""
        self._unfit = {place for place, row in self.rows.items() if at_work.get(place) != row}
        for place, older in self.former.items():
            stands = at_work.get(place)
            self.former[place] = [stands] if place in self._unfit and stands in older else older[-1:]


def misplaced(key: str, row: LookupRow) -> str:
    """Why no table can have the row of a record with that key, whatever tables there are; empty: one can."""
    if not is_name(row.table):
        return f"{row.table!r} is no table's name, which is small Latin letters, digits and _"
    if not row.key:
        return "it has no key"
    if message_key(row.table, row.key) != key:
        return f"it says it is row {row.key!r} of {row.table}"
    return ""


def standing(rows: Iterable[LookupRow], now: datetime) -> list[LookupRow]:
    """Those whose time is not over."""
    return [row for row in rows if row.until is None or now < row.until]


def next_end(rows: Iterable[LookupRow], now: datetime) -> datetime | None:
    """When the first of those that stand ends."""
    return min((row.until for row in standing(rows, now) if row.until is not None), default=None)


def laid_over(
    tables: Mapping[str, Mapping[str, str]], rows: Iterable[LookupRow], now: datetime
) -> dict[str, Mapping[str, str]]:
    """What the tables say; a table nothing is laid over is the very same one.

    Args:
        tables: As their files say, key to value.
        rows: The newest of each key.
        now: Rows that ended before then count as not there.
    """
    made: dict[str, Mapping[str, str]] = dict(tables)
    changed: dict[str, dict[str, str]] = {}
    for row in standing(rows, now):
        if row.table not in changed:
            made[row.table] = changed[row.table] = dict(tables.get(row.table, {}))
        if row.value is None:
            changed[row.table].pop(row.key, None)
        else:
            changed[row.table][row.key] = row.value
    return made


def put_aside(
    tables: Mapping[str, Mapping[str, str]], laid: Laid, now: datetime, processes: Mapping[str, Faults]
) -> tuple[Aside, ...]:
    """Rows that some process cannot map by, each with those that cannot, unless that is all of them.

    Args:
        tables: As `laid_over`.
        laid: The rows of the topic.
        now: As `laid_over`.
        processes: By name, what each cannot map by.
    """
    by: dict[tuple[str, str], list[str]] = {}
    told: dict[tuple[str, str], Aside] = {}
    for process, faults in processes.items():
        for each in fitting(tables, laid.rows, laid.former, now, faults)[1]:
            by.setdefault((each.table, each.key), []).append(process)
            told.setdefault((each.table, each.key), each)
    return tuple(
        msgspec.structs.replace(told[place], by=() if len(by[place]) == len(processes) else tuple(by[place]))
        for place in sorted(told)
    )


def fitting(
    tables: Mapping[str, Mapping[str, str]], rows: Rows, former: Former, now: datetime, faults: Faults
) -> tuple[Rows, tuple[Aside, ...]]:
    """The rows that can be mapped by, and those put aside: in the place of each stands the last before it that fits.

    Of several rows that do not fit together the newest is put aside. What the files say wrong by themselves is no
    row's fault.

    Args:
        tables: As `laid_over`.
        rows: The newest of each key.
        former: Those before it, where they were seen; none of them fits: the file speaks.
        now: As `laid_over`.
        faults: Of tables as they would stand.
    """
    kept = {row.place: row for row in standing(rows.values(), now)}
    if not kept:
        return dict(rows), ()
    over = {place: row for place, row in rows.items() if place not in kept}
    before = {place: list(older) for place, older in former.items()}
    of_files = {each.why for each in faults(Lookups(tables))}
    aside: list[Aside] = []
    while True:
        found = [each for each in faults(Lookups(laid_over(tables, kept.values(), now))) if each.why not in of_files]
        blamed = [(kept[place], each.why) for each in found for place in each.places if place in kept]
        if not blamed:
            break
        row, why = max(blamed, key=lambda each: each[0].at)
        del kept[row.place]
        aside.append(Aside(table=row.table, key=row.key, why=why))
        if before.get(row.place):
            kept[row.place] = before[row.place].pop()
    # told once, by what is wrong with the newest
    told = {(each.table, each.key): each for each in reversed(aside)}
    return {**over, **kept}, tuple(told[place] for place in sorted(told))
