"""A deployment's mapping that changes ours: a few fields, a named value, a row of a status map; the rest stays ours."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from mapping.messages import Message
from mapping.spec import Block, Expr, Listed, Named, Part, Spec, Statuses, Value, Verbatim

T = TypeVar("T")


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
    if own.extends is None:
        text = f"ours moved from version {version} to {base.version}, and this stands in its place"
        write = f"look what changed (`towpath mapping diff`), then write replaces: {base.id}@{base.version}"
        return [_said(of, text, write)]
    before = dict(_named(then)) if then is not None else {}
    now, told = dict(_named(base)), []
    for path, (place, _) in _named(own):
        if path in now and now[path][1] != (before[path][1] if path in before else None):
            moved = f"which moved from version {version} to {base.version}"
            text = f"{path} replaces ours, {moved} and says now: {now[path][1]}"
            told.append(
                _said(place, text, f"look whether yours still holds, then write extends: {base.id}@{base.version}")
            )
    return told


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


def _named(spec: Spec) -> Iterator[tuple[str, tuple[Expr | Named, str]]]:
    """All that has a name in a mapping, by its path, with its place and what it says."""
    for statuses in spec.statuses:
        for key, value in statuses.values:
            yield f"statuses.{statuses.name.text}.{key.text}", (key, value.text)
    for part in spec.parts:
        yield f"parts.{part.name.text}", (part.name, _part(part))
    yield from _in_block(spec.block, "")


def _in_block(block: Block, path: str) -> Iterator[tuple[str, tuple[Expr | Named, str]]]:
    for named, expr in block.let:
        yield f"{path}let.{named.text}", (named, expr.text)
    for named, value in block.fields:
        yield from _in_value(named, value, f"{path}{named.text}")


def _in_value(named: Named, value: Value, path: str) -> Iterator[tuple[str, tuple[Expr | Named, str]]]:
    match value:
        case Block():
            if value.each is not None:
                yield f"{path}.each", (named, value.each.text)
            yield from _in_block(value, f"{path}.")
        case Listed(items):
            inside = [each for n, item in enumerate(items, 1) for each in _in_value(named, item, f"{path}[{n}]")]
            yield path, (named, "; ".join(f"{inner}: {text}" for inner, (_, text) in inside))
        case Verbatim(expr):
            yield path, (named, repr(expr.text))
        case Expr():
            yield path, (named, value.text)


def _part(part: Part) -> str:
    inside = dict(_in_block(part.block, ""))
    value = [part.value.text] if part.value is not None else []
    return "; ".join([*value, *(f"{path}: {text}" for path, (_, text) in inside.items())])
