"""Texts put together, lists and maps."""

import ast
from typing import TYPE_CHECKING

import msgspec

from mapping.advice import turned
from mapping.functions import USUAL
from mapping.nodes import loops
from mapping.places import around, either
from mapping.runtime import STEP
from mapping.scope import UNKNOWN, Typed, call, method
from mapping.shapes import (
    Anything,
    Date,
    Instant,
    Integer,
    ListOf,
    MapOf,
    Never,
    Number,
    Same,
    Text,
    Type,
    bare,
    joined,
    reading,
)

if TYPE_CHECKING:
    from mapping.nodes.expression import Expression


def joinedstr(expression: "Expression", node: ast.JoinedStr) -> Typed:
    parts: list[ast.expr] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(part)
        elif isinstance(part, ast.FormattedValue):
            parts.append(ast.FormattedValue(_shown(expression, part.value), -1, None))
    if all(isinstance(part, ast.Constant) for part in parts):
        text = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
        return Typed(ast.Constant(text), Text(frozenset({text})), text)
    if (
        len(parts) == 1
        and isinstance(parts[0], ast.FormattedValue)
        and isinstance(parts[0].value, ast.Attribute | ast.Name)
    ):
        return Typed(call("_str", parts[0].value), Text())
    code: ast.expr = ast.JoinedStr(parts)
    try:
        ast.unparse(code)
    except ValueError:  # texts within texts, with more kinds of quotes than Python has
        pieces = [part.value if isinstance(part, ast.FormattedValue) else part for part in parts]
        code = method(ast.Constant(""), "join", ast.Tuple([call("_str", piece) for piece in pieces], ast.Load()))
    return expression.grown(code)


def _shown(expression: "Expression", node: ast.expr) -> ast.expr:
    given = expression.value(node, "within a text")
    match given.type:
        case Text() | Integer():
            return given.code
        case Number(exact=False):
            shown = expression.parsed.source(node)
            raise expression.wrong(node, "is a quotient, and may have no end", f"write round({shown}, 2)")
        case Number():
            return call("_plain", given.code)
        case Date() | Instant():
            return method(given.code, "isoformat")
        case _:
            shown = expression.parsed.source(node)
            write = reading(given.type, shown, Text()) or turned(given.type, Text(), shown)
            raise expression.wrong(node, f"{given.type} has no text of its own", write)


def grown(expression: "Expression", code: ast.expr) -> Typed:
    """A text longer than its parts, held within bounds."""
    free = not expression.scope.depth and expression.checker.is_free()
    return Typed(call("_text" if free else "_steps.text", code), Text())


def is_free(expression: "Expression", given: Typed) -> bool:
    """Whether what is made of a value and no longer than it goes unpaid, being made but once of each."""
    once = not expression.scope.depth or (bool(expression.scope.own) and expression.scope.is_own(given.code))
    return once and expression.checker.is_free()


def paid(code: ast.expr, type_: Type) -> ast.expr:
    """What a function gives, paid by its length."""
    return call("_steps.made", code) if isinstance(bare(type_), Text | ListOf | MapOf | Anything | Same) else code


def unpaid(given: Typed) -> Typed:
    """A text that is gone again with the call it is made for."""
    match given.code:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="_steps"), attr="made"), args=[made]):
            return msgspec.structs.replace(given, code=made)
        case _:
            return given


def charged(expression: "Expression", given: Typed) -> Typed:
    """A text or list that a loop reads at every turn though it is not the loop's own: its length counts each time."""
    if not expression.scope.depth or given.constant is not UNKNOWN or expression.scope.is_own(given.code):
        return given
    return read(expression, given)


def read(expression: "Expression", given: Typed, rate: int = USUAL) -> Typed:
    """A text or list that is read, paid by its length; with `rate` by what reading takes for each character or item."""
    type_ = bare(given.type)
    if not isinstance(type_, Text | ListOf | MapOf | Anything):
        return given
    if given.constant is not UNKNOWN:
        expression.checker.weight += len(str(given.constant)) * rate // STEP
        return given
    inner = (
        bare(type_.item if isinstance(type_, ListOf) else type_.value) if isinstance(type_, ListOf | MapOf) else None
    )
    if isinstance(type_, Anything):
        code = call("_steps.any", given.code, ast.Constant(rate))
    elif isinstance(inner, Text):
        code = call("_steps.texts", given.code, ast.Constant(rate))
    elif rate > USUAL:
        code = call("_steps.worked", given.code, ast.Constant(rate))
    else:
        code = call("_steps.sized", given.code)
    return Typed(code, given.type, path=given.path, places=given.places)


def list_of(expression: "Expression", node: ast.List | ast.Tuple) -> Typed:
    items = [expression.visit(each) for each in node.elts]
    made: Type = Never()
    for place, each in zip(node.elts, items, strict=True):
        both = joined(made, each.type)
        if both is None:
            raise expression.wrong(place, f"is {each.type} in a list of {made}", "a list has values of one kind")
        made = both
    codes = [expression.checker.converted(each, made).code for each in items]
    places = around(either(*(each.places for each in items)))
    return Typed(ast.Tuple(codes, ast.Load()), ListOf(made), places=places)


def map_of(expression: "Expression", node: ast.Dict) -> Typed:
    keys, values = [], []
    made: Type = Never()
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise expression.wrong(node, "mappings know no `**`", "name the values")
        keys.append(expression.needs(key, (Text,), "as a map's key").code)
        given = expression.visit(value)
        both = joined(made, given.type)
        if both is None:
            raise expression.wrong(value, f"is {given.type} in a map of {made}", "a map has values of one kind")
        made = both
        values.append(given)
    codes = [expression.checker.converted(each, made).code for each in values]
    constant = [each.value for each in keys if isinstance(each, ast.Constant)]
    if len(set(constant)) < len(constant):
        raise expression.wrong(node, "a name stands here twice", "leave one of them out")
    if len(constant) < len(keys) > 1:
        pairs = [ast.Tuple([key, value], ast.Load()) for key, value in zip(keys, codes, strict=True)]
        return Typed(call("_by_name", ast.Tuple([*pairs], ast.Load())), MapOf(made))
    return Typed(ast.Dict(list(keys), codes), MapOf(made))


def listcomp(expression: "Expression", node: ast.ListComp | ast.GeneratorExp) -> Typed:
    """`[x for y in z]`."""
    generators, item = loops.comprehension(expression, node, lambda here: here.visit(node.elt))
    code = call("_tuple", ast.ListComp(item.code, generators))
    return Typed(code, ListOf(item.type), places=around(item.places))


def dictcomp(expression: "Expression", node: ast.DictComp) -> Typed:
    """`{k: v for k, v in m.items()}`."""
    generators, (key, value) = loops.comprehension(
        expression, node, lambda here: (here.needs(node.key, (Text,), "as a map's key"), here.visit(node.value))
    )
    if _keeps_names(node):
        return Typed(ast.DictComp(key.code, value.code, generators), MapOf(value.type))
    pairs = ast.GeneratorExp(ast.Tuple([key.code, value.code], ast.Load()), generators)
    return Typed(call("_by_name", pairs), MapOf(value.type))


def _keeps_names(node: ast.DictComp) -> bool:
    """Whether it runs over one map and leaves its names as they are, so that none comes twice."""
    match node:
        case ast.DictComp(
            key=ast.Name(id=name),
            generators=[
                ast.comprehension(
                    target=ast.Tuple(elts=[ast.Name(id=first), _]), iter=ast.Call(func=ast.Attribute(attr="items"))
                )
            ],
        ):
            return name == first
    return False
