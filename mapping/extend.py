"""A deployment's mapping that changes ours: a few fields, a named value, a row of a status map; the rest stays ours."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from mapping.messages import Message
from mapping.said import Said, said
from mapping.spec import Block, Expr, Named, Part, Spec, Statuses, Value

T = TypeVar("T")
#: What an extension says besides ours, or of itself.
_ADDED = ("require ", "rules ", "ignored ", "from ")
_OWN = frozenset({"version", "extends", "to"})
_ITEM = re.compile(r"\[\d+\]")


def base_of(own: Spec) -> tuple[str, int] | None:
    """Id and version of the mapping it extends or replaces; None if it stands alone or does not say which."""
    of = own.extends if own.extends is not None else own.replaces
    if of is None:
        return None
    name, _, version = of.text.strip().rpartition("@")
    return (name, int(version)) if name and version.isascii() and version.isdigit() and len(version) < 10 else None


def extended(own: Spec, base: Spec) -> Spec:
    """The mapping that both make together, under the extension's id and version.

    Named values, fields, parts and rows of status maps of the same name are replaced where they stand; new named
    values come behind ours, so that they may use them; requirements are added.
    """
    return Spec(
        document=own.document,
        id=own.id,
        version=own.version,
        about=own.about or base.about,
        extends=own.extends,
        given=base.given,
        to=base.to,
        unmapped=own.unmapped or base.unmapped,
        ignored=(*base.ignored, *own.ignored),
        lookups={**base.lookups, **own.lookups},
        statuses=_by_name(base.statuses, own.statuses, lambda each: each.name.text, _statuses),
        rules=(*base.rules, *own.rules),
        parts=_by_name(base.parts, own.parts, lambda each: each.name.text, lambda _, new: new),
        block=_block(base.block, own.block),
        round_trip=own.round_trip or base.round_trip,
    )


def collisions(own: Spec, base: Spec, then: Spec | None = None) -> list[Message]:
    """What an extension replaces of ours that has moved on since it was written; nothing if it only adds.

    Args:
        own: The extension.
        base: Ours as it is now.
        then: Ours as it was, where it can still be had: then only what really changed is told.
    """
    written_against = base_of(own)
    of, key = (own.extends, "extends") if own.extends is not None else (own.replaces, "replaces")
    if of is None:
        return []
    if written_against is None:
        return [_said(of, "it does not say what it was written against", f"{key}: {base.id}@{base.version}")]
    name, version = written_against
    if name != base.id:
        return [_said(of, f"there is no mapping {name}", f"{key}: {base.id}@{base.version}")]
    if version == base.version:
        return []
    if version > base.version or own.extends is None:
        text = f"ours moved from version {version} to {base.version}, and this stands in its place"
        write = f"look what changed (`towpath mapping diff`), then write replaces: {base.id}@{base.version}"
        if version > base.version:
            text = f"{base.id} is at version {base.version}, and there is no {version}"
            write = f"write {key}: {base.id}@{base.version}"
        return [_said(of, text, write)]
    moved = _moved(base, then)
    told: dict[str, Message] = {}
    for path, each in said(own):
        place = _replaced(path, each)
        met = {what: text for what, text in moved.items() if place is not None and _is_of(place, what)}
        if not met or place is None or place in told or met.get(place) == each.text:
            continue
        now = met[place] if [*met] == [place] else "; ".join(f"{what}: {text}" for what, text in met.items())
        text = f"{place} replaces ours, which moved from version {version} to {base.version} and says now: {now}"
        write = f"look whether yours still holds, then write extends: {base.id}@{base.version}"
        told[place] = _said(each.at or of, text, write)
    return list(told.values())


def contradictions(own: Spec, base: Spec) -> list[Message]:
    """What an extension says that only ours can say: what is read and made stays ours."""
    if own.extends is None:
        return []
    told = []
    ours = [(named.text, type_.text) for named, type_ in base.given]
    if own.given and [(named.text, type_.text) for named, type_ in own.given] != ours:
        reads = ", ".join(f"{name}: {type_}" for name, type_ in ours)
        told.append(
            _said(own.given[0][0], f"ours reads {reads}", "leave `from:` out: an extension reads what ours does")
        )
    if own.to is not None and base.to is not None and own.to.text != base.to.text:
        told.append(_said(own.to, f"ours makes {base.to.text}", "leave `to:` out: an extension makes what ours does"))
    ours_by_name = {each.name.text: each for each in base.parts}
    for part in own.parts:
        of = ours_by_name.get(part.name.text)
        if of is not None and _taken(part) != _taken(of):
            text = f"{part.name.text} is {_taken(of)} in ours, which calls it so"
            told.append(_said(part.name, text, "write the same, or give it another name"))
    return told


def _taken(part: Part) -> str:
    """What a part is given and makes."""
    return f"from {', '.join(type_.text.strip() for _, type_ in part.given)} to {part.to.text.strip()}"


def misplaced(own: Spec, base: Spec) -> list[Message]:
    """Named values that stand in the place of ours, where ours does not fit any more; told of the file that says so."""
    ours = {named.text for named, _ in base.block.let}
    text = "stands in the place of ours, and what ours makes of it does not fit"
    write = "make it the kind of value that ours is, or give it another name"
    return [_said(named, f"{named.text} {text}", write) for named, _ in own.block.let if named.text in ours]


def left_out(own: Spec, base: Spec) -> list[Message]:
    """Fields of a block of ours that an extension says anew, without some of them: it may be meant."""
    return list(_left_out(own.block, base.block)) if own.extends is not None else []


def _left_out(own: Block, base: Block) -> Iterator[Message]:
    ours = {named.text: value for named, value in base.fields}
    for named, value in own.fields:
        before = ours.get(named.text)
        if not isinstance(value, Block) or not isinstance(before, Block):
            continue
        if value.each is None and value.when is None:
            yield from _left_out(value, before)
            continue
        said_ = {name.text for name, _ in value.fields}
        if lacking := [name.text for name, _ in before.fields if name.text not in said_]:
            text = f"{named.text} stands for the whole block of ours, which also sets {', '.join(lacking)}"
            yield _said(named, text, "leave `each:` and `when:` out where only some fields are others")


def _moved(base: Spec, then: Spec | None) -> dict[str, str]:
    """What ours says now, by its path; with the text it was at hand, only what is not said as it was."""
    now = {_path(what): each.text for what, each in said(base)}
    if then is None:
        return now
    before = {_path(what): each.text for what, each in said(then)}
    return {
        what: now.get(what, "nothing") for what in dict.fromkeys((*now, *before)) if now.get(what) != before.get(what)
    }


def _replaced(path: str, each: Said) -> str | None:
    """What of ours stands there no more for this; None: it is added to ours, or is none of an extension's."""
    if (
        path.startswith(_ADDED)
        or " require " in path
        or path in _OWN
        or (path.endswith(" inverts") and each.text == "false")
    ):
        return None
    if path.startswith("statuses "):
        return path
    if path.startswith("parts "):
        return path.partition(":")[0]
    # what repeats or chooses stands for its whole block, one value of a list for the list
    return _path(_ITEM.split(each.governs or path.removesuffix(" otherwise"))[0])


def _is_of(place: str, what: str) -> bool:
    """Whether one is the other or stands in it."""
    long, short = (place, what) if len(place) > len(what) else (what, place)
    return long == short or (long.startswith(short) and long[len(short)] in ".[ :")


def _path(what: str) -> str:
    """As both name it: an extension does not say again that a block is repeated."""
    return what.replace("[]", "")


def _said(at: Expr | Named, text: str, write: str) -> Message:
    return at.document.message(at.node.start, text, write)


def _by_name(
    base: tuple[T, ...], own: tuple[T, ...], name: Callable[[T], str], both: Callable[[T, T], T]
) -> tuple[T, ...]:
    made = {name(each): each for each in base}
    for each in own:
        made[name(each)] = both(made[name(each)], each) if name(each) in made else each
    return tuple(made.values())


def _statuses(base: Statuses, own: Statuses) -> Statuses:
    values = _by_name(base.values, own.values, lambda pair: pair[0].text, lambda _, new: new)
    return Statuses(
        name=own.name, values=values, otherwise=own.otherwise or base.otherwise, inverts=own.inverts or base.inverts
    )


def _block(base: Block, own: Block) -> Block:
    return msgspec.structs.replace(
        base,
        let=_by_name(base.let, own.let, lambda pair: pair[0].text, lambda _, new: new),
        require=(*base.require, *own.require),
        fields=_by_name(
            base.fields, own.fields, lambda pair: pair[0].text, lambda old, new: (new[0], _value(old[1], new[1]))
        ),
    )


def _value(base: Value, own: Value) -> Value:
    """Fields within fields are merged, too, unless the extension says anew what it is repeated for."""
    if isinstance(base, Block) and isinstance(own, Block) and own.each is None and own.when is None:
        return _block(base, own)
    return own
