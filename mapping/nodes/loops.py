"""Loops: what `for … in …` may run over, and what its turns are charged where they could multiply."""

import ast
import keyword
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mapping.expressions import Parsed
from mapping.places import NOWHERE, Places, inside
from mapping.scope import Scope, Typed, call, method, name
from mapping.shapes import Date, Instant, Integer, ListOf, MapOf, Number, Several, Text, Type, reading

if TYPE_CHECKING:
    from mapping.nodes.expression import Expression

T = TypeVar("T")

#: Names that mean something everywhere.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}", re.ASCII)
RESERVED = frozenset({"true", "false", "none", "unset", "now", "lookups"})


class Loop(msgspec.Struct, frozen=True):
    """What a loop binds and runs over."""

    target: ast.expr
    over: ast.expr
    names: tuple[str, ...]
    scope: Scope
    #: Name of the constant that says what a turn costs.
    weight: str
    #: What had been looked at before it.
    begun: int
    #: How often it runs where that is written down.
    turns: int | None = None
    #: Those around it that were written with it: `line in order.lines for part in line.parts`.
    around: "tuple[Loop, ...]" = ()


def loop(expression: "Expression", generator: ast.comprehension) -> Loop:
    """Check one `for`.

    Its turns are paid, each as many parts as it has, which is known when what is in it was looked at
    (`Checker.weighed`). Linear is a loop over a list of the record that is in no other loop, or that belongs to the
    turn it is in: each of its texts is then read at one turn only, and need not be paid.
    """
    over, item, path, turns = _iterable(expression, generator.iter)
    if any(isinstance(each, ast.NamedExpr) for each in ast.walk(over)):
        write = "give what it runs over a name under `let:`, or that name in a part: `for piece in pieces(line)`"
        raise expression.wrong(generator.iter, "too much for one `for`", write)
    names = _names(expression, generator.target)
    types = item.of if isinstance(item, Several) else (item,)
    if len(names) != len(types):
        given = f"{len(types)} names" if len(types) > 1 else "one name"
        raise expression.wrong(generator.target, f"each turn gives {len(types)} values", f"write {given} before `in`")
    scope = expression.scope
    linear = scope.is_part(path) and (scope.depth == 0 or path.split(".")[0] in scope.own)
    weight = expression.checker.fresh("weight")
    written = len(over.elts) if isinstance(over, ast.Tuple) and not isinstance(item, Several) else None
    if written is None:
        over = call("_steps.over", over, name(weight))
    inner = scope.looping(dict(zip(names, types, strict=True)), dict(zip(names, turns, strict=True)), linear=linear)
    made = [ast.Name(each, ast.Store()) for each in names]
    target: ast.expr = made[0] if len(made) == 1 else ast.Tuple(list(made), ast.Store())
    return Loop(target, over, names, inner, weight, expression.checker.weight, written)


def together(runs: list[Loop]) -> Loop:
    """Several loops as one over the turns of all of them."""
    if len(runs) == 1:
        return runs[0]
    names = tuple(called for run in runs for called in run.names)
    over = ast.GeneratorExp(
        ast.Tuple([name(each) for each in names], ast.Load()),
        [ast.comprehension(run.target, run.over, [], 0) for run in runs],
    )
    target = ast.Tuple([ast.Name(each, ast.Store()) for each in names], ast.Store())
    return msgspec.structs.replace(runs[-1], target=target, over=over, names=names, around=tuple(runs[:-1]))


def comprehension(
    expression: "Expression", node: ast.ListComp | ast.DictComp | ast.GeneratorExp, element: Callable[["Expression"], T]
) -> tuple[list[ast.comprehension], T]:
    """Check a comprehension: its `for` and `if`, then with `element` what is made of each turn."""
    generators, runs, here = [], [], expression
    for generator in node.generators:
        run = loop(here, generator)
        runs.append(run)
        here = here.within(run.scope)
        conditions = []
        for test in generator.ifs:
            code, facts = here.condition(test)
            conditions.append(code)
            here = here.within(here.scope.knowing(facts.true))
        generators.append(ast.comprehension(run.target, run.over, conditions, 0))
    made = element(here)
    for run in runs:
        expression.checker.weighed(run)
    return generators, made


def _iterable(expression: "Expression", node: ast.expr) -> tuple[ast.expr, Type, str, tuple[Places, ...]]:
    """What is run over, what each turn gives, the path if it is the record's own list, and where each turn stands."""
    match node:
        case ast.Call(func=ast.Name(id="zip"), args=[_, _, *_] as lists, keywords=[]):
            each = [_list(expression, part) for part in lists]
            turns = tuple(inside(typed.places) for typed, _ in each)
            return call("_zip", *(typed.code for typed, _ in each)), Several(tuple(item for _, item in each)), "", turns
        case ast.Call(func=ast.Name(id="zip")):
            raise expression.wrong(node, "zip runs over two lists or more", "write zip(order.lines, taxes)")
        case ast.Call(func=ast.Name(id="enumerate"), args=[of, *first], keywords=[]) if len(first) < 2:
            typed, item = _list(expression, of)
            begun = expression.needs(first[0], (Integer,), "as the first number") if first else None
            code = call("_tuple", call("_enumerate", typed.code, *([begun.code] if begun is not None else [])))
            return code, Several((Integer(), item)), typed.path, (NOWHERE, inside(typed.places))
        case ast.Call(func=ast.Attribute(value=of, attr="items"), args=[], keywords=[]):
            given = expression.value(of, "where a loop runs over it")
            if isinstance(given.type, MapOf):
                turns = (NOWHERE, inside(given.places))
                return method(given.code, "items"), Several((Text(), given.type.value)), given.path, turns
            raise expression.wrong(of, f"is {given.type}, and only a map has items")
        case ast.List() | ast.Tuple():
            # as few as were written down
            typed, item = _list(expression, node)
            return typed.code, item, next(iter(expression.scope.parts), ""), (inside(typed.places),)
        case _:
            typed, item = _list(expression, node)
            turns = (inside(typed.places),) if not isinstance(item, Several) else tuple(NOWHERE for _ in item.of)
            return typed.code, item, typed.path, turns


def _list(expression: "Expression", node: ast.expr) -> tuple[Typed, Type]:
    given = expression.value(node, "where a loop runs over it")
    match given.type:
        case ListOf(item):
            return given, item
        case MapOf():
            shown = expression.parsed.source(node)
            raise expression.wrong(
                node, "a loop over a map needs names and values", f"write name, value in {shown}.items()"
            )
        case _:
            write = reading(given.type, expression.parsed.source(node), ListOf(given.type))
            raise expression.wrong(node, f"is {given.type}, and a loop runs over a list", write)


def _names(expression: "Expression", target: ast.expr) -> tuple[str, ...]:
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    names = []
    for part in parts:
        if not isinstance(part, ast.Name):
            raise expression.wrong(part, "a loop gives names, nothing else", "write `line in order.lines`")
        new_name(part.id, expression.scope, expression, part)
        if part.id in names:
            raise expression.wrong(part, f"{part.id} stands there twice")
        names.append(part.id)
    return tuple(names)


def has_order(type_: Type) -> bool:
    """Whether values can be put in order."""
    return isinstance(type_, Number | Integer | Text | Date | Instant)


def new_name(called: str, scope: Scope, expression: "Expression | Parsed", node: ast.AST) -> None:
    """Refuse a name that is taken.

    Raises:
        WrongError: it means something already, or cannot be a name.
    """
    if called in scope.variables:
        raise expression.wrong(node, f"{called} is something else already", "choose another name")
    if called in RESERVED or keyword.iskeyword(called) or not _NAME.fullmatch(called):
        raise expression.wrong(node, f"{called} cannot be a name", "choose another: small letters, digits and _")
