"""Checks an expression against what its names mean and turns it into Python; nothing it does not know gets through.

Every kind of node has one method, and the Python is made anew from what was understood: no text of a mapping file
ever reaches the compiler but as the value of a constant or as a name that was looked up here.
"""

import ast
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

import msgspec

from mapping.advice import turned
from mapping.bounds import guard
from mapping.expressions import LOOP, Parsed
from mapping.messages import WrongError
from mapping.nodes import loops
from mapping.nodes.expression import Expression
from mapping.places import Reading
from mapping.records import records_in
from mapping.scope import UNKNOWN, Facts, Scope, Typed, call, name
from mapping.shapes import (
    Anything,
    Integer,
    Never,
    Nothing,
    Number,
    Type,
    bare,
    holds_float,
    holds_whole,
    kind_of,
    misfit,
)
from mapping.signatures import Function

#: Of the decimals a part is given: name, digits after the point, whether it ends.
Numbers = tuple[tuple[str, int | None, bool], ...]
#: Enough for most mappings; what they take is bounded by so many times the record.
FREE = 100


class Checker:
    """Checks the expressions of one mapping; knows the functions it may call and keeps what the code needs."""

    def __init__(self, functions: Mapping[str, Function], tables: AbstractSet[str]) -> None:
        """Begin a mapping.

        Args:
            functions: By name, those of the mapping's own (parts, status maps, rules) among them.
            tables: Lookup tables the mapping declares.
        """
        self.functions = functions
        self.tables = tables
        #: Those of them that can be read the other way.
        self.inverting: AbstractSet[str] = frozenset()
        #: Tables that are asked for.
        self.asked_tables: set[str] = set()
        #: Values the code needs by name.
        self.constants: dict[str, Any] = {}
        #: What status maps are called with, by the name they are called by.
        self.asked: dict[str, list[Typed]] = {}
        #: Functions called, by their name in the code.
        self.called: dict[str, Function] = {}
        #: (record, field) that were read.
        self.reads: set[tuple[str, str]] = set()
        self.reading = Reading()
        #: Whether numbers are worked out, which a mapping does within bounds of its own.
        self.counts = False
        #: Whether a rule is called, which may work some out, too.
        self.foreign = False
        #: Names in the code of parts of the mapping.
        self.parts_called: set[str] = set()
        #: Called for a part of the mapping: (name, in a loop, its numbers) -> name in the code.
        self.part_called: Callable[[str, bool, Numbers], tuple[str, tuple[str, ...]]] = lambda part, *_: (part, ())
        #: Parts of expressions looked at, those of a part of the mapping at each of its calls.
        self.weight = 0
        #: Texts that may still be made without being paid, each being made once of each part of the record.
        self.free = FREE
        self._numbered = 0

    def is_free(self) -> bool:
        """Take one of what is for nothing, if there is one left."""
        self.free -= 1
        return self.free >= 0

    def check(self, parsed: Parsed, scope: Scope, expected: Type | None = None, default: Any = UNKNOWN) -> Typed:
        """The Python of an expression and its type.

        Args:
            parsed: The expression.
            scope: What names mean.
            expected: Of the field it is for; the value is held against it.
            default: The field's own default, for `unset`.

        Raises:
            WrongError: it does not fit, or means nothing.
        """
        given = Expression(self, parsed, scope, expected, default).visit(parsed.tree)
        return given if expected is None else self.fitted(given, expected, parsed, parsed.tree)

    def condition(self, parsed: Parsed, scope: Scope) -> tuple[ast.expr, Facts]:
        """The Python of a condition, and what is known where it holds."""
        return Expression(self, parsed, scope, None, UNKNOWN).condition(parsed.tree)

    def loop(self, text: str, scope: Scope) -> loops.Loop:
        """`line in order.lines` as it stands under `each:`."""
        begun = len(LOOP)
        try:
            parsed = Parsed(f"{LOOP}{text}]")
            match parsed.tree:
                case ast.ListComp(generators=generators) if not any(each.ifs for each in generators):
                    runs: list[loops.Loop] = []
                    for each in generators:
                        inner = runs[-1].scope if runs else scope
                        runs.append(loops.loop(Expression(self, parsed, inner, None, UNKNOWN), each))
                    return loops.together(runs)
                case ast.ListComp(generators=generators):
                    test = next(test for each in generators for test in each.ifs)
                    write = f"write where: {parsed.source(test)}"
                    raise parsed.wrong(test, "a loop has no condition of its own", write)
                case _:
                    raise WrongError("is no loop", "write `line in order.lines`", start=begun)
        except WrongError as error:
            if " in " not in text or error.text.startswith("is no expression"):
                error = WrongError("is no loop", "write `line in order.lines`", start=begun)
            # the place is one in what is written
            error.start, error.end = max(error.start - begun, 0), max(error.end - begun, 0)
            raise error from None

    def weighed(self, loop: loops.Loop) -> None:
        """What is in a loop under `each:` was looked at."""
        for each in loop.around:
            self.weighed(each)
        once = self.weight - loop.begun + 4
        if loop.turns is None:
            self.constants[loop.weight] = once
        else:
            # paid as if it were written out
            self.weight += once * loop.turns

    def fitted(self, given: Typed, wanted: Type, parsed: Parsed, node: ast.AST) -> Typed:
        """The value as the field wants it.

        Raises:
            WrongError: it does not fit.
        """
        problem = misfit(given.type, wanted, None if given.constant is UNKNOWN else given.constant)
        if problem is not None:
            shown = parsed.source(node) or "…"
            write = problem.write.replace("…", shown, 1) or turned(given.type, wanted, shown)
            raise parsed.wrong(node, problem.text, write)
        held = None if given.constant is not UNKNOWN else guard(given.type, wanted)
        made = self.converted(given, wanted)
        if held is None:
            return made
        self.constants[held[0]] = held[1]
        known = given.type
        free = isinstance(known, Number) and isinstance(wanted, Number) and wanted.scale is None
        return Typed(call(held[0], made.code), msgspec.structs.replace(known, finite=True) if free else wanted)

    def converted(self, given: Typed, wanted: Type) -> Typed:  # noqa: PLR0911 - one for each kind
        """Decimals for whole numbers where those are wanted, also inside; and numbers without parts of their own."""
        aim = bare(wanted)
        if isinstance(aim, Anything) and aim.kinds and not isinstance(given.type, Nothing | Never):
            return self.converted(given, kind_of(bare(given.type), aim)[0])
        if holds_float(given.type, wanted):
            return Typed(call("_floats", given.code), wanted)
        if isinstance(aim, Number) and isinstance(given.type, Integer):
            if given.constant is not UNKNOWN:
                return Typed(self.constant(Decimal(given.constant)), wanted, given.constant)
            return Typed(call("_Decimal", given.code), wanted)
        if holds_whole(given.type, wanted):
            return Typed(call("_decimals", given.code), wanted)
        if isinstance(wanted, Integer) and not wanted.parts and isinstance(given.type, Integer) and given.type.parts:
            return Typed(call("_int", given.code), wanted)
        return given

    def whole(self, given: Typed) -> None:
        """A value goes where everything in it may be read."""
        records = [each.name for each in records_in(given.type)]
        called = {each.id for each in ast.walk(given.code) if isinstance(each, ast.Name)} if not given.places else set()
        # what a part made is no part of the source, though it may be called alike
        if records and not any(each in called for each in self.parts_called):
            self.reading.whole(records, given.places)

    def constant(self, value: Any) -> ast.expr:
        """A value in the code: written down where Python can, else by a name."""
        if value is None or isinstance(value, str | bool | int):
            return ast.Constant(value)
        key = "_" + re.sub(r"\W", "_", str(value), flags=re.ASCII)[:30] if isinstance(value, Decimal) else "_value"
        while key in self.constants and not (
            type(self.constants[key]) is type(value) and repr(self.constants[key]) == repr(value)
        ):
            self._numbered += 1
            key = f"{key}_{self._numbered}"
        self.constants[key] = value
        return name(key)

    def fresh(self, called: str = "v") -> str:
        """A name in the code that nobody uses."""
        self._numbered += 1
        return f"_{called}{self._numbered}"
