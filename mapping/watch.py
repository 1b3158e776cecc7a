"""A mapping run step by step, each step noted with its value.

The compiled function is run as it is, but for a note taken wherever it works something out: the same code, so that what
is explained is what happens.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from errors import BusError
from mapping.data import DataMapping
from mapping.differences import shown
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from mapping.spec import Block, Expr, Listed, Spec, Value, Verbatim
from mapping.steps import Asked, Explained, Kind, Place, Read, Step

_TURNS = re.compile(r"\[\{(\w+)\}\]")
#: Names the generated code keeps for itself begin like this.
_OURS = "_"


class Watched:
    """A mapping whose steps are noted; made once, run with as many records as one likes."""

    def __init__(self, mapping: DataMapping) -> None:
        """Prepare it.

        Raises:
            BrokenMappingError: it cannot be run.
        """
        self._mapping = mapping
        compiled = mapping.compiled
        watching = _Watching(compiled.fields, compiled.parts, _texts(mapping.spec))
        tree = ast.fix_missing_locations(watching.module(ast.parse(compiled.source)))
        #: Every step there is.
        self.places: tuple[Place, ...] = tuple(watching.places)
        self._space = {**compiled.function.__globals__}
        exec(compile(tree, mapping.spec.document.file, "exec"), self._space)  # noqa: S102 - the compiled mapping itself

    def run(self, record: Any, lookups: Lookups, now: datetime) -> Explained:
        """Every step with its value, up to where it was refused."""
        notes = _Notes(self.places)
        self._space.update(_begin=notes.begin, _done=notes.done, _read=notes.read)
        made, refused = None, None
        try:
            made = self._mapping.run(self._space["mapped"], record, _Asking(lookups, notes), now)
        except BrokenMappingError:
            raise
        except BusError as error:
            refused = error
        return Explained(made=made, refused=refused, steps=tuple(notes.in_order()))


class _Notes:
    """What is noted while a mapping runs."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._places = places
        self._steps: list[Step] = []
        self._open: list[tuple[int, str, int, list[Read], list[Asked]]] = []

    def begin(self, number: int, *turns: Any) -> int:
        """A step begins; what it reads belongs to it until it is done."""
        place = self._places[number]
        counted = iter(turns)
        field = re.sub(r"\[\]", lambda _: f"[{len(next(counted, ())) + 1}]", place.field)
        if self._open:
            # of a part: it makes a field, or a named value, of who called it
            field = f"{self._open[-1][1]}.{field}".rstrip(".")
        self._open.append((number, field, len(self._open), [], []))
        return len(self._open)

    def done(self, level: int, value: Any) -> Any:
        """It is worked out."""
        # a step that failed inside of a default never ended
        number, field, depth, reads, lookups = self._open[level - 1]
        del self._open[level - 1 :]
        place = self._places[number]
        self._steps.append(
            Step(
                place=place,
                field=field,
                depth=depth,
                value=shown(value),
                filled=bool(value),
                reads=tuple(dict.fromkeys(reads)),
                lookups=tuple(dict.fromkeys(lookups)),
            )
        )
        return value

    def read(self, path: str, value: Any) -> Any:
        if self._open:
            self._open[-1][3].append(Read(path=path, value=shown(value)))
        return value

    def asked(self, table: str, key: str, value: str | None) -> None:
        if self._open:
            self._open[-1][4].append(Asked(table=table, key=key, value=value))

    def in_order(self) -> Iterator[Step]:
        """Those that were done, then those that failed, the innermost first."""
        yield from self._steps
        for number, field, depth, reads, lookups in reversed(self._open):
            yield Step(
                place=self._places[number],
                field=field,
                depth=depth,
                value=None,
                filled=False,
                reads=tuple(dict.fromkeys(reads)),
                lookups=tuple(dict.fromkeys(lookups)),
            )


class _Asking(Lookups):
    """The tables, each question noted."""

    def __init__(self, asked: Lookups, notes: _Notes) -> None:
        super().__init__({})
        self._asked = asked
        self._notes = notes

    def find(self, table: str, key: str) -> str | None:
        value = self._asked.find(table, key)
        self._notes.asked(table, key, value)
        return value

    def keys_of(self, table: str, value: str) -> tuple[str, ...]:
        keys = self._asked.keys_of(table, value)
        self._notes.asked(table, f"… = {value}", ", ".join(keys) or None)
        return keys


class _Watching:
    """Puts a note around everything a compiled mapping works out, in its syntax tree."""

    def __init__(
        self, fields: Mapping[int, str], parts: Mapping[str, str], texts: Mapping[tuple[str, Kind, str], list[Expr]]
    ) -> None:
        self.places: list[Place] = []
        self._fields = fields
        self._parts = parts
        self._texts = texts
        self._function = ""
        self._met: dict[tuple[str, Kind, str], int] = defaultdict(int)

    def module(self, tree: ast.Module) -> ast.Module:
        """The whole of it."""
        for function in tree.body:
            if isinstance(function, ast.FunctionDef):
                self._function = function.name
                self._statements(function.body)
        return tree

    def _statements(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not _is_empty_list(value) and name != "_steps":
                kind = Kind.FIELD if name.startswith(_OURS) else Kind.LET
                statement.value = self._value(value, kind, statement.lineno)
            case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=operand) as test, orelse=[]):
                kind = Kind.WHERE if isinstance(statement.body[0], ast.Continue) else Kind.REQUIRE
                test.operand = self._noted(operand, kind, statement.lineno)
            case ast.If():
                statement.test = self._noted(statement.test, Kind.WHEN, statement.lineno)
                self._statements(statement.body)
                self._statements(statement.orelse)
            case ast.For():
                self._statements(statement.body)
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="append" | "extend"), args=[made]) as call):
                # a value of a list, and not what is only put aside to be put in order
                if _is_made(made) or self._fields.get(statement.lineno, "").endswith("]"):
                    call.args = [self._value(made, Kind.FIELD, statement.lineno)]
            case ast.Return(value=ast.expr() as value):
                statement.value = self._value(value, Kind.VALUE, statement.lineno)
            case _:
                pass

    def _value(self, value: ast.expr, kind: Kind, line: int) -> ast.expr:
        """A value with notes in it: of a record, at each of its fields."""
        if not _is_made(value):
            return self._noted(value, kind, line)
        match value:
            case ast.Call(args=args, keywords=keywords):
                value.args = [self._value(each, kind, each.lineno) if _is_made(each) else each for each in args]
                for keyword in keywords:
                    keyword.value = self._value(keyword.value, Kind.FIELD, keyword.value.lineno)
            case ast.Dict(values=values):
                value.values = [self._value(each, Kind.FIELD, each.lineno) for each in values]
        return value

    def _noted(self, value: ast.expr, kind: Kind, line: int) -> ast.expr:
        template = self._fields.get(line, "")
        number = ast.Constant(self._place(kind, _TURNS.sub("[]", template)))
        turns = [ast.Name(name, ast.Load()) for name in _TURNS.findall(template)]
        begun = ast.Call(ast.Name("_begin", ast.Load()), [number, *turns], [])
        noted = ast.Call(ast.Name("_done", ast.Load()), [begun, _Reads().visit(value)], [])
        for node in ast.walk(noted):
            # a fault tells its field by the line it happened in
            if isinstance(node, ast.expr | ast.keyword):
                node.lineno = node.end_lineno = line
                node.col_offset = node.end_col_offset = 0
        return noted

    def _place(self, kind: Kind, field: str) -> int:
        part = self._parts.get(self._function, "")
        key = (self._function, kind, field)
        texts = self._texts.get((part, kind, field), [])
        expr = texts[min(self._met[key], len(texts) - 1)] if texts else None
        self._met[key] += 1
        place = Place(number=len(self.places), part=part, kind=kind, field=field, expression=expr.text if expr else "")
        if expr is not None:
            at = expr.document.message(expr.node.start, "")
            place = msgspec.structs.replace(place, file=at.file, line=at.line)
        self.places.append(place)
        return place.number


class _Reads(ast.NodeTransformer):
    """Notes each name an expression reads, and each field of one, as far as it goes."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Attribute):
            if _root(node):
                return self._read(node)
            # a method of a text, or of what the generated code keeps for itself
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(each) for each in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._read(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._read(node) if _root(node) else self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self._read(node) if _root(node) else self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        node.value = self.visit(node.value)
        return node

    def _read(self, node: ast.Name | ast.Attribute | ast.Subscript | ast.Call) -> ast.expr:
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load) or (_root(node) or _OURS).startswith(_OURS):
            return node
        path = re.sub(r"(?:\.get\(|\[)'(\w+)'[)\]]", r".\1", ast.unparse(node))
        return ast.Call(ast.Name("_read", ast.Load()), [ast.Constant(path), node], [])


def _root(node: ast.expr) -> str:
    """The name a path begins with; empty for what is no path."""
    while True:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Call(func=ast.Attribute(value=inner, attr="get"), args=[ast.Constant(value=str())]):
                # of a record that is a dict, what may be absent
                node = inner
            case ast.Attribute(value=inner) | ast.Subscript(value=inner, slice=ast.Constant(value=str())):
                node = inner
            case _:
                return ""


def _is_made(value: ast.expr) -> bool:
    """A record or a map written field by field, each on lines of its own; an expression stands in one line."""
    return isinstance(value, ast.Call | ast.Dict) and value.end_lineno != value.lineno


def _is_empty_list(value: ast.expr) -> bool:
    return isinstance(value, ast.List | ast.Dict) and not ast.unparse(value).strip("[]{}")


def _texts(spec: Spec) -> Mapping[tuple[str, Kind, str], list[Expr]]:
    """What the mapping says, by part, kind and path, in its order."""
    found: dict[tuple[str, Kind, str], list[Expr]] = defaultdict(list)
    for part in spec.parts:
        for kind, path, expr in _in_block(part.block, ""):
            found[part.name.text, kind, path].append(expr)
        if part.value is not None:
            found[part.name.text, Kind.VALUE, ""].append(part.value)
    for kind, path, expr in _in_block(spec.block, ""):
        found["", kind, path].append(expr)
    return found


def _in_block(block: Block, path: str) -> Iterator[tuple[Kind, str, Expr]]:
    for named, expr in block.let:
        yield Kind.LET, f"{path}{named.text}", expr
    for requirement in block.require:
        yield (
            Kind.REQUIRE,
            f"{path}{requirement.field.text}" if requirement.field else path.rstrip("."),
            requirement.that,
        )
    for named, value in block.fields:
        yield from _in_value(value, f"{path}{named.text}")


def _in_value(value: Value, path: str) -> Iterator[tuple[Kind, str, Expr]]:
    match value:
        case Expr():
            yield Kind.FIELD, path, value
        case Verbatim(expr):
            yield Kind.FIELD, path, expr
        case Listed(items):
            for item in items:
                # a loop says itself that it is one of many
                many = isinstance(item, Block) and item.each is not None
                yield from _in_value(item, path if many else f"{path}[]")
        case Block():
            inside = f"{path}[]" if value.each is not None else path
            if value.where is not None:
                yield Kind.WHERE, path if value.group_by or value.order_by else inside, value.where
                yield Kind.WHERE, inside, value.where
            if value.having is not None:
                yield Kind.WHERE, path if value.order_by else inside, value.having
            if value.when is not None:
                yield Kind.WHEN, path, value.when
            if value.group_by or value.order_by:
                # what these ask for is worked out before there is a list
                yield from ((Kind.LET, f"{path}.{named.text}", expr) for named, expr in value.let)
            yield from _in_block(value, f"{inside}.")
            if value.otherwise is not None:
                yield from _in_value(value.otherwise, path)
