"""Numbers: decimals that never become floats, and whole numbers within bounds."""

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mapping import other_languages
from mapping.places import either
from mapping.scope import UNKNOWN, Typed, call
from mapping.shapes import (
    Boolean,
    Date,
    Instant,
    Integer,
    ListOf,
    Number,
    Text,
    Type,
    as_number,
    joined,
    reading,
    wider,
)

if TYPE_CHECKING:
    from mapping.nodes.expression import Expression

_OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip


def binop(expression: "Expression", node: ast.BinOp) -> Typed:  # noqa: PLR0911 - one for each kind
    sign = _OPERATORS[type(node.op)]
    left = expression.value(node.left, f"before `{sign}`")
    right = expression.value(node.right, f"behind `{sign}`")
    if sign == "+" and isinstance(left.type, Text) and isinstance(right.type, Text):
        return expression.grown(ast.BinOp(left.code, ast.Add(), right.code))
    if sign == "+" and isinstance(left.type, ListOf) and isinstance(right.type, ListOf):
        return _lists(expression, node, left, right)
    for side, given in ((node.left, left), (node.right, right)):
        if not isinstance(given.type, Number | Integer):
            shown = expression.parsed.source(side)
            raise expression.wrong(
                side,
                f"is {given.type}, and `{sign}` takes numbers",
                reading(given.type, shown, Number()) or _arithmetic_hint(sign, given.type, shown),
            )
    code = ast.BinOp(left.code, node.op, right.code)
    expression.checker.counts = True
    if isinstance(left.type, Integer) and isinstance(right.type, Integer):
        return _whole(node, code, left, right)
    first, second = as_number(left.type), as_number(right.type)
    if isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod) and not second.finite:
        # by Infinity everything is 0
        code = ast.BinOp(left.code, node.op, call("_finite", right.code))
    match node.op:
        case ast.Div():
            return Typed(code, Number(exact=False, finite=first.finite))
        case ast.Mult():
            known = first.scale is not None and second.scale is not None
            scale = (first.scale or 0) + (second.scale or 0) if known else None
            finite = first.finite and second.finite
            return Typed(code, Number(scale=scale, exact=first.exact and second.exact, finite=finite))
        case ast.FloorDiv():
            return Typed(code, Number(scale=0, finite=first.finite))
        case _:
            return Typed(code, wider(first, second))


def _lists(expression: "Expression", node: ast.BinOp, left: Typed, right: Typed) -> Typed:
    made = joined(left.type, right.type)
    if made is None:
        raise expression.wrong(node.right, f"is {right.type}, behind {left.type}", "a list has values of one kind")
    both = [expression.checker.converted(each, made).code for each in (left, right)]
    return Typed(call("_steps.joined", *both), made, places=either(left.places, right.places))


def _whole(node: ast.BinOp, code: ast.BinOp, left: Typed, right: Typed) -> Typed:
    match node.op:
        case ast.Div():
            return Typed(ast.BinOp(call("_Decimal", left.code), ast.Div(), right.code), Number(exact=False))
        case ast.Mult() if left.constant is UNKNOWN and right.constant is UNKNOWN:
            return Typed(call("_times", left.code, right.code), Integer())
        case ast.Mult():
            return Typed(call("_bounded", code), Integer())
        case ast.FloorDiv():
            return Typed(call("_quotient", left.code, right.code), Integer())
        case ast.Mod():
            return Typed(call("_remainder", left.code, right.code), Integer())
        case _:
            return Typed(code, Integer())


def _arithmetic_hint(sign: str, type_: Type, shown: str) -> str:
    if isinstance(type_, Text):
        return (
            'join texts as f"{a}{b}"; to_decimal(…) reads a number' if sign == "+" else "to_decimal(…) reads a number"
        )
    if isinstance(type_, ListOf) and sign == "+":
        return "lists are joined with lists: [a] + [b]"
    if isinstance(type_, Date):
        return f"write add_days({shown}, {sign if sign == '-' else ''}30), or days_between({shown}, …)"
    return other_languages.later(shown, sign) if isinstance(type_, Instant) else ""


def unaryop(expression: "Expression", node: ast.UnaryOp) -> Typed:
    if isinstance(node.op, ast.Not):
        return Typed(expression.condition(node)[0], Boolean())
    given = expression.needs(node.operand, (Number, Integer), "behind `-`")
    if given.constant is not UNKNOWN:
        constant = -given.constant
        type_ = Integer(values=frozenset({constant})) if isinstance(constant, int) else given.type
        return Typed(expression.checker.constant(constant), type_, constant)
    type_ = given.type if isinstance(given.type, Number) else Integer()
    expression.checker.counts = True
    return Typed(ast.UnaryOp(ast.USub(), given.code), type_)
