"""Everything a mapping says, by what it says it of: for what changed between two, and for what one replaces."""

import ast
import re
from collections.abc import Iterator

import msgspec

from mapping.expressions import Parsed
from mapping.messages import WrongError
from mapping.spec import Block, Expr, Listed, Named, Part, Spec, Value, Verbatim


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a mapping says."""

    text: str
    #: Where it stands; None of a lookup table and of the version.
    at: Expr | Named | None = None
    #: Names and lookup tables its expressions mention.
    names: frozenset[str] = frozenset()
    #: Where it may be mentioned: `lines[].`; None where nobody can mention it.
    within: str | None = None
    #: By what name.
    name: str = ""
    #: The field it makes; empty for what is only mentioned.
    field: str = ""
    #: Field below which all depends on it.
    governs: str = ""


def said(spec: Spec) -> Iterator[tuple[str, Said]]:
    """Each thing by its path: `lines[].unit_price`, `lines[] let price`, `statuses state_of.paid`."""
    yield "version", Said(text=str(spec.version))
    for label, expr in (("to", spec.to), ("unmapped", spec.unmapped), ("extends", spec.extends)):
        if expr is not None:
            yield label, Said(text=expr.text, at=expr)
    for named, expr in spec.given:
        yield f"from {named.text}", Said(text=expr.text, at=named, within="", name=named.text)
    for expr in (*spec.rules, *spec.ignored):
        yield f"{'rules' if expr in spec.rules else 'ignored'} {expr.text}", Said(text=expr.text, at=expr)
    for table, inverts in spec.lookups.items():
        yield f"lookups {table}", Said(text="inverts" if inverts else "read", within="", name=f'"{table}"')
    for statuses in spec.statuses:
        name = statuses.name.text
        # a row reaches whatever is made with the map
        rows: list[tuple[str, str, Expr | Named]] = [
            (f"{name}.{key.text}", value.text, key) for key, value in statuses.values
        ]
        if statuses.otherwise is not None:
            rows.append((f"{name} otherwise", statuses.otherwise.text, statuses.otherwise))
        for row, text, at in [*rows, (f"{name} inverts", str(statuses.inverts).lower(), statuses.name)]:
            yield f"statuses {row}", Said(text=text, at=at, within="", name=name)
    for part in spec.parts:
        yield from _in_part(part)
    yield from _in_block(spec.block, "")


def _in_part(part: Part) -> Iterator[tuple[str, Said]]:
    name = part.name.text
    for what, each in _in_block(part.block, ""):
        inside = msgspec.structs.replace(each, at=part.name, field="", governs="", within="", name=name)
        yield f"parts {name}: {what}", inside
    given = ", ".join(f"{named.text}: {expr.text}" for named, expr in part.given)
    for label, text in (
        ("from", given),
        ("to", part.to.text),
        ("value", part.value.text if part.value is not None else ""),
    ):
        if text:
            yield f"parts {name}: {label}", Said(text=text, at=part.name, names=_names(text), within="", name=name)


def _in_block(block: Block, path: str) -> Iterator[tuple[str, Said]]:
    at = path.rstrip(".")
    lead = f"{at} " if at else ""
    each = {"each": block.each, "where": block.where, "having": block.having, "when": block.when}
    for label, expr in each.items():
        if expr is not None:
            yield f"{lead}{label}", Said(text=expr.text, at=expr, names=_names(expr.text), governs=at)
    if block.order_by:
        text = ", ".join(expr.text for expr in block.order_by)
        names = frozenset[str]().union(*(_names(expr.text) for expr in block.order_by))
        yield f"{lead}order by", Said(text=text, at=block.order_by[0], names=names, governs=at)
    for named, expr in block.group_by:
        text = f"{named.text}: {expr.text}"
        names = _names(expr.text)
        yield f"{lead}group by {named.text}", Said(text=text, at=expr, names=names, governs=at, name=named.text)
    for named, expr in block.let:
        yield (
            f"{lead}let {named.text}",
            Said(text=expr.text, at=named, names=_names(expr.text), within=path, name=named.text),
        )
    for number, requirement in enumerate(block.require):
        fields = [one.field.text if one.field else at for one in block.require]
        field = fields[number]
        again = f" ({fields[:number].count(field) + 1})" if fields.count(field) > 1 else ""
        names = _names(requirement.that.text) | _names(requirement.say.text, template=True)
        what = f"{lead}require {field}{again}"
        text = f"{requirement.that.text}: {requirement.say.text}"
        yield what, Said(text=text, at=requirement.that, names=names, field=what)
    for named, value in block.fields:
        yield from _in_value(named, value, f"{path}{named.text}")


def _in_value(at: Named, value: Value, path: str) -> Iterator[tuple[str, Said]]:
    match value:
        case Expr():
            yield path, Said(text=value.text, at=at, names=_names(value.text), field=path)
        case Verbatim(expr):
            yield path, Said(text=f"the text {expr.text}", at=at, field=path)
        case Listed(items):
            for number, item in enumerate(items, 1):
                yield from _in_value(at, item, f"{path}[{number}]")
        case Block():
            yield from _in_block(value, f"{path}[]." if value.each is not None else f"{path}.")
            if value.otherwise is not None:
                yield from ((f"{what} otherwise", each) for what, each in _in_value(at, value.otherwise, path))


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
