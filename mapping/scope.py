"""What names mean at one place of a mapping, and what is known there of values that may be absent."""

import ast
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mapping.places import NOWHERE, Places
from mapping.shapes import Type

#: Of a value that nobody wrote down.
UNKNOWN: Any = object()


class Typed(msgspec.Struct, frozen=True):
    """A checked expression: the Python that works it out, and what comes of it."""

    code: ast.expr
    type: Type
    #: The value itself where it is written down.
    constant: Any = UNKNOWN
    #: `order.billing_contact`: a name, or fields of one; empty for everything else.
    path: str = ""
    #: Where in the record it stands.
    places: Places = NOWHERE


class Facts(msgspec.Struct, frozen=True):
    """Paths that are there if a condition holds, and if it does not."""

    true: frozenset[str] = frozenset()
    false: frozenset[str] = frozenset()


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Names with their types. A new one is made for every place that knows more."""

    variables: Mapping[str, Type]
    #: Paths known to be there.
    present: frozenset[str] = frozenset()
    #: Loops around this place.
    depth: int = 0
    #: Names of the innermost loop, where it runs over a part of the record that no other turn sees.
    own: frozenset[str] = frozenset()
    #: Names of the record and of parts of it, as against what was made of it and may hold a part many times.
    parts: frozenset[str] = frozenset()
    #: Where in the record names stand.
    places: Mapping[str, Places] = {}
    #: Names that are given further down.
    later: frozenset[str] = frozenset()

    def knowing(self, present: frozenset[str]) -> "Scope":
        """The same where some paths are known to be there."""
        return msgspec.structs.replace(self, present=self.present | present) if present else self

    def naming(self, variables: Mapping[str, Type], places: Mapping[str, Places] | None = None) -> "Scope":
        """The same with more names; what was known of values called so before is forgotten."""
        present = frozenset(path for path in self.present if path.split(".")[0] not in variables)
        return msgspec.structs.replace(
            self,
            variables={**self.variables, **variables},
            present=present,
            parts=self.parts - frozenset(variables),
            places={**self.places, **dict.fromkeys(variables, NOWHERE), **(places or {})},
        )

    def looping(self, variables: Mapping[str, Type], places: Mapping[str, Places], *, linear: bool) -> "Scope":
        """Inside of a loop; a linear one runs over a part of the record."""
        own = frozenset(variables) if linear else frozenset[str]()
        inner = self.naming(variables, places)
        return msgspec.structs.replace(inner, depth=self.depth + 1, own=own, parts=inner.parts | own)

    def with_part(self, called: str) -> "Scope":
        """The same, one of its names being a part of the record."""
        return msgspec.structs.replace(self, parts=self.parts | {called})

    def is_part(self, path: str) -> bool:
        """Whether a path leads to a part of the record."""
        return bool(path) and path.split(".", maxsplit=1)[0] in self.parts

    def is_own(self, node: ast.AST) -> bool:
        """Whether all an expression reads is the innermost loop's, so that reading it costs no more than the record."""
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        return names <= self.own


def name(identifier: str) -> ast.Name:
    """A name in generated code."""
    return ast.Name(identifier, ast.Load())


def call(function: str, *arguments: ast.expr, **named: ast.expr) -> ast.Call:
    """A call in generated code; `a.b` is a method of a name."""
    return ast.Call(_dotted(function), list(arguments), [ast.keyword(key, value) for key, value in named.items()])


def method(of: ast.expr, called: str, *arguments: ast.expr) -> ast.Call:
    """A method's call in generated code."""
    return ast.Call(ast.Attribute(of, called, ast.Load()), list(arguments), [])


def is_there(code: ast.expr) -> ast.Compare:
    """`x is not None`."""
    return ast.Compare(code, [ast.IsNot()], [ast.Constant(None)])


def all_of(conditions: Iterable[ast.expr]) -> ast.expr:
    """`a and b`."""
    each = list(conditions)
    return each[0] if len(each) == 1 else ast.BoolOp(ast.And(), each)


def code_of(code: Typed | ast.expr | None) -> str:
    """The text of an expression's Python; of what could not be understood one that is never run."""
    if code is None:
        return "None"
    return ast.unparse(ast.fix_missing_locations(code.code if isinstance(code, Typed) else code))


def _dotted(dotted: str) -> ast.expr:
    first, *rest = dotted.split(".")
    made: ast.expr = name(first)
    for each in rest:
        made = ast.Attribute(made, each, ast.Load())
    return made
