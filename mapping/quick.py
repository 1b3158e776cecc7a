"""The quick form of a compiled mapping: what nearly every record needs, and not a word about what is wrong with one.

It makes what the careful form makes or fails, whatever it is given; where it fails, the careful one is run instead,
which makes it all the same or names the field. So it need not know where it is, may look at things in another order,
and asks each thing by the cheapest question that no faulty value passes:

- a guard stands in the line instead of a call;
- turns are not paid one by one: lists are so short that all turns together cost half of what they may;
- sums are loops, not lists that are made to be added up, and part of the loop before them if that runs over the same;
- numbers are worked out with as few digits as an amount has: what is longer or inexact fails.
"""

import ast
import math
import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from typing import Any, Final

import msgspec

from mapping import runtime
from mapping.bounds import AMOUNT, CONTEXT
from mapping.compile import Compiled

#: Items of the longest list, the first of these with which turns cost little enough.
_MOST: Final = tuple(2**power for power in range(13, 2, -1))
#: Of the work that is allowed one half is what turns may cost, the other what is paid as it is done.
_SHARES: Final = 2
_AMOUNT: Final = re.compile(r"_amount_([1-9]\d*)_(\d+)")


class Quick(msgspec.Struct, frozen=True):
    """A function that makes what the careful one makes, or raises anything at all."""

    function: Callable[..., Any]
    #: What numbers are worked out with, if any are.
    numbers: Context | None


class _UnsureError(Exception):
    """Let the careful form see to it."""


class _Unit(Decimal):
    """The smallest unit of a field. A text has a remainder, too, as it may say how a value is shown: not this one."""

    def __str__(self) -> str:
        raise _UnsureError

    __repr__ = __str__


def quick(careful: Compiled) -> Quick:
    """The quick form of a mapping; of one whose loops are too deep for it, one that leaves all to the careful."""
    try:
        return _quickened(careful) or Quick(_unsure, None)
    except (SyntaxError, RecursionError):
        # a comprehension has loops as deep as it likes, statements have 20
        return Quick(_unsure, None)


def _quickened(careful: Compiled) -> Quick | None:
    tree, space = ast.parse(careful.source), careful.function.__globals__
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    most = next((most for most in _MOST if _cost(functions, most, space) <= runtime.STEPS_LIMIT // _SHARES), None)
    if most is None:
        return None
    numbers = None
    if careful.counts:
        divides = any(isinstance(each, ast.Div) for each in ast.walk(tree))
        numbers = CONTEXT if divides or careful.foreign else AMOUNT
    _Sums().written(functions)
    guards = _Guards(most, numbers, {each.name for each in functions})
    for function in functions:
        guards.visit(function)
    if not any(_is_name(each.value, "_steps") for each in ast.walk(tree) if isinstance(each, ast.Attribute)):
        tree = _Unpaid().visit(tree)
    code = compile(ast.fix_missing_locations(tree), f"{careful.function.__code__.co_filename}, quick", "exec")
    space.update({"_Unsure": _unsure, "_Few": _few, **guards.asked})
    exec(code, space)  # noqa: S102 - as the careful one
    return Quick(space[_named("mapped")], numbers)


def _unsure(*_: object) -> Any:
    raise _UnsureError


def _few(items: Any, most: int) -> Any:
    return items if len(items) <= most else _unsure()


def _named(function: str) -> str:
    """A function's name beside the careful one's: no name there begins like this."""
    return f"_Quick_{function}"


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _over(node: ast.AST) -> list[ast.expr] | None:
    """What is run over and what a turn costs, if this pays for turns."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="_steps"), attr="over"), args=args):
            return args
        case _:
            return None


def _most_turns(over: ast.expr, most: int) -> int:
    """Of a loop where no list is longer; those that were written down may be, and several loops stand in one."""
    match over:
        case ast.Tuple(elts=written):
            return len(written)
        case ast.GeneratorExp(generators=generators):
            return math.prod(_most_turns(each.iter, most) for each in generators)
        case _:
            return most


def _cost(functions: list[ast.FunctionDef], most: int, space: Mapping[str, Any]) -> int:
    """What all turns cost at most where no list is longer; each function stands behind those it calls."""
    costs: dict[str, int] = {}

    def cost(node: ast.AST, times: int) -> int:
        match node:
            case ast.For():
                inside = [*node.body, *node.orelse]
                turns = _most_turns(node.iter, most)
                return cost(node.iter, times) + sum(cost(each, times * turns) for each in inside)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                found = 0
                for each in node.generators:
                    found += cost(each.iter, times)
                    times *= _most_turns(each.iter, most)
                    found += sum(cost(test, times) for test in each.ifs)
                made = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
                return found + sum(cost(each, times) for each in made)
        found = sum(cost(each, times) for each in ast.iter_child_nodes(node))
        if (paid := _over(node)) is not None:
            weight: int = (
                ast.literal_eval(paid[1]) if isinstance(paid[1], ast.Constant) else space[ast.unparse(paid[1])]
            )
            found += times * weight * (most + 1)
        if isinstance(node, ast.Name):
            found += times * costs.get(node.id, 0)
        return found

    for function in functions:
        costs[function.name] = sum(cost(each, 1) for each in function.body)
    return costs["mapped"]


class _Sums:
    """Writes a sum as a loop in front of its statement, where it is worked out in any case."""

    def __init__(self) -> None:
        self._made = 0

    def written(self, functions: list[ast.FunctionDef]) -> None:
        for function in functions:
            function.body = self._block(function.body)

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            before: list[ast.stmt] = []
            match statement:
                case ast.For():
                    statement.iter = self._out(statement.iter, before)
                    statement.body = self._block(statement.body)
                case ast.If():
                    statement.test = self._out(statement.test, before)
                    statement.body = self._block(statement.body)
                    statement.orelse = self._block(statement.orelse)
                case ast.Assign(value=value) | ast.Expr(value=value) | ast.Return(value=ast.expr() as value):
                    statement.value = self._out(value, before)
            for each in before:
                _add(each, made)
            made.append(statement)
        return made

    def _out(self, node: ast.expr, before: list[ast.stmt]) -> ast.expr:
        """An expression without the sums that are worked out whenever it is."""
        match node:
            case ast.Call(func=ast.Name(id="_sum"), args=[ast.ListComp(elt, generators), *begun]):
                self._made += 1
                total = f"_Sum{self._made}"
                before.append(ast.Assign([ast.Name(total, ast.Store())], begun[0] if begun else ast.Constant(0)))
                inside: list[ast.stmt] = []
                added = self._out(elt, inside)
                turns: list[ast.stmt] = [*inside, ast.AugAssign(ast.Name(total, ast.Store()), ast.Add(), added)]
                for each in reversed(generators):
                    for test in reversed(each.ifs):
                        turns = [ast.If(test, turns, [])]
                    turns = [ast.For(each.target, each.iter, turns, [])]
                before += turns
                return ast.Name(total, ast.Load())
            case ast.Call():
                node.args = [self._out(each, before) for each in node.args]
                for keyword in node.keywords:
                    keyword.value = self._out(keyword.value, before)
            case ast.Dict():
                node.values = [self._out(each, before) for each in node.values]
            case ast.BinOp():
                node.left, node.right = self._out(node.left, before), self._out(node.right, before)
            case ast.UnaryOp():
                node.operand = self._out(node.operand, before)
            case ast.Compare():
                # of several comparisons the others may not be asked
                node.left = self._out(node.left, before)
                node.comparators[0] = self._out(node.comparators[0], before)
            case ast.BoolOp():
                node.values[0] = self._out(node.values[0], before)
            case ast.IfExp():
                node.test = self._out(node.test, before)
        return node


def _add(statement: ast.stmt, made: list[ast.stmt]) -> None:
    """A statement of a sum behind others; in the loop that ended before it, if that runs over the same list."""
    match made[-2:], statement:
        case [ast.For() as loop, ast.Assign() as begun], ast.For() if _turns(loop) == _turns(statement):
            # in front: the other part may leave a turn before its end
            loop.body = [*statement.body, *loop.body]
            made[-2:] = [begun, loop]
        case _:
            made.append(statement)


def _turns(loop: ast.For) -> tuple[str, ...]:
    over = _over(loop.iter)
    return (ast.unparse(loop.target), ast.unparse(over[0] if over is not None else loop.iter))


class _Guards(ast.NodeTransformer):
    """Writes guards into the line, and leaves out what is said of faults."""

    def __init__(self, most: int, numbers: Context | None, functions: set[str]) -> None:
        self.asked: dict[str, Any] = {}
        self._most = most
        self._numbers = numbers
        self._functions = functions
        self._values = 0
        self._in_iterable = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = _named(node.name)
        return self.generic_visit(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        # groups, and turns in an order, were put together by a loop and are not paid again
        counted = _over(node.iter) is not None or isinstance(node.iter, ast.Tuple | ast.GeneratorExp)
        self.generic_visit(node)
        node.iter = node.iter if counted else self._few(node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        # Python lets no value be named in what a comprehension runs over
        before, self._in_iterable = self._in_iterable, True
        node.iter = self.visit(node.iter)
        self._in_iterable = before
        node.ifs = [self.visit(each) for each in node.ifs]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _is_name(node.func, "_refuse"):
            return _UNSURE
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in self._functions:
            # only where it is called: a value may have its name
            node.func.id = _named(node.func.id)
        match node:
            case ast.Call(func=ast.Name(id="_Steps")):
                node.args = [ast.Constant(_SHARES)]
                return node
            case ast.Call(func=ast.Attribute(attr="over"), args=[items, _]) if _over(node) is not None:
                return self._few(items)
            case ast.Call(func=ast.Name(id=name), args=[value]):
                return self._guarded(node, name, value)
            case ast.Call(func=ast.Name(id=name), args=[value, ast.Constant(value=int(by))]) if by > 0:
                return _divided(node, name, value, by)
            case _:
                return node

    def _guarded(self, node: ast.Call, name: str, value: ast.expr) -> ast.expr:
        if name == "_finite":
            return self._held(
                node, value, lambda value: ast.Call(ast.Attribute(value, "is_finite", ast.Load()), [], [])
            )
        if name == "_text":
            return self._held(node, value, lambda value: _no_longer(value, runtime.TEXT_LIMIT))
        if (amount := _AMOUNT.fullmatch(name)) is not None:
            precision, scale = map(int, amount.groups())
            return self._held(node, value, lambda value: self._fits(value, precision, scale))
        return node

    def _held(self, node: ast.Call, value: ast.expr, asked: Callable[[ast.expr], ast.expr]) -> ast.expr:
        """A value for which something holds."""
        if _is_path(value):
            return ast.IfExp(asked(value), value, _UNSURE)
        if self._in_iterable:
            return node
        self._values += 1
        name = f"_Value{self._values}"
        return ast.IfExp(asked(ast.NamedExpr(ast.Name(name, ast.Store()), value)), ast.Name(name, ast.Load()), _UNSURE)

    def _few(self, items: ast.expr) -> ast.expr:
        if _is_path(items):
            return ast.IfExp(_no_longer(items, self._most), items, _UNSURE)
        return _call("_Few", items, ast.Constant(self._most))

    def _fits(self, value: ast.expr, precision: int, scale: int) -> ast.expr:
        """As `bounds._amount`, of a number that is there."""
        unit = f"_Unit_{scale}"
        self.asked[unit] = _Unit((0, (1,), -scale))
        if self._numbers is not None and self._numbers.prec == precision:
            left: ast.expr = ast.BinOp(value, ast.Mod(), ast.Name(unit, ast.Load()))
        else:
            self.asked[f"_Left_{precision}"] = Context(prec=precision, traps=[]).remainder
            left = _call(f"_Left_{precision}", value, ast.Name(unit, ast.Load()))
        return ast.UnaryOp(ast.Not(), left)


class _Unpaid(ast.NodeTransformer):
    """Keeps no account that nothing is paid from."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return ast.Constant(None) if _is_name(node.func, "_Steps") else self.generic_visit(node)


def _call(name: str, *given: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(given), [])


def _no_longer(value: ast.expr, most: int) -> ast.expr:
    return ast.Compare(_call("_len", value), [ast.LtE()], [ast.Constant(most)])


def _divided(node: ast.Call, name: str, value: ast.expr, by: int) -> ast.expr:
    """Whole numbers divided: of positive ones Python thinks as the language does, and only whole ones have `|`."""
    ways = {"_quotient": ast.FloorDiv(), "_remainder": ast.Mod()}
    if name not in ways or not _is_path(value):
        return node
    positive = ast.Compare(ast.BinOp(value, ast.BitOr(), ast.Constant(0)), [ast.Gt()], [ast.Constant(0)])
    return ast.IfExp(positive, ast.BinOp(value, ways[name], ast.Constant(by)), node)


def _is_path(node: ast.expr) -> bool:
    """Names and fields, which may be looked at twice."""
    match node:
        case ast.Name():
            return True
        case ast.Attribute(value=inner) | ast.Subscript(value=inner, slice=ast.Constant()):
            return _is_path(inner)
        case _:
            return False


_UNSURE: Final = _call("_Unsure")
