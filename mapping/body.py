"""Turns the blocks of a mapping into statements: named values, requirements, loops, and the record at the end."""

import ast
from typing import Any

import msgspec

from mapping import lists
from mapping.about import misnamed
from mapping.checker import Checker
from mapping.expressions import Parsed
from mapping.messages import nearest
from mapping.nodes import loops
from mapping.places import NOWHERE
from mapping.scope import UNKNOWN, Scope, Typed, code_of
from mapping.shapes import Broken, Field, ListOf, MapOf, Record, Text, Type, bare, misfit
from mapping.spec import Block, Expr, Listed, Named, Requirement, Value, Verbatim
from mapping.told import Told
from mapping.writer import Made, Writer

#: Code of what could not be understood; it is never run.
_NOTHING = "None"


class Body:
    """The statements of one function while they are written."""

    def __init__(self, checker: Checker, told: Told, writer: Writer) -> None:
        self.checker = checker
        self.told = told
        self.writer = writer
        self._taken: set[str] = set()
        #: What `group` is in the blocks that have one.
        self.groups: list[Type] = []

    def record(self, block: Block, made: Record, scope: Scope, path: str) -> Made:
        """The record a block makes; what it needs before is written."""
        scope = self.begin(block, scope, path, made)
        given: dict[str, str | Made] = {}
        for named, value in block.fields:
            field = made.fields.get(named.text)
            if field is None or field.computed:
                known = [each.name for each in made.fields.values() if not each.computed]
                outer, _, inner = named.text.partition(".")
                write = f"write {outer}: and below it fields: with {inner}: …" if inner and outer in known else ""
                self.told.say(named, f"{made} has no field {named.text}", write or nearest(named.text, known))
            else:
                given[named.text] = self.value(named, value, field, scope, f"{path}{named.text}")
        missing = [each.name for each in made.fields.values() if each.required and each.name not in given]
        if missing:
            lines = "; ".join(f"{each}: …" for each in missing)
            self.told.say(block.at, f"{made} needs {', '.join(missing)}", f"write {lines}")
        return self._made(made, given, path)

    def begin(self, block: Block, scope: Scope, path: str, made: Type) -> Scope:
        """Named values and requirements of a block that makes such a value; gives what is known behind them."""
        scope = self.named(block.let, scope, path)
        for requirement in block.require:
            about = requirement.field
            problem = misnamed(about.text, made, scope.variables) if about is not None else None
            if about is not None and problem is not None:
                self.told.say(about, problem.text, problem.write)
            scope = self._require(requirement, scope, path)
        return scope

    def named(self, let: tuple[tuple[Named, Expr], ...], scope: Scope, path: str) -> Scope:
        """Named values; gives what is known behind them."""
        names = [named.text for named, _ in let]
        for at, (named, expr) in enumerate(let):
            typed = self.check(expr, msgspec.structs.replace(scope, later=frozenset(names[at:])))
            type_: Type = typed.type if typed is not None else Broken()
            with self.told.about(named):
                loops.new_name(named.text, scope, Parsed("none"), ast.Constant(None))
                is_part = typed is not None and (scope.is_part(typed.path) or self._is_decoded(typed))
                places = typed.places if typed is not None else NOWHERE
                scope = scope.naming({named.text: type_}, {named.text: places})
                if is_part:
                    scope = scope.with_part(named.text)
            self.writer.line(f"{named.text} = {code_of(typed)}", f"{path}{named.text}")
        return scope

    def _is_decoded(self, typed: Typed) -> bool:
        """Whether a rule made a record of its own, each part of which is there once."""
        if not isinstance(bare(typed.type), Record) or not isinstance(typed.code, ast.Call):
            return False
        function = typed.code.func
        called = self.checker.called.get(function.id) if isinstance(function, ast.Name) else None
        return called is not None and called.call is not None

    def check(self, expr: Expr, scope: Scope, expected: Type | None = None, default: Any = UNKNOWN) -> Typed | None:
        """An expression checked; None where it is wrong, which was told."""
        with self.told.about(expr):
            return self.checker.check(Parsed(expr.text), scope, expected, default)
        return None

    def value(self, at: Named, value: Value, field: Field, scope: Scope, path: str) -> str | Made:
        """The code of a field's value."""
        match value:
            case Expr():
                default = UNKNOWN if field.required else field.default
                typed = self.check(value, scope, field.type, default)
                code = code_of(typed)
                if typed is not None:
                    self.checker.whole(typed)
                return f"_tuple({code})" if _is_list(field.type, typed) else code
            case Verbatim(expr):
                return self.verbatim(expr, field.type)
            case Listed() | Block(each=Expr()):
                return lists.listed(self, at, value, field, scope, path)
            case Block(when=Expr()):
                return self._conditional(at, value, field, scope, path)
            case Block():
                made = self._nested(value, bare(field.type), scope, f"{path}.")
                if not value.let:
                    return made
                # worked out here: another block may use the same names for other values
                target = self.fresh(field.name)
                self.writer.value(f"{target} = ", made, "", path)
                return target

    def _nested(self, block: Block, type_: Type, scope: Scope, path: str) -> str | Made:
        match type_:
            case Record():
                return self.record(block, type_, scope, path)
            case MapOf(inner):
                scope = self.begin(block, scope, path, type_)
                fields = []
                for named, value in block.fields:
                    field = Field(name=named.text, type=inner, required=True)
                    inside = f"{path}{_as_it_stands(named.text)}"
                    code = self.value(named, value, field, scope, inside)
                    fields.append((f"{named.text!r}: ", code, inside))
                return Made("{", tuple(fields), "}")
            case ListOf():
                self.told.say(
                    block.at, "is a list", "write `each: line in …` in the block, or blocks as a list: `- fields: …`"
                )
            case _:
                self.told.say(block.at, f"is {type_}, and has no fields", "write an expression")
        return _NOTHING

    def verbatim(self, expr: Expr, type_: Type) -> str:
        """The code of a text as it stands."""
        problem = misfit(Text(frozenset({expr.text})), type_, expr.text)
        if problem is not None:
            self.told.say(expr, problem.text, problem.write)
        return repr(expr.text)

    def _made(self, made: Record, given: dict[str, str | Made], path: str) -> Made:
        if made.maker is None:
            left = {
                each.name: ast.unparse(self.checker.constant(each.default))
                for each in made.fields.values()
                if not each.required and each.name not in given
            }
            fields = tuple((f"{key!r}: ", value, f"{path}{key}") for key, value in {**given, **left}.items())
            return Made("{", fields, "}")
        fields = tuple((f"{key}=", value, f"{path}{key}") for key, value in given.items())
        return Made(f"{self._maker(made)}(", fields, ")")

    def _maker(self, made: Record) -> str:
        """Name of a record's class in the code; two may be called alike."""
        called: str = made.maker.__name__
        while self.checker.constants.setdefault(called, made.maker) is not made.maker:
            called += "_"
        return called

    def _require(self, requirement: Requirement, scope: Scope, path: str) -> Scope:
        field = f"{path}{_as_it_stands(requirement.field.text)}" if requirement.field else path.rstrip(".")
        with self.told.about(requirement.that):
            test, facts = self.checker.condition(Parsed(requirement.that.text), scope)
            self.writer.line(f"if not ({code_of(test)}):", field)
            scope_else = scope.knowing(facts.false)
            scope = scope.knowing(facts.true)
            message = _NOTHING
            with self.told.about(requirement.say):
                say = Parsed(requirement.say.text, template=True)
                message = code_of(self.checker.check(say, scope_else, Text()))
            self.writer.line(f"    _refuse({message})", field)
        return scope

    def _conditional(self, at: Named, block: Block, field: Field, scope: Scope, path: str) -> str:
        target = self.fresh(field.name)
        assert block.when is not None
        with self.told.about(block.when):
            test, facts = self.checker.condition(Parsed(block.when.text), scope)
            self.writer.line(f"if {code_of(test)}:", path)
            self._assigned(target, block, field, scope.knowing(facts.true), path)
            self.writer.line("else:")
            if block.otherwise is not None:
                self.writer.within()
                code = self.value(at, block.otherwise, field, scope.knowing(facts.false), path)
                self.writer.value(f"{target} = ", code, "", path)
                self.writer.without()
            elif field.required:
                self.told.say(at, f"{field.name} must be set in any case", "add `otherwise:`")
            else:
                self.writer.line(f"    {target} = {ast.unparse(self.checker.constant(field.default))}", path)
        return target

    def _assigned(self, target: str, block: Block, field: Field, scope: Scope, path: str) -> None:
        self.writer.within()
        code = self._nested(block, bare(field.type), scope, f"{path}.")
        self.writer.value(f"{target} = ", code, "", path)
        self.writer.without()

    def fresh(self, wanted: str) -> str:
        """A name in the code that nobody uses, for a list or record while it is made."""
        # a field may be called as something else in the code is
        called = f"_made_{wanted.lower()}"
        while called in self._taken or called in self.checker.constants or called in self.checker.called:
            called += "_"
        self._taken.add(called)
        return called


def _as_it_stands(text: str) -> str:
    """A person's part of a path, in which braces hold the lists whose turns are told."""
    return text.replace("{", "{{").replace("}", "}}")


def _is_list(type_: Type, typed: Typed | None) -> bool:
    """Whether a value goes into a list of a record, which is a tuple."""
    if typed is None or not isinstance(type_, ListOf) or typed.path:
        return False
    code = typed.code
    return not isinstance(code, ast.Tuple) and not (
        isinstance(code, ast.Call) and isinstance(code.func, ast.Name) and code.func.id == "_tuple"
    )
