"""Constants, names, fields, and what is taken out of lists, maps and texts."""

import ast
from decimal import Decimal
from typing import TYPE_CHECKING

from mapping import other_languages
from mapping.messages import WrongError, nearest
from mapping.nodes import forms, texts
from mapping.nodes.forms import FORMS
from mapping.places import NOWHERE, inside
from mapping.scope import UNKNOWN, Typed, call, method, name
from mapping.shapes import (
    Anything,
    Boolean,
    Broken,
    Date,
    Instant,
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
#: Parts of a day and a moment, which are written by a format.
_PIECES = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M"}


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
    if write := other_languages.value(node.id):
        raise expression.wrong(node, f"nothing is called {node.id}", write)
    if node.id in expression.scope.later:
        raise expression.wrong(node, f"{node.id} is named further down", f"move `{node.id}:` above what is made of it")
    text = f"a text stands in quotes: '\"{node.id}\"'"
    hint = _meant(expression, node.id) or nearest(node.id, expression.scope.variables)
    raise expression.wrong(node, f"nothing is called {node.id}", f"{hint}; {text}" if hint else text)


def _meant(expression: "Expression", called: str) -> str:
    """What was meant by a name of nothing: a field without its record before it, the record, a loop's turn."""
    variables = expression.scope.variables
    of = [
        f"{name}.{called}" for name, type_ in variables.items() if isinstance(type_, Record) and called in type_.fields
    ]
    if of:
        return f"write {' or '.join(of)}"
    records = [name for name, type_ in variables.items() if isinstance(type_, Record)]
    if records and other_languages.is_record(called):
        return f"the record is called {' or '.join(records)} here"
    if "group" in variables and called == "key":
        return "this group has names of its own: write the name that stands under `group by:`"
    if "group" in variables and "key" not in variables:
        return f"in a group write a name that stands under `group by:`, or sum({called}.… for {called} in group)"
    if "group" in variables:
        return f"in a group write key, or sum({called}.… for {called} in group)"
    return (
        "write `… for line in order.lines`" if f"{called}." in expression.parsed.text and _is_sought(expression) else ""
    )


def _is_sought(expression: "Expression") -> bool:
    """Whether a loop was meant where `in` asks whether something is in a list."""
    tree = ast.walk(expression.parsed.tree)
    return any(isinstance(each, ast.Compare) and isinstance(each.ops[0], ast.In) for each in tree)


def _unset(expression: "Expression", node: ast.Name) -> Typed:
    if expression.expected is None or expression.default is UNKNOWN:
        raise expression.wrong(node, "`unset` leaves a field at its default, and there is none here")
    return Typed(expression.checker.constant(expression.default), expression.expected)


def _narrowed(expression: "Expression", path: str, type_: Type) -> Type:
    return bare(type_) if path in expression.scope.present else type_


def attribute(expression: "Expression", node: ast.Attribute) -> Typed:
    of = expression.visit(node.value)
    if isinstance(of.type, Optional):
        raise _absent_way(expression, node)
    return expression.field(of, node.attr, node)


def _absent_way(expression: "Expression", node: ast.Attribute | ast.Subscript) -> WrongError:
    """Said of a way that may end before its last step."""
    shown, whole = expression.parsed.source(node.value), expression.parsed.way(node)
    instead = stand_in(forms.through(expression, whole)[0].type)
    write = (
        f"write default({expression.parsed.source(whole)}, {instead}), or test it: `… if {shown} is not none else …`"
    )
    return expression.wrong(node.value, f"{shown} may be absent", write)


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
            raise expression.wrong(node, "a map has no fields", f'write {_owner(expression, node)}["{field_name}"]')
        case _:
            raise expression.wrong(
                node, f"{of.type} has no field {field_name}", _no_field(expression, of.type, field_name, node)
            )


def _owner(expression: "Expression", node: ast.AST) -> str:
    """What was written before the point of a field."""
    return expression.parsed.source(node).rpartition(".")[0].strip() or "…"


def _no_field(expression: "Expression", of: Type, field_name: str, node: ast.AST) -> str:  # noqa: PLR0911 - one for each kind
    """What to write for a field of what has none."""
    owner, lengths = _owner(expression, node), {"length", "count", "size", "len", "Count", "Length"}
    match of:
        case ListOf(Record(fields=fields)) if field_name in fields:
            return f"write [each.{field_name} for each in {owner}], or {owner}[0].{field_name} of the first"
        case ListOf() if field_name in lengths:
            return f"write count({owner})"
        case ListOf(Record(fields=fields)):
            return nearest(field_name, fields)
        case Text() if field_name in lengths:
            return f"write length_of({owner})"
        case Text() if field_name in {"value", "name"}:
            return f"write {owner}"
        case Date() if field_name in _PIECES:
            return f'write to_integer(format_date({owner}, "{_PIECES[field_name]}"))'
        case Instant() if field_name in _PIECES:
            return f'write to_integer(format_instant({owner}, "{_PIECES[field_name]}", "America/Chicago"))'
        case Instant() if field_name == "date":
            return f'write date_in({owner}, "America/Chicago")'
        case Anything():
            return f'write map_of({owner})["{field_name}"]'
        case _:
            return ""


def subscript(expression: "Expression", node: ast.Subscript) -> Typed:
    of = expression.visit(node.value)
    if isinstance(of.type, Optional):
        raise _absent_way(expression, node)
    return taken(expression, of, node)


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
