"""Compiles a mapping file to one plain Python function, after every expression was checked against both records."""

import ast
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from mapping import runtime
from mapping.body import Body
from mapping.checker import Checker, Numbers
from mapping.expressions import Parsed
from mapping.messages import BrokenMappingError, WrongError, nearest
from mapping.nodes import loops
from mapping.nodes.forms import FORMS
from mapping.records import Records
from mapping.scope import Scope, code_of
from mapping.shapes import Broken, Instant, Optional, Record, Type, bare, narrowed, optional
from mapping.signatures import Function, Parameter, function_of
from mapping.spec import Block, Expr, Named, Part, Spec
from mapping.statuses import say_rows, status_maps
from mapping.told import Told
from mapping.unread import KEEP, keep, say_unread
from mapping.writer import Made, Writer

#: What a function of the code is handed on if it needs it.
_HANDED_ON = ("_lookups", "now", "_steps")


class _Way(StrEnum):
    """How a part is written: for loops apart, as its own loops are charged there; and where nothing is for nothing."""

    ONCE = "part"
    LOOPED = "looped"
    PAID = "paid"


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping that can be run: `function(record, lookups, now)`."""

    function: Callable[..., Any]
    #: Its Python, to be read.
    source: str
    #: Line of the source -> the field it works out.
    fields: Mapping[int, str]
    #: Name of a function of it -> the part it is written for; a part may be written several times.
    parts: Mapping[str, str]
    #: (record, field) that are read.
    reads: frozenset[tuple[str, str]]
    #: Lookup tables its expressions ask.
    tables: frozenset[str]
    #: What it reads, under its name.
    given: tuple[str, Type]
    #: Whether it works out numbers, for which their bounds are set.
    counts: bool = True
    #: Whether a rule is among what it calls, which may count by the bounds that are set.
    foreign: bool = True


def compiled(
    spec: Spec,
    records: Records,
    functions: Mapping[str, Function],
    rules: Mapping[str, Callable[..., Any]] | None = None,
) -> Compiled:
    """Check a mapping and compile it.

    Args:
        spec: The file.
        records: Finds the records it names.
        functions: What every mapping may call.
        rules: What this one may call besides if it names it under `rules:`.

    Raises:
        BrokenMappingError: all that is wrong with it, each with its place.
    """
    return _Compiler(spec, records, functions, rules or {}).compiled()


class _Compiler:
    def __init__(
        self, spec: Spec, records: Records, functions: Mapping[str, Function], rules: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.spec = spec
        self.records = records
        self.told = Told()
        self.writer = Writer()
        self.parts: dict[str, Part] = {}
        #: By name, way and the digits of what it is given: name in the code, what it is handed on, what it gives.
        self.written: dict[tuple[str, _Way, Numbers], tuple[str, tuple[str, ...], Type]] = {}
        self.frees: dict[tuple[str, _Way], int] = {}
        self.open: list[str] = []
        #: What a part says it makes, by its name.
        self._declared: dict[str, Type] = {}
        self.weights: dict[str, int] = {}
        self.functions = self._functions(functions, rules)
        self.checker = Checker(self.functions, frozenset(spec.lookups))
        self.checker.inverting = frozenset(table for table, inverts in spec.lookups.items() if inverts)
        self.checker.part_called = self._part_called

    def compiled(self) -> Compiled:
        given = self._given(self.spec.given)
        target = self._type(self.spec.to) if self.spec.to is not None else None
        if len(given) != 1 and not self.told.messages:
            self.told.say(
                self.spec.block.at, "a mapping reads one record", "write its name and what it is under `from:`"
            )
        if target is not None and not isinstance(target, Record) and self.spec.to is not None:
            self.told.say(self.spec.to, f"{target} is no record", "name one such as canonical.order.Order")
        if len(given) != 1 or not isinstance(target, Record):
            raise BrokenMappingError(self.told.messages)
        main = self._function("mapped", given, target, self.spec.block, looped=False)
        self._unused_parts()
        for statuses in self.spec.statuses:
            say_rows(statuses, self.checker.asked, self.told)
        say_unread(self.spec, given, target, self.checker.reading, self.told)
        if self.told.messages:
            raise BrokenMappingError(sorted(self.told.messages, key=lambda each: (each.line, each.column)))
        self.writer.append(main)
        return self._run(next(iter(given.items())))

    def _run(self, given: tuple[str, Type]) -> Compiled:
        source = self.writer.text
        called = {code: function.call for code, function in self.checker.called.items() if function.call is not None}
        space: dict[str, Any] = {"__builtins__": {}, **runtime.NAMES, **self.checker.constants, **called}
        exec(compile(source, self.spec.document.file, "exec"), space)  # noqa: S102 - of our own making: see checker.py
        return Compiled(
            function=space["mapped"],
            source=source,
            fields=dict(self.writer.fields),
            parts={code: name for (name, *_), (code, *_) in self.written.items()},
            reads=frozenset(self.checker.reads),
            tables=frozenset(self.checker.asked_tables),
            given=given,
            counts=self.checker.counts,
            foreign=self.checker.foreign,
        )

    # what the file declares

    def _functions(
        self, functions: Mapping[str, Function], rules: Mapping[str, Callable[..., Any]]
    ) -> dict[str, Function]:
        known = dict(functions)
        for rule in self.spec.rules:
            if rule.text not in rules:
                write = nearest(rule.text, rules) or "say it as an expression, or as a part under `parts:`"
                self.told.say(rule, f"there is no rule {rule.text}", write)
                continue
            with self.told.about(rule):
                known[rule.text] = function_of(rule.text, rules[rule.text])
        for statuses in self.spec.statuses:
            for function in status_maps(statuses, self.told):
                self._declare(known, statuses.name, function)
        for part in self.spec.parts:
            given = self._given(part.given)
            parameters = tuple(
                Parameter(name=named.text, type=given.get(named.text, Broken())) for named, _ in part.given
            )
            result = self._declared[part.name.text] = self._type(part.to) or Broken()
            function = Function(name=part.name.text, call=None, parameters=parameters, result=result, work=0)
            self._declare(known, part.name, function)
            self.parts[part.name.text] = part
        return known

    def _declare(self, known: dict[str, Function], at: Named, function: Function) -> None:
        if function.name in known or function.name in FORMS:
            self.told.say(at, f"{function.name} is a function already", "choose another name")
        self._name(at, {})
        known[function.name] = function

    def _given(self, given: tuple[tuple[Named, Expr], ...]) -> dict[str, Type]:
        made: dict[str, Type] = {}
        for named, written in given:
            self._name(named, made)
            type_ = self._type(written)
            if type_ is not None:
                made[named.text] = type_
        return made

    def _name(self, named: Named, taken: Mapping[str, Type]) -> None:
        with self.told.about(named):
            loops.new_name(named.text, Scope(variables=taken), Parsed("none"), ast.Constant(None))

    def _type(self, written: Expr) -> Type | None:
        with self.told.about(written):
            return self.records.type_named(written.text)
        return None

    # functions

    def _part_called(self, name: str, looped: bool, numbers: Numbers) -> tuple[str, tuple[str, ...]]:
        """Write a part the first time it is called; for loops apart, as its own loops are charged there."""
        if name in self.open:
            raise WrongError(f"{name} calls itself", "a part can only call others")
        way = self._way(name, looped)
        if (name, way, numbers) not in self.written:
            part = self.parts[name]
            begun, free = self.checker.weight, self.checker.free
            if way is _Way.PAID:
                self.checker.free = 0
            self.open.append(name)
            # in front, where no part's name can be
            others = sum((each, its) == (name, way) for each, its, _ in self.written)
            code = f"_{way}_{name}" + (f"_of{others + 1}" if others else "")
            while others and code.removeprefix(f"_{way}_") in self.parts:
                code += "_"
            given = _with_digits(self._given(part.given), numbers)
            function = self._function(code, given, self._declared[name], part.block, looped=looped, value=part.value)
            self.open.pop()
            body = "\n".join(function.lines[1:])
            takes = tuple(each for each in _HANDED_ON if _reads(body, each))
            self.writer.append(function)
            self.writer.line("\n")
            self.written[name, way, numbers] = (code, takes, self.checker.functions[name].result)
            self.weights[name] = self.checker.weight - begun
            self.frees[name, way] = free - self.checker.free
            if way is _Way.PAID:
                self.checker.free = free
        else:
            # as much is worked out again
            self.checker.weight += self.weights[name]
            self.checker.free -= self.frees[name, way] if way is _Way.ONCE else 0
        code, takes, result = self.written[name, way, numbers]
        self._gives(name, result)
        return code, takes

    def _way(self, name: str, looped: bool) -> "_Way":
        if looped:
            return _Way.LOOPED
        # what is for nothing at one call is so at each
        return _Way.ONCE if self.frees.get((name, _Way.ONCE), 0) <= max(self.checker.free, 0) else _Way.PAID

    def _gives(self, part: str, result: Type) -> None:
        """What its expression gives is known better than what it was said to make: which texts, how many decimals."""
        self.functions[part] = msgspec.structs.replace(self.functions[part], result=result)

    def _unused_parts(self) -> None:
        # of an extension and of ours
        named = (*(each.name for each in self.spec.parts), *(each for each, _ in self.spec.block.fields))
        texts = {self.spec.document.text, *(each.document.text for each in named)}
        for name, part in self.parts.items():
            # what calls it may be wrong in itself
            meant = self.told.messages and any(re.search(rf"\b{re.escape(name)}\(", text) for text in texts)
            if not meant and name not in {each for each, *_ in self.written}:
                self.told.say(part.name, f"nobody calls {name}", "leave the part out")

    def _function(
        self, code: str, given: Mapping[str, Type], made: Type, block: Block, *, looped: bool, value: Expr | None = None
    ) -> Writer:
        writer = Writer()
        writer.within()
        body = Body(self.checker, self.told, writer)
        parts = frozenset(given) if not looped else frozenset[str]()
        places = {each: frozenset({f"{self.open[-1]}({each})" if self.open else each}) for each in given}
        scope = Scope(variables={**given, "now": Instant()}, depth=1 if looped else 0, parts=parts, places=places)
        if value is not None:
            scope = body.begin(block, scope, "", made)
            typed = body.check(value, scope, made)
            if typed is not None:
                self._gives(self.open[-1], narrowed(typed.type, made))
                self.checker.whole(typed)
            writer.line(f"return {code_of(typed)}")
        elif isinstance(made, Record):
            record = body.record(block, made, scope, "")
            if code == "mapped":
                record = self._keeping(record, given, made)
            writer.value("return ", record, "", "")
        else:
            self.told.say(block.at, f"a part that makes {made} needs `value:`", "value: …")
        writer.without()
        return self._headed(code, given, writer)

    def _headed(self, code: str, given: Mapping[str, Type], body: Writer) -> Writer:
        text = body.text
        taken = _HANDED_ON[:2] if code == "mapped" else [each for each in _HANDED_ON if _reads(text, each)]
        head = Writer()
        head.line(f"def {code}({', '.join([*given, *taken])}):")
        if code == "mapped" and _reads(text, "_steps"):
            head.line("    _steps = _Steps()")
        head.append(body)
        return head

    def _keeping(self, record: Made, given: Mapping[str, Type], made: Record) -> Made:
        unmapped = self.spec.unmapped
        if unmapped is None or not unmapped.text.startswith(KEEP):
            return record
        with self.told.about(unmapped):
            record, self.checker.constants["_unread"] = keep(record, self.spec, given, made, self.checker.reading)
        return record


def _with_digits(given: dict[str, Type], numbers: Numbers) -> dict[str, Type]:
    """What a part is given, its decimals with the digits they have at a call."""
    for name, scale, exact in numbers:
        declared = given[name]
        number = msgspec.structs.replace(bare(declared), scale=scale, exact=exact)
        given[name] = optional(number) if isinstance(declared, Optional) else number
    return given


def _reads(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None
