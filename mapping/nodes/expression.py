"""One expression while it is checked: what each kind of node is given to, and what all of them ask."""

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mapping.advice import turned
from mapping.expressions import Parsed
from mapping.messages import WrongError
from mapping.nodes import arithmetic, calls, conditions, names, texts
from mapping.scope import Facts, Scope, Typed
from mapping.shapes import Nothing, Optional, Type, Unreadable, bare, stand_in

if TYPE_CHECKING:
    from mapping.checker import Checker


#: Parts of all expressions of a mapping, those of parts of it counted at each call.
MOST_WORK = 30_000


class Expression:
    """One expression while it is checked."""

    def __init__(self, checker: "Checker", parsed: Parsed, scope: Scope, expected: Type | None, default: Any) -> None:
        self.checker = checker
        self.parsed = parsed
        self.scope = scope
        self.expected = expected
        self.default = default

    def within(self, scope: Scope) -> "Expression":
        """The same expression at a place where more is known."""
        return Expression(self.checker, self.parsed, scope, self.expected, self.default)

    def wrong(self, node: ast.AST, text: str, write: str = "") -> WrongError:
        return self.parsed.wrong(node, text, write)

    def visit(self, node: ast.expr) -> Typed:
        """Check one node."""
        self.checker.weight += 1
        if self.checker.weight > MOST_WORK:
            raise self.wrong(node, f"the mapping has more than {MOST_WORK} parts", "make it smaller")
        visitor = _VISITORS.get(type(node))
        if visitor is None:
            raise self.wrong(node, f"mappings know no {type(node).__name__} here")
        given = visitor(self, node)
        if isinstance(unknown := bare(given.type), Unreadable):
            shown = self.parsed.source(node)
            raise self.wrong(node, f"{shown} cannot be read: it is {unknown}", "leave it out, or read it in a rule")
        return given

    def value(self, node: ast.expr, what: str) -> Typed:
        """A node whose value must be there."""
        given = self.visit(node)
        if isinstance(given.type, Optional | Nothing):
            raise self.absent(node, given, what)
        return given

    def absent(self, node: ast.AST, given: Typed, what: str) -> WrongError:
        shown = self.parsed.source(node) or given.path
        write = f"write default({shown}, {stand_in(given.type)}), or test it first: `… if {shown} is not none else …`"
        return self.wrong(node, f"{shown} may be absent {what}", write)

    def needs(self, node: ast.expr, kinds: tuple[type[Type], ...], what: str) -> Typed:
        """A node of one of some kinds."""
        given = self.value(node, what)
        if not isinstance(given.type, kinds):
            # of a record no kind can be made without its fields
            write = turned(given.type, kinds[0](), self.parsed.source(node) or given.path or "…")
            raise self.wrong(node, f"is {given.type} {what}", write)
        return given

    def condition(self, node: ast.expr) -> tuple[ast.expr, Facts]:
        """A node asked whether it holds, and what is known then."""
        return conditions.condition(self, node)

    def field(self, of: Typed, called: str, node: ast.AST) -> Typed:
        """A field of a value that is there."""
        return names.field(self, of, called, node)

    def taken(self, of: Typed, node: ast.Subscript) -> Typed:
        """What stands at a place of a list, or under a name of a map or a record that is there."""
        return names.taken(self, of, node)

    def grown(self, code: ast.expr) -> Typed:
        """A text longer than its parts, held within bounds."""
        return texts.grown(self, code)

    def charged(self, given: Typed) -> Typed:
        """A text or list that a loop reads at every turn though it is not the loop's own."""
        return texts.charged(self, given)


_VISITORS: Mapping[type[ast.expr], Callable[[Expression, Any], Typed]] = {
    ast.Constant: names.constant,
    ast.Name: names.name_of,
    ast.Attribute: names.attribute,
    ast.Subscript: names.subscript,
    ast.BinOp: arithmetic.binop,
    ast.UnaryOp: arithmetic.unaryop,
    ast.BoolOp: conditions.boolop,
    ast.IfExp: conditions.ifexp,
    ast.Compare: conditions.compare,
    ast.JoinedStr: texts.joinedstr,
    ast.List: texts.list_of,
    ast.Tuple: texts.list_of,
    ast.Dict: texts.map_of,
    ast.ListComp: texts.listcomp,
    ast.GeneratorExp: texts.listcomp,
    ast.DictComp: texts.dictcomp,
    ast.Call: calls.call,
}
