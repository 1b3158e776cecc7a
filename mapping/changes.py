"""What changed between two versions of a mapping, and which fields of the target that reaches."""

import ast
import re
from collections.abc import Iterator, Mapping

import msgspec

from mapping.expressions import Parsed
from mapping.messages import WrongError
from mapping.spec import Block, Expr, Listed, Spec, Value, Verbatim


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not said as it was."""

    #: `lines[].unit_price`, `lines[] let price`, `require total`, `statuses state_of.paid`, `lookups gp_items`.
    what: str
    #: As the mapping says it; None: not at all.
    before: str | None
    after: str | None
    #: Fields of the target, and requirements, it has a part in, before or after.
    reaches: tuple[str, ...]


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a mapping says."""

    text: str
    #: Names and lookup tables its expressions mention.
    names: frozenset[str]
    #: Where it may be mentioned: `lines[].`; None where nobody can mention it.
    within: str | None = None
    #: By what name.
    name: str = ""
    #: The field it makes; empty for what is only mentioned.
    field: str = ""
    #: Field below which all depends on it.
    governs: str = ""


def changes(before: Spec, after: Spec) -> tuple[Change, ...]:
    """Everything that changed, in the order of the file."""
    one, other = dict(_said(before)), dict(_said(after))
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


def _reached(said: Mapping[str, _Said], what: str) -> Iterator[str]:
    """Fields of the target that something has a part in."""
    waiting, seen = [what] if what in said else [], {what}
    while waiting:
        each = said[waiting.pop(0)]
        if each.field:
            yield each.field
        for other, one in said.items():
            mentions = each.name in one.names and each.within is not None and _may_mean(one, each.within, other)
            governed = each.governs and (one.field == each.governs or one.field.startswith(f"{each.governs}."))
            if other not in seen and (mentions or governed):
                seen.add(other)
                waiting.append(other)


def _may_mean(one: _Said, within: str, what: str) -> bool:
    """Whether a name of a block can be meant by something that stands elsewhere."""
    return not within or one.field.startswith(within) or what.startswith(within.rstrip("."))


def _said(spec: Spec) -> Iterator[tuple[str, _Said]]:
    yield "version", _Said(text=str(spec.version), names=frozenset())
    for label, expr in (("to", spec.to), ("unmapped", spec.unmapped), ("extends", spec.extends)):
        if expr is not None:
            yield label, _Said(text=expr.text, names=frozenset())
    for named, expr in spec.given:
        yield f"from {named.text}", _Said(text=expr.text, names=frozenset(), within="", name=named.text)
    for expr in (*spec.rules, *spec.ignored):
        yield f"{'rules' if expr in spec.rules else 'ignored'} {expr.text}", _Said(text=expr.text, names=frozenset())
    for table, inverts in spec.lookups.items():
        said = "inverts" if inverts else "read"
        yield f"lookups {table}", _Said(text=said, names=frozenset(), within="", name=f'"{table}"')
    for statuses in spec.statuses:
        name = statuses.name.text
        # a row reaches whatever is made with the map
        rows = [(f"{name}.{key.text}", value.text) for key, value in statuses.values]
        rows += [(f"{name} otherwise", statuses.otherwise.text)] if statuses.otherwise is not None else []
        for row, text in [*rows, (f"{name} inverts", str(statuses.inverts).lower())]:
            yield f"statuses {row}", _Said(text=text, names=frozenset(), within="", name=name)
    for part in spec.parts:
        name = part.name.text
        for what, each in _in_block(part.block, ""):
            inside = msgspec.structs.replace(each, field="", governs="", within="", name=name)
            yield f"parts {name}: {what}", inside
        for label, text in (("to", part.to.text), ("value", part.value.text if part.value is not None else "")):
            if text:
                yield f"parts {name}: {label}", _Said(text=text, names=_names(text), within="", name=name)
    yield from _in_block(spec.block, "")


def _in_block(block: Block, path: str) -> Iterator[tuple[str, _Said]]:
    at = path.rstrip(".")
    lead = f"{at} " if at else ""
    each = {"each": block.each, "where": block.where, "having": block.having, "when": block.when}
    for label, expr in each.items():
        if expr is not None:
            yield f"{lead}{label}", _Said(text=expr.text, names=_names(expr.text), governs=at)
    if block.order_by:
        text = ", ".join(expr.text for expr in block.order_by)
        names = frozenset[str]().union(*(_names(expr.text) for expr in block.order_by))
        yield f"{lead}order by", _Said(text=text, names=names, governs=at)
    for named, expr in block.group_by:
        text = f"{named.text}: {expr.text}"
        yield f"{lead}group by {named.text}", _Said(text=text, names=_names(expr.text), governs=at, name=named.text)
    for named, expr in block.let:
        yield (
            f"{lead}let {named.text}",
            _Said(text=expr.text, names=_names(expr.text), within=path, name=named.text),
        )
    for number, requirement in enumerate(block.require):
        fields = [one.field or at for one in block.require]
        field = fields[number]
        again = f" ({fields[:number].count(field) + 1})" if fields.count(field) > 1 else ""
        names = _names(requirement.that.text) | _names(requirement.say.text, template=True)
        what = f"{lead}require {field}{again}"
        yield what, _Said(text=f"{requirement.that.text}: {requirement.say.text}", names=names, field=what)
    for named, value in block.fields:
        yield from _in_value(value, f"{path}{named.text}")


def _in_value(value: Value, path: str) -> Iterator[tuple[str, _Said]]:
    match value:
        case Expr():
            yield path, _Said(text=value.text, names=_names(value.text), field=path)
        case Verbatim(expr):
            yield path, _Said(text=f"the text {expr.text}", names=frozenset(), field=path)
        case Listed(items):
            for number, item in enumerate(items, 1):
                yield from _in_value(item, f"{path}[{number}]")
        case Block():
            yield from _in_block(value, f"{path}[]." if value.each is not None else f"{path}.")
            if value.otherwise is not None:
                yield from ((f"{what} otherwise", each) for what, each in _in_value(value.otherwise, path))


def _names(text: str, *, template: bool = False) -> frozenset[str]:
    """Names an expression mentions, and its texts in quotes, among which tables are."""
    try:
        # a loop such as `line in order.lines` is a comparison for those who only want its names
        tree = Parsed(text.removesuffix(" descending"), template=template).tree
    except WrongError:
        return frozenset(re.findall(r"[A-Za-z]\w*", text))
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return frozenset(found | {f'"{value}"' for value in texts if isinstance(value, str)})
