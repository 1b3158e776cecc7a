"""What a new version of a mapping makes of recorded records beside the live one: what differs, counted; pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from errors import BusError
from mapping.differences import Difference, differences
from operations.causes import PARTICULAR

_PARTICULAR = re.compile(PARTICULAR)
_PLACES = re.compile(r"\[[^\]]*\]")
#: How values without content are written.
EMPTY = frozenset({"none", '""', "[]", "{}"})


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One record in which a field differs, or that is refused; may hold what customers wrote."""

    #: Message key of the record; the connection it goes to before it, where it goes to one.
    key: str
    #: topic/partition/offset of what it was made of.
    position: str
    #: With places in lists.
    field: str = ""
    before: str | None = None
    after: str | None = None


class FieldTold(msgspec.Struct, frozen=True, kw_only=True):
    """A field in one way of differing; field names are a contract."""

    #: Without places in lists: `lines[].sku`.
    field: str
    #: `changed`, `filled` (was empty), `emptied`, `added`, `removed` (of a list or map).
    kind: str
    #: Records.
    count: int
    #: Whoever ran it said that it may.
    expected: bool
    samples: tuple[Sample, ...]


class RefusalTold(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one refusal."""

    field: str
    reason: str
    count: int
    samples: tuple[Sample, ...]


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; field names are a contract."""

    #: Stamps without lookups: `id@version+digest`.
    live: str
    new: str
    topic: str
    since: datetime
    #: Times of the first and the last event read; None: there was none.
    first: datetime | None
    last: datetime | None
    #: Events read, and of them: not readable for either, of no concern to the mapping.
    events: int
    unreadable: int
    left_out: int
    #: Records at least one of both made; of them the same, and different.
    compared: int
    same: int
    differ: int
    differences: tuple[FieldTold, ...]
    #: Made until now, refused by the new one.
    new_refusals: tuple[RefusalTold, ...]
    #: Refused until now, made by the new one.
    refused_no_more: tuple[RefusalTold, ...]
    #: By both.
    refused_by_both: int

    @property
    def empty(self) -> bool:
        """Nothing was compared: it says nothing about the new version."""
        return not self.compared

    @property
    def passes(self) -> bool:
        """Something was compared, nothing differs that nobody expects, nothing is refused that was not before."""
        return not self.empty and not self.new_refusals and all(each.expected for each in self.differences)


class Counted(msgspec.Struct):
    """Records of one difference or refusal, and some of them."""

    count: int = 0
    samples: list[Sample] = []


#: By field, and kind or reason.
Counts = dict[tuple[str, str], Counted]


class Tally:
    """What was counted so far; can be sent from process to process."""

    def __init__(self, samples: int = 3) -> None:
        self._most = samples
        self.events = self.unreadable = self.left_out = self.same = self.differ = self.refused_by_both = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.fields: Counts = {}
        self.refused: Counts = {}
        self.passed: Counts = {}

    def event(self, at: datetime) -> None:
        """One was read."""
        self.events += 1
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)

    def add(self, live: Any, new: Any, sample: Sample) -> None:
        """One record: what each made of it, or the error it was refused with."""
        match live, new:
            case BusError(), BusError():
                self.refused_by_both += 1
            case _, BusError():
                self._refusal(self.refused, new, sample)
            case BusError(), _:
                self._refusal(self.passed, live, sample)
            case _:
                self._compare(live, new, sample)

    def merge(self, other: "Tally") -> None:
        """Take in what another one counted."""
        for name in ("events", "unreadable", "left_out", "same", "differ", "refused_by_both"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for at in (other.first, other.last):
            if at is not None:
                self.first, self.last = min(self.first or at, at), max(self.last or at, at)
        for mine, theirs in (
            (self.fields, other.fields),
            (self.refused, other.refused),
            (self.passed, other.passed),
        ):
            for key, counted in theirs.items():
                entry = mine.setdefault(key, Counted())
                entry.count += counted.count
                entry.samples = [*entry.samples, *counted.samples][: self._most]

    @property
    def compared(self) -> int:
        """Records at least one of both made."""
        one_sided = sum(counted.count for each in (self.refused, self.passed) for counted in each.values())
        return self.same + self.differ + one_sided

    def _compare(self, live: Any, new: Any, sample: Sample) -> None:
        # most are the same, and told so at once
        found = () if live == new else tuple(differences(live, new))
        if not found:
            self.same += 1
            return
        self.differ += 1
        first: dict[tuple[str, str], Difference] = {}
        for each in found:
            first.setdefault((shape_of(each.field), kind_of(each)), each)
        for key, each in first.items():
            self._count(
                self.fields,
                key,
                msgspec.structs.replace(sample, field=each.field, before=each.before, after=each.after),
            )

    def _refusal(self, of: Counts, error: BusError, sample: Sample) -> None:
        field = str(error.facts.get("field", ""))
        reason = str(error.facts.get("reason", error.message))
        self._count(of, (shape_of(field), alike(reason)), msgspec.structs.replace(sample, field=field, after=reason))

    def _count(self, of: Counts, key: tuple[str, str], sample: Sample) -> None:
        entry = of.setdefault(key, Counted())
        entry.count += 1
        if len(entry.samples) < self._most:
            entry.samples.append(sample)


def fields_told(tally: Tally, expected: Iterable[str]) -> tuple[FieldTold, ...]:
    """The most frequent first."""
    listed = tuple(expected)
    return tuple(
        FieldTold(
            field=field,
            kind=kind,
            count=counted.count,
            expected=is_expected(field, listed),
            samples=tuple(counted.samples),
        )
        for (field, kind), counted in _most_first(tally.fields)
    )


def refusals_told(counts: Counts) -> tuple[RefusalTold, ...]:
    """The most frequent first."""
    return tuple(
        RefusalTold(field=field, reason=reason, count=counted.count, samples=tuple(counted.samples))
        for (field, reason), counted in _most_first(counts)
    )


def _most_first(counts: Counts) -> list[tuple[tuple[str, str], Counted]]:
    return sorted(counts.items(), key=lambda each: (-each[1].count, each[0]))


def shape_of(field: str) -> str:
    """A field without its places in lists."""
    return _PLACES.sub("[]", field)


def alike(reason: str) -> str:
    """A reason without what differs from record to record."""
    return _PARTICULAR.sub("*", reason)


def kind_of(difference: Difference) -> str:
    """In which way it differs."""
    match difference.before in EMPTY, difference.after in EMPTY:
        case _ if difference.before is None:
            return "added"
        case _ if difference.after is None:
            return "removed"
        case True, False:
            return "filled"
        case False, True:
            return "emptied"
    return "changed"


def is_expected(field: str, expected: Iterable[str]) -> bool:
    """Whether it is one of these, or stands inside of one: `lines` is all of its fields, `lines.sku` that of each."""
    path = _PLACES.sub("", field)
    names = [_PLACES.sub("", each) for each in expected]
    return any(path == name or path.startswith(f"{name}.") for name in names)
