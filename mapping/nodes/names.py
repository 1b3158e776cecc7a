"""Constants, names, fields, and what is taken out of lists, maps and texts."""

import ast
from decimal import Decimal
from typing import TYPE_CHECKING

from mapping.messages import WrongError, nearest
from mapping.nodes import texts
from mapping.nodes.forms import FORMS
from mapping.places import NOWHERE, inside
from mapping.scope import UNKNOWN, Typed, call, method, name
from mapping.shapes import (
    Anything,
    Boolean,
    Broken,
    Integer,
    ListOf,
    MapOf,
    Nothing,
    Number,
    Optional,
    Record,
    Text,
    Type,
    bare,
    decimals,
    optional,
    stand_in,
)

if TYPE_CHECKING:
    from mapping.nodes.expression import Expression

_CONSTANTS = {"true": True, "false": False, "none": None}


def constant(expression: "Expression", node: ast.Constant) -> Typed:
    value = node.value
    if value is None:
        return Typed(ast.Constant(None), Nothing(), None)
    if isinstance(value, bool):
        return Typed(ast.Constant(value), Boolean(), value)
    if isinstance(value, str):
        return Typed(ast.Constant(value), Text(frozenset({value})), value)
    written = expression.parsed.number(node) or "0"
    if "." not in written:
        return Typed(ast.Constant(int(written)), Integer(values=frozenset({int(written)})), int(written))
    number = Decimal(written)
    return Typed(expression.checker.constant(number), Number(scale=decimals(number)), number)


def name_of(expression: "Expression", node: ast.Name) -> Typed:
    known = expression.scope.variables.get(node.id)
    if isinstance(known, Broken):
        raise WrongError("")
    if known is not None:
        places = expression.scope.places.get(node.id, NOWHERE)
        return Typed(name(node.id), _narrowed(expression, node.id, known), path=node.id, places=places)
    if node.id in _CONSTANTS:
        return constant(expression, ast.copy_location(ast.Constant(_CONSTANTS[node.id]), node))
    if node.id == "unset":
        return _unset(expression, node)
    if node.id in expression.checker.functions or node.id in FORMS:
        raise expression.wrong(node, f"{node.id} is a function", f"write {node.id}(…)")
    if node.id.lower() in {"null", "nil", "undefined", "nothing"}:
        raise expression.wrong(node, f"nothing is called {node.id}", "write none, or unset for the field's default")
    hint = nearest(node.id, expression.scope.variables)
    text = f"a text stands in quotes: '\"{node.id}\"'"
    raise expression.wrong(node, f"nothing is called {node.id}", f"{hint}; {text}" if hint else text)


def _unset(expression: "Expression", node: ast.Name) -> Typed:
    if expression.expected is None or expression.default is UNKNOWN:
        raise expression.wrong(node, "`unset` leaves a field at its default, and there is none here")
    return Typed(expression.checker.constant(expression.default), expression.expected)


def _narrowed(expression: "Expression", path: str, type_: Type) -> Type:
    return bare(type_) if path in expression.scope.present else type_


def attribute(expression: "Expression", node: ast.Attribute) -> Typed:
    of = expression.visit(node.value)
    if isinstance(of.type, Optional):
        shown = expression.parsed.source(node.value) or of.path
        inner = of.type.of
        found = inner.fields.get(node.attr) if isinstance(inner, Record) else None
        instead = stand_in(found.type) if found is not None else '""'
        raise expression.wrong(
            node.value,
            f"{shown} may be absent",
            f"write default({shown}.{node.attr}, {instead}), or test it: `… if {shown} is not None else …`",
        )
    return expression.field(of, node.attr, node)


def field(expression: "Expression", of: Typed, field_name: str, node: ast.AST) -> Typed:
    """A field of a value that is there."""
    path = f"{of.path}.{field_name}" if of.path else ""
    match of.type:
        case Record(record_name, fields, maker):
            found = fields.get(field_name)
            if found is None:
                raise expression.wrong(node, f"{of.type} has no field {field_name}", nearest(field_name, fields))
            expression.checker.reads.add((record_name, field_name))
            places = expression.checker.reading.field(record_name, of.places, field_name)
            code: ast.expr = ast.Attribute(of.code, field_name, ast.Load())
            if maker is None and isinstance(found.type, Optional):
                # a dict may leave out what may be absent
                code = method(of.code, "get", ast.Constant(field_name))
            elif maker is None:
                code = ast.Subscript(of.code, ast.Constant(field_name), ast.Load())
            return Typed(code, _narrowed(expression, path, found.type), path=path, places=places)
        case Integer(parts) if field_name in dict(parts):
            return Typed(ast.Attribute(of.code, field_name, ast.Load()), dict(parts)[field_name], path=path)
        case MapOf():
            raise expression.wrong(
                node,
                "a map has no fields",
                f'write {expression.parsed.source(node)[: -len(field_name) - 1]}["{field_name}"]',
            )
        case _:
            raise expression.wrong(node, f"{of.type} has no field {field_name}")


def subscript(expression: "Expression", node: ast.Subscript) -> Typed:
    return taken(expression, expression.value(node.value, "where something is taken out of it"), node)


def taken(expression: "Expression", of: Typed, node: ast.Subscript) -> Typed:
    """What stands at a place of a list, or under a name of a map or a record."""
    if isinstance(node.slice, ast.Slice):
        return _slice(expression, of, node, node.slice)
    match of.type:
        case Record() if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return expression.field(of, node.slice.value, node)
        case MapOf(value):
            key = expression.needs(node.slice, (Text,), "as a map's key")
            return Typed(method(of.code, "get", key.code), optional(value), places=inside(of.places))
        case ListOf(item):
            place = expression.visit(node.slice)
            if not isinstance(place.constant, int) or isinstance(place.constant, bool):
                raise expression.wrong(
                    node.slice, "a place in a list is a number written down", "write [0] for the first"
                )
            code = call("_at", of.code, ast.Constant(place.constant))
            return Typed(code, optional(item), places=inside(of.places))
        case Text():
            raise expression.wrong(
                node, "a text is cut from one place to another", "write [0:1] for its first character"
            )
        case Anything():
            shown = expression.parsed.source(node.value)
            raise expression.wrong(node, f"is {of.type}", f"write map_of({shown})[…] or list_of({shown})[…]")
        case _:
            raise expression.wrong(node, f"nothing can be taken out of {of.type}")


def _slice(expression: "Expression", of: Typed, node: ast.AST, cut: ast.Slice) -> Typed:
    if not isinstance(of.type, Text | ListOf):
        raise expression.wrong(node, f"{of.type} cannot be cut")
    bounds = []
    for bound_ in (cut.lower, cut.upper):
        place = expression.visit(bound_) if bound_ is not None else None
        if place is not None and (not isinstance(place.constant, int) or isinstance(place.constant, bool)):
            raise expression.wrong(node, "where a text is cut is a number written down", "write [0:10]")
        bounds.append(place.code if place is not None else None)
    if cut.step is not None:
        raise expression.wrong(node, "a step means nothing here", "write [0:10]")
    made = Text() if isinstance(of.type, Text) else of.type
    code: ast.expr = ast.Subscript(expression.charged(of).code, ast.Slice(*bounds), ast.Load())
    code = code if texts.is_free(expression, of) else texts.paid(code, made)
    return Typed(code, made, places=of.places)
