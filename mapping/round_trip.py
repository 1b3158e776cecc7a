"""Whether what a mapping makes can be turned back: declared in the mapping, held by examples and property tests."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from mapping.data import DataMapping
from mapping.differences import Difference, differences
from mapping.messages import Message, nearest
from mapping.port import Lookups
from mapping.spec import Spec


def lost(there: DataMapping, back: DataMapping, record: Any, lookups: Lookups, now: datetime) -> list[Difference]:
    """The fields of a record that do not come back, of those the way back sets and nobody excepted.

    Raises:
        MappingError: one of the two refuses.
    """
    held = held_fields(there.spec, back.spec)
    returned = back(there(record, lookups, now), lookups, now)
    return [each for each in differences(record, returned) if re.split(r"[.\[]", each.field)[0] in held]


def held_fields(there: Spec, back: Spec) -> frozenset[str]:
    """Fields of the record that a round trip keeps."""
    excepted = {each.text for each in there.round_trip.without} if there.round_trip is not None else set()
    return frozenset(named.text for named, _ in back.block.fields) - excepted


def misfits(there: Spec, known: Mapping[str, Spec]) -> Iterator[Message]:
    """A declared round trip whose way back is not there, or comes from or leads to something else."""
    if there.round_trip is None:
        return
    by = there.round_trip.by
    back = known.get(by.text.strip())
    if back is None:
        yield by.document.message(
            by.node.start, f"there is no mapping {by.text}", nearest(by.text, known.keys() - {there.id})
        )
        return
    reads, makes = [type_.text for _, type_ in back.given], back.to.text if back.to is not None else ""
    if there.to is None or reads != [there.to.text] or [makes] != [type_.text for _, type_ in there.given]:
        text = f"{back.id} turns {', '.join(reads)} into {makes}, which is not the way back"
        yield by.document.message(by.node.start, text, "name the mapping that reads what this one makes")
    fields = [named.text for named, _ in back.block.fields]
    for each in there.round_trip.without:
        if each.text not in fields:
            yield each.document.message(each.node.start, f"{back.id} sets no {each.text}", nearest(each.text, fields))
