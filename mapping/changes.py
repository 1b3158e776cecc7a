"""What changed between two versions of a mapping, and which fields of the target that reaches."""

from collections.abc import Iterator, Mapping

import msgspec

from mapping.said import Said, said
from mapping.spec import Spec


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not said as it was."""

    #: `lines[].unit_price`, `lines[] let price`, `require total`, `statuses state_of.paid`, `lookups gp_items`.
    what: str
    #: As the mapping says it; None: not at all.
    before: str | None
    after: str | None
    #: Fields of the target, and requirements, it has a part in, before or after.
    reaches: tuple[str, ...]


def changes(before: Spec, after: Spec) -> tuple[Change, ...]:
    """Everything that changed, in the order of the file."""
    one, other = dict(said(before)), dict(said(after))
    return tuple(
        Change(
            what=what,
            before=one[what].text if what in one else None,
            after=other[what].text if what in other else None,
            reaches=tuple(dict.fromkeys((*_reached(one, what), *_reached(other, what)))),
        )
        for what in dict.fromkeys((*other, *one))
        if (one[what].text if what in one else None) != (other[what].text if what in other else None)
    )


def _reached(known: Mapping[str, Said], what: str) -> Iterator[str]:
    """Fields of the target that something has a part in."""
    waiting, seen = [what] if what in known else [], {what}
    while waiting:
        each = known[waiting.pop(0)]
        if each.field:
            yield each.field
        for other, one in known.items():
            mentions = each.name in one.names and each.within is not None and _may_mean(one, each.within, other)
            governed = each.governs and (one.field == each.governs or one.field.startswith(f"{each.governs}."))
            if other not in seen and (mentions or governed):
                seen.add(other)
                waiting.append(other)


def _may_mean(one: Said, within: str, what: str) -> bool:
    """Whether a name of a block can be meant by something that stands elsewhere."""
    return not within or one.field.startswith(within) or what.startswith(within.rstrip("."))
