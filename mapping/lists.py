"""Lists of a record: blocks repeated for the turns of a loop, and what stands beside them in the same list."""

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from mapping.expressions import Parsed
from mapping.messages import WrongError
from mapping.nodes import loops
from mapping.places import NOWHERE, around
from mapping.scope import Scope, code_of
from mapping.shapes import (
    Boolean,
    Broken,
    Date,
    Field,
    Instant,
    Integer,
    ListOf,
    Number,
    Record,
    Several,
    Text,
    Type,
    bare,
)
from mapping.spec import Block, Expr, Listed, Named, Value, Verbatim

if TYPE_CHECKING:
    from mapping.body import Body

_DESCENDING = " descending"
Let = tuple[tuple[Named, Expr], ...]


def listed(body: "Body", at: Named, value: Block | Listed, field: Field, scope: Scope, path: str) -> str:
    """The code of a list: a block for each turn of a loop, or several blocks and expressions that add to it."""
    wanted = bare(field.type)
    items = value.items if isinstance(value, Listed) else (value,)
    if not isinstance(wanted, ListOf):
        write = "write [… for … in …] for a list of values" if isinstance(value, Block) else "write one of them"
        body.told.say(at, f"is {wanted}, not a list", write)
        return "None"
    made = body.fresh(field.name)
    body.writer.line(f"{made} = []")
    for item in items:
        _add(body, at, item, made, wanted, scope, path)
    return f"_tuple({made})"


def _add(body: "Body", at: Named, item: Value, made: str, wanted: ListOf, scope: Scope, path: str) -> None:
    """What one block or expression adds to a list."""
    inside = f"{path}[{{{made}}}]"
    match item:
        case Expr() | Verbatim():
            _add_value(body, item, made, wanted, scope, inside)
        case Listed():
            body.told.say(at, "is a list within a list", "write its blocks one below the other")
        case Block() if not isinstance(wanted.item, Record):
            body.told.say(at, f"is {wanted}, not a list of records", "write [… for … in …] for a list of values")
        case Block(each=Expr()):
            _turns(body, item, made, wanted.item, scope, path)
        case Block(when=Expr() as when):
            with body.told.about(when):
                test, facts = body.checker.condition(Parsed(when.text), scope)
                body.writer.line(f"if {code_of(test)}:", inside)
                body.writer.within()
                _add_record(body, item, made, wanted.item, scope.knowing(facts.true), inside)
                body.writer.without()
                if item.otherwise is not None:
                    body.writer.line("else:")
                    body.writer.within()
                    _add(body, at, item.otherwise, made, wanted, scope.knowing(facts.false), path)
                    body.writer.without()
        case Block():
            _add_record(body, item, made, wanted.item, scope, inside)


def _add_value(body: "Body", item: Expr | Verbatim, made: str, wanted: ListOf, scope: Scope, path: str) -> None:
    """One value of a list, or all of another list."""
    if isinstance(item, Verbatim):
        body.writer.line(f"{made}.append({body.verbatim(item.value, wanted.item)})", path)
        return
    with body.told.about(item):
        parsed = Parsed(item.text)
        typed = body.checker.check(parsed, scope)
        body.checker.whole(typed)
        several = isinstance(bare(typed.type), ListOf)
        code = code_of(body.checker.fitted(typed, wanted if several else wanted.item, parsed, parsed.tree))
        add = f"extend(_steps.over({code}, 1))" if several else f"append({code})"
        body.writer.line(f"{made}.{add}", path)


def _add_record(body: "Body", block: Block, made: str, wanted: Record, scope: Scope, path: str) -> None:
    if block.number is not None:
        with body.told.about(block.number):
            loops.new_name(block.number.text, scope, Parsed("none"), ast.Constant(None))
            body.writer.line(f"{block.number.text} = _len({made}) + 1")
            scope = scope.naming({block.number.text: Integer()})
    record = body.record(block, wanted, scope, f"{path}.")
    body.writer.value(f"{made}.append(", record, ")", path)


def _turns(body: "Body", block: Block, made: str, wanted: Record, scope: Scope, path: str) -> None:
    """A record for each turn of a loop."""
    assert block.each is not None
    inside = f"{path}[{{{made}}}]"
    with body.told.about(block.each):
        loop = body.checker.loop(block.each.text, scope)
        inner, head, where = loop.scope, (code_of(loop.target), code_of(loop.over)), block.where
        # a group within a group is called as that is
        outer = body.fresh("group") if block.group_by and "group" in scope.variables else ""
        if outer:
            body.writer.line(f"{outer} = group")
        if block.group_by:
            inner, head, block = _grouped(body, block, loop, scope, path)
            where = block.having
        if block.order_by:
            inner, head, block = _ordered(body, block, head, inner, where, path)
            where = None
        body.writer.line(f"for {head[0]} in {head[1]}:", path)
        body.writer.within()
        if where is not None:
            inner, block = _filtered(body, block, where, inner, inside)
        _add_record(body, block, made, wanted, inner, inside)
        body.writer.without()
        if outer:
            body.writer.line(f"group = {outer}")
        body.checker.weighed(loop)


def _named_before(body: "Body", block: Block, asked: Iterable[Expr], scope: Scope, path: str) -> tuple[Scope, Block]:
    """Named values that a condition or an order asks for, worked out before it; and the block with the others."""
    wanted = {name for expr in asked for name in _names(expr)}
    for named, expr in reversed(block.let):
        if named.text in wanted:
            wanted |= _names(expr)
    before = tuple(pair for pair in block.let if pair[0].text in wanted)
    rest = tuple(pair for pair in block.let if pair[0].text not in wanted)
    return body.named(before, scope, f"{path}."), msgspec.structs.replace(block, let=rest)


def _names(expr: Expr) -> set[str]:
    try:
        tree = Parsed(expr.text.rstrip().removesuffix(_DESCENDING)).tree
    except WrongError:
        return set()  # told where it is checked
    return {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}


def _filtered(body: "Body", block: Block, where: Expr, scope: Scope, path: str) -> tuple[Scope, Block]:
    scope, block = _named_before(body, block, [where], scope, path)
    with body.told.about(where):
        test, facts = body.checker.condition(Parsed(where.text), scope)
        body.writer.line(f"if not ({code_of(test)}):", path)
        body.writer.line("    continue")
        scope = scope.knowing(facts.true)
    return scope, block


def _grouped(
    body: "Body", block: Block, loop: loops.Loop, scope: Scope, path: str
) -> tuple[Scope, tuple[str, str], Block]:
    """One turn for each value of `group by`, in the order they came first."""
    groups = body.fresh("groups")
    body.writer.line(f"{groups} = {{}}")
    body.writer.line(f"for {code_of(loop.target)} in {code_of(loop.over)}:", path)
    body.writer.within()
    inner = loop.scope
    if block.where is not None:
        inner, block = _filtered(body, block, block.where, inner, path)
    inner, block = _named_before(body, block, [expr for _, expr in block.group_by], inner, path)
    names: dict[str, Type] = {}
    codes = []
    for named, expr in block.group_by:
        typed = body.check(expr, inner)
        key: Type = typed.type if typed is not None else Broken()
        if typed is not None and not isinstance(bare(key), Text | Integer | Number | Boolean | Date | Instant):
            body.told.say(expr, f"is {key}, and groups have a simple value", "write one of its fields")
        if named.text == "key" and "key" in scope.variables and "group" in scope.variables:
            called = expr.text.strip().rpartition(".")[2]
            write = f"write group by: {{{called if called.isidentifier() else 'name'}: {expr.text.strip()}}}"
            body.told.say(expr, "key is the outer group's value", write)
        else:
            with body.told.about(named):
                loops.new_name(named.text, scope.naming(names), Parsed("none"), ast.Constant(None))
        names[named.text] = key
        codes.append(code_of(typed))
    heads = [*names]
    key_code, key_names = (
        (codes[0], heads[0]) if len(codes) == 1 else (f"({', '.join(codes)})", f"({', '.join(heads)})")
    )
    turn = loop.names[0] if len(loop.names) == 1 else f"({', '.join(loop.names)})"
    body.writer.line(f"{groups}.setdefault({key_code}, []).append({turn})", path)
    body.writer.without()
    if "group" in scope.variables and scope.variables["group"] not in body.groups:
        body.told.say(block.group_by[0][1], "group is something else already, and groups use it", "choose another name")
    types = tuple(loop.scope.variables[each] for each in loop.names)
    names["group"] = ListOf(types[0] if len(types) == 1 else Several(types))
    body.groups.append(names["group"])
    places = loop.scope.places.get(loop.names[0], NOWHERE) if len(types) == 1 else NOWHERE
    inside = scope.naming(names, {"group": around(places)})
    return (
        Scope(
            variables=inside.variables,
            present=inside.present,
            depth=scope.depth + 1,
            own=frozenset(names) if loop.scope.own else frozenset(),
            parts=inside.parts | (frozenset({"group"}) if loop.scope.own else frozenset()),
            places=inside.places,
        ),
        (f"{key_names}, group", f"{groups}.items()"),
        block,
    )


def _ordered(
    body: "Body", block: Block, head: tuple[str, str], scope: Scope, where: Expr | None, path: str
) -> tuple[Scope, tuple[str, str], Block]:
    """The turns in the order of one or several keys, with what was named for them."""
    turns = body.fresh("turns")
    body.writer.line(f"{turns} = []")
    body.writer.line(f"for {head[0]} in {head[1]}:", path)
    body.writer.within()
    let = block.let
    if where is not None:
        scope, block = _filtered(body, block, where, scope, path)
    scope, block = _named_before(body, block, block.order_by, scope, path)
    keys, ways = [], []
    for expr in block.order_by:
        text = expr.text.rstrip()
        ways.append(text.endswith(_DESCENDING))
        with body.told.about(expr):
            typed = body.checker.check(Parsed(text.removesuffix(_DESCENDING)), scope)
            if not loops.has_order(typed.type):
                body.told.say(
                    expr, f"is {typed.type}, and that has no order", "say what it is where it is absent: default(…)"
                )
            keys.append(code_of(typed))
    carried = "".join(f", {named.text}" for named, _ in let if named.text not in {each.text for each, _ in block.let})
    body.writer.line(f"{turns}.append(({', '.join(keys)}, {head[0]}{carried}))", path)
    body.writer.without()
    # sorts are stable: the last key first
    for place in reversed(range(len(keys))):
        reverse = ", reverse=True" if ways[place] else ""
        body.writer.line(f"{turns}.sort(key=_item({place}){reverse})", path)
    blanks = "".join("_, " for _ in keys)
    return scope, (f"{blanks}{head[0]}{carried}", turns), block
