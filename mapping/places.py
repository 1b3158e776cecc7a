"""Where in the record a value stands, as far as its expression tells; so that what nobody reads can be told by place.

A place is written `order.lines[].sku`. What a list was made of stands there as `order.billing/of` until it is taken
out again, and what a part was given as `address(given).city` until all calls of the part are known.
"""

import re
from collections.abc import Iterable

#: Several, where a condition chooses; none where nobody can tell.
Places = frozenset[str]
NOWHERE: Places = frozenset()

_GIVEN = re.compile(r"(\w+\(\w+\))(.*)")
#: Parts that are given parts that are given …: so many and it is as good as anywhere.
_MOST = 5_000


def inside(places: Places) -> Places:
    """Of what is in a list or a map."""
    return frozenset(_inside(place) for place in places)


def around(places: Places) -> Places:
    """Of a list that was made of what stands there."""
    return frozenset(place.removesuffix("[]") if place.endswith("[]") else f"{place}/of" for place in places)


def either(*all_: Places) -> Places:
    """Of one of several values; nowhere if one of them is from nowhere."""
    return frozenset().union(*all_) if all(all_) else NOWHERE


def _inside(place: str) -> str:
    return place.removesuffix("/of") if place.endswith("/of") else f"{place}[]"


class Reading:
    """What the expressions of a mapping read."""

    def __init__(self) -> None:
        self._at: dict[str, set[tuple[str, str]]] = {}
        self._whole: set[str] = set()
        self._given: dict[str, set[str]] = {}
        #: (record, field) that were read nobody knows where.
        self.anywhere: set[tuple[str, str]] = set()
        #: Records that were handed on whole from nobody knows where.
        self.whole_anywhere: set[str] = set()

    def field(self, record: str, of: Places, field: str) -> Places:
        """A field is read; gives its places."""
        if not of:
            self.anywhere.add((record, field))
        places = frozenset(f"{place}.{field}" for place in of)
        for place in places:
            self._at.setdefault(place, set()).add((record, field))
        return places

    def whole(self, records: Iterable[str], places: Places) -> None:
        """A record was handed on with all it has, to a rule or as it is."""
        self._whole |= places
        if not places:
            self.whole_anywhere.update(records)

    def given(self, part: str, parameter: str, places: Places) -> Places:
        """What a part is given at one of its calls; gives what its expressions call that."""
        name = f"{part}({parameter})"
        self._given.setdefault(name, set()).update(places or {""})
        return frozenset({name})

    def places(self) -> "Read":
        """All of it, when every call is known."""
        known: dict[str, set[str]] = {}
        at: set[str] = set()
        for place, fields in self._at.items():
            found = self._from_record(place, known)
            at |= found
            if any(each.startswith(".") for each in found):
                self.anywhere |= fields
        return Read(at, {each for place in self._whole for each in self._from_record(place, known)})

    def _from_record(self, place: str, known: dict[str, set[str]]) -> set[str]:
        given = _GIVEN.fullmatch(place)
        if given is None:
            return {place}
        name, rest = given.groups()
        if name not in known:
            found: set[str] = set()
            for each in self._given.get(name, ()):
                found |= self._from_record(each, known)
                if len(found) > _MOST:
                    break
            known[name] = found
        return {_joined(each, rest) for each in known[name]}


class Read:
    """Places that are read, and those that are handed on with all that is below them."""

    def __init__(self, at: set[str], whole: set[str]) -> None:
        self.at = at
        self.whole = whole
        self._above = {place[:end] for place in at | whole for end, each in enumerate(place) if each in ".["}

    def below(self, place: str) -> bool:
        """Whether something below a place is read."""
        return place in self._above


def _joined(place: str, rest: str) -> str:
    if place.endswith("/of") and rest.startswith("[]"):
        return place.removesuffix("/of") + rest.removeprefix("[]")
    return place + rest
