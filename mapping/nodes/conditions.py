"""Conditions, comparisons and choices, with what they tell of values that may be absent."""

import ast
from typing import TYPE_CHECKING

from mapping.advice import turned
from mapping.places import Places, either
from mapping.scope import UNKNOWN, Facts, Typed, call
from mapping.shapes import (
    Boolean,
    Date,
    Instant,
    Integer,
    ListOf,
    MapOf,
    Never,
    Nothing,
    Number,
    Optional,
    Record,
    Several,
    Text,
    Type,
    bare,
    joined,
    reading,
)

if TYPE_CHECKING:
    from mapping.nodes.expression import Expression


#: Nanoseconds for each item that a value is compared to by `in`.
_LOOKED_AT = 50


def condition(expression: "Expression", node: ast.expr) -> tuple[ast.expr, Facts]:
    """A node asked whether it holds, and what is known then."""
    typed, facts = asked(expression, node)
    _answers(expression, node, typed)
    code = typed.code
    if isinstance(code, ast.Call) and isinstance(code.func, ast.Name) and code.func.id == "_bool":
        code = code.args[0]
    return code, facts


def asked(expression: "Expression", node: ast.expr) -> tuple[Typed, Facts]:
    """A node's value, and what its truth tells; each part is looked at once, however deep they are."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            code, facts = condition(expression, operand)
            return Typed(ast.UnaryOp(ast.Not(), code), Boolean()), Facts(facts.false, facts.true)
        case ast.BoolOp():
            return _junction(expression, node)
        case ast.Compare(ops=[ast.Is() | ast.IsNot() as op], comparators=[none]) if _is_none(none):
            return _absence(expression, node.left, op)
        case _:
            typed = expression.visit(node)
            there = frozenset({typed.path}) if typed.path and isinstance(typed.type, Optional) else frozenset[str]()
            return typed, Facts(true=there)


def _answers(expression: "Expression", node: ast.expr, typed: Typed) -> None:
    """Refuse what is neither true nor false, or always the one."""
    match typed.type:
        case Boolean() | Text() | ListOf() | MapOf() | Never():
            return
        case Optional(Record() | Text() | ListOf() | MapOf() | Boolean()):
            return
        case Record():
            raise expression.wrong(node, f"{expression.parsed.source(node)} is always there", "leave the condition out")
        case Optional():
            shown = expression.parsed.source(node)
            raise expression.wrong(node, "0 is not the same as absent", f"write `{shown} is not none`, or compare it")
        case _:
            shown = expression.parsed.source(node)
            raise expression.wrong(node, f"is {typed.type}, and a condition is needed", f"compare it: `{shown} != 0`")


def _is_none(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=None) | ast.Name(id="none"):
            return True
        case _:
            return False


def _absence(expression: "Expression", left: ast.expr, op: ast.cmpop) -> tuple[Typed, Facts]:
    given = expression.visit(left)
    if given.constant is not UNKNOWN and given.constant is not None:
        raise expression.wrong(left, f"{expression.parsed.source(left)} is always there", "leave the condition out")
    path = frozenset({given.path}) if given.path else frozenset[str]()
    code = ast.Compare(given.code, [op], [ast.Constant(None)])
    return Typed(code, Boolean()), (Facts(true=path) if isinstance(op, ast.IsNot) else Facts(false=path))


def _junction(expression: "Expression", node: ast.BoolOp) -> tuple[Typed, Facts]:
    parts: list[Typed] = []
    known, here = frozenset[str](), expression
    for each in node.values:
        typed, facts = asked(here, each)
        parts.append(typed)
        learnt = facts.true if isinstance(node.op, ast.And) else facts.false
        known |= learnt
        here = here.within(here.scope.knowing(learnt))
    if isinstance(node.op, ast.Or) and not any(isinstance(bare(each.type), Boolean) for each in parts):
        return _alternatives(expression, node, parts), Facts()
    for each, typed in zip(node.values, parts, strict=True):
        _answers(expression, each, typed)
    code: ast.expr = ast.BoolOp(node.op, [each.code for each in parts])
    if not all(isinstance(each.type, Boolean) for each in parts):
        code = call("_bool", code)
    return Typed(code, Boolean()), (Facts(true=known) if isinstance(node.op, ast.And) else Facts(false=known))


def _alternatives(expression: "Expression", node: ast.BoolOp, parts: list[Typed]) -> Typed:
    """`a or b`: the first that is there and not empty."""
    for part, typed in zip(node.values[:-1], parts, strict=False):
        if isinstance(bare(typed.type), Number | Integer):
            shown = expression.parsed.source(part)
            raise expression.wrong(part, "0 would count as absent", f"write default({shown}, …)")
    made = parts[-1].type
    for typed in parts[:-1]:
        both = joined(bare(typed.type), made)
        if both is None:
            raise expression.wrong(node, f"is {typed.type}, or {made}", "both sides of `or` must be of one kind")
        made = both
    code = ast.BoolOp(ast.Or(), [expression.checker.converted(each, made).code for each in parts])
    return Typed(code, made, places=either(*(each.places for each in parts)))


def boolop(expression: "Expression", node: ast.BoolOp) -> Typed:
    """`and`, `or`."""
    return asked(expression, node)[0]


def ifexp(expression: "Expression", node: ast.IfExp) -> Typed:
    test, facts = expression.condition(node.test)
    body = expression.within(expression.scope.knowing(facts.true)).visit(node.body)
    orelse = expression.within(expression.scope.knowing(facts.false)).visit(node.orelse)
    made = joined(body.type, orelse.type)
    if made is None:
        raise expression.wrong(node, f"is {body.type}, or else {orelse.type}", "both must be of one kind")
    body, orelse = expression.checker.converted(body, made), expression.checker.converted(orelse, made)
    return Typed(ast.IfExp(test, body.code, orelse.code), made, places=_chosen(body, orelse))


def _chosen(*either_: Typed) -> Places:
    """Where one of several values stands; what is nothing, or was written down, stands nowhere and is no record."""
    there = [each.places for each in either_ if not isinstance(each.type, Nothing | Never)]
    return either(*there)


def compare(expression: "Expression", node: ast.Compare) -> Typed:
    """A comparison, or several in a chain."""
    if any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
        if len(node.ops) == 1 and _is_none(node.comparators[0]):
            return asked(expression, node)[0]
        write = "write `!=`, or `is not none`" if isinstance(node.ops[0], ast.IsNot) else "write `==`, or `is none`"
        raise expression.wrong(node, "`is` asks only whether something is absent", write)
    left, place = expression.visit(node.left), node.left
    first, codes = _finite(left), []
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = expression.visit(right_node)
        _comparable(expression, place, left, op, right_node, right)
        right = _read(expression, op, right)
        codes.append(_finite(right))
        left, place = right, right_node
    return Typed(ast.Compare(first, node.ops, codes), Boolean())


def _read(expression: "Expression", op: ast.cmpop, given: Typed) -> Typed:
    """What is looked through for a value, or compared to its end."""
    if isinstance(op, ast.In | ast.NotIn):
        if isinstance(given.type, ListOf) and given.constant is UNKNOWN:
            return Typed(call("_steps.worked", given.code, ast.Constant(_LOOKED_AT)), given.type)
        return expression.charged(given)
    inner = bare(given.type)
    return expression.charged(given) if isinstance(inner, Text) and inner.values is None else given


def _finite(given: Typed) -> ast.expr:
    """NaN is equal to nothing, and Infinity more than everything."""
    inner = bare(given.type)
    if not isinstance(inner, Number) or inner.finite:
        return given.code
    return call("_finite_or_none" if isinstance(given.type, Optional) else "_finite", given.code)


def _comparable(
    expression: "Expression", left_node: ast.expr, left: Typed, op: ast.cmpop, right_node: ast.expr, right: Typed
) -> None:
    match op:
        case ast.In() | ast.NotIn():
            inside = expression.value(right_node, "behind `in`").type
            item = inside.item if isinstance(inside, ListOf) else Text() if isinstance(inside, MapOf | Text) else None
            if item is None:
                raise expression.wrong(right_node, f"is {inside}, and nothing is in that", 'write a list: ["a", "b"]')
            if isinstance(inside, Text) and isinstance(left.type, Optional | Nothing):
                raise expression.absent(left_node, left, "where it is looked for in a text")
            if not _written(right_node) or not isinstance(bare(item), ListOf):
                _simple(expression, left_node, left.type)
            _same_kind(expression, left_node, bare(left.type), right_node, bare(item))
        case ast.Eq() | ast.NotEq():
            _not_with_none(expression, left_node, left, op, right_node, right)
            if not _written(left_node) and not _written(right_node):
                _simple(expression, left_node, left.type)
                _simple(expression, right_node, right.type)
            _same_kind(expression, left_node, bare(left.type), right_node, bare(right.type))
        case _:
            for node, each in ((left_node, left), (right_node, right)):
                if isinstance(each.type, Optional | Nothing):
                    raise expression.absent(node, each, "where it is compared")
                if not isinstance(each.type, Number | Integer | Date | Instant | Text):
                    raise expression.wrong(
                        node, f"is {each.type}, which has no order", reading(each.type, expression.parsed.source(node))
                    )
            _same_kind(expression, left_node, left.type, right_node, right.type)


def _not_with_none(
    expression: "Expression", left_node: ast.expr, left: Typed, op: ast.cmpop, right_node: ast.expr, right: Typed
) -> None:
    """Whether a record, list or map is there is asked by `is none`."""
    for node, each, other in ((left_node, left, right), (right_node, right, left)):
        if isinstance(other.type, Nothing) and isinstance(bare(each.type), ListOf | MapOf | Record | Several):
            asks = "is none" if isinstance(op, ast.Eq) else "is not none"
            write = f"write {expression.parsed.source(node)} {asks}"
            raise expression.wrong(node, f"is {each.type}, and only single values are compared", write)


def _written(node: ast.expr) -> bool:
    """Whether it is written down: to compare with it takes no longer than it is."""
    kinds = ast.List | ast.Tuple | ast.Dict | ast.Constant | ast.UnaryOp | ast.unaryop | ast.Load
    return all(isinstance(each, kinds) for each in ast.walk(node))


def _simple(expression: "Expression", node: ast.expr, given: Type) -> None:
    """Whether it is one value: lists may hold the same list many times over, and to compare two has no bounds."""
    if isinstance(bare(given), ListOf | MapOf | Record | Several):
        shown = expression.parsed.source(node)
        write = (
            f"ask for one of its fields: {shown}.…"
            if isinstance(bare(given), Record)
            else f"ask what you want to know of it: count({shown}) == 0, any(… for each in {shown})"
        )
        raise expression.wrong(node, f"is {given}, and only single values are compared", write)


def _same_kind(expression: "Expression", left_node: ast.expr, left: Type, right_node: ast.expr, right: Type) -> None:
    if joined(left, right) is None:
        write = (
            reading(right, expression.parsed.source(right_node), left)
            or reading(left, expression.parsed.source(left_node), right)
            or _compare_hint(expression, left, right_node, right)
        )
        raise expression.wrong(right_node, f"is {right}, compared with {left}", write)
    if (isinstance(left, Text) and isinstance(right, Text)) or (
        isinstance(left, Integer) and isinstance(right, Integer)
    ):
        for node, one, other in ((right_node, left, right), (left_node, right, left)):
            # what is written down must be possible, where the other side is one of some values; one value alone may be
            # a setting of the mapping, which an extension replaces
            if (
                one.values
                and len(one.values) > 1
                and other.values
                and isinstance(node, ast.Constant | ast.List | ast.Tuple)
            ):
                strange = sorted(frozenset[object](other.values) - one.values, key=str)
                if strange and not isinstance(left_node, ast.Constant):
                    raise expression.wrong(
                        node,
                        f"{', '.join(map(repr, strange))} is impossible here",
                        f"possible are {', '.join(sorted(map(str, one.values)))}",
                    )


def _compare_hint(expression: "Expression", left: Type, node: ast.expr, right: Type) -> str:
    """What to write behind `==` instead of a node."""
    shown = expression.parsed.source(node)
    match left, right:
        case Text(), Integer() | Number() if isinstance(node, ast.Constant):
            return f'a text stands in quotes: "{shown}"'
        case Integer() | Number(), Text() if shown[1:-1].isdigit():
            return f"a number stands without quotes: {shown[1:-1]}"
        case _:
            return turned(right, left, shown)
