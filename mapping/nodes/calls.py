"""Calls of functions: of the library, of rules, of parts and of status maps."""

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mapping import other_languages
from mapping.functions import FUNCTIONS, USUAL, written
from mapping.messages import WrongError, nearest
from mapping.nodes import forms, texts
from mapping.nodes.forms import FORMS
from mapping.runtime import STEP
from mapping.scope import UNKNOWN, Typed, method, name
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
    as_number,
    bare,
)
from mapping.signatures import Function, bound, result_of

if TYPE_CHECKING:
    from mapping.nodes.expression import Expression

#: Of functions that are one method of a text in Python, when called with one argument, and take no time for a long one.
_METHODS = {"trim": "strip"}
#: Functions that make no more of a text than it is.
_PLAIN = frozenset({"trim", "upper", "lower"})
#: Of functions that read a table the other way.
_READS_BACK = "lookup_back"


def call(expression: "Expression", node: ast.Call) -> Typed:
    match node.func:
        case ast.Name(id=called):
            arguments = node.args
        case ast.Attribute(value=of, attr=called):
            # `order.number.trim()` is `trim(order.number)`
            arguments = [of, *node.args]
        case _:
            raise expression.wrong(node, "only functions can be called")
    form = FORMS.get(called)
    function = expression.checker.functions.get(called)
    _of_nobody(expression, node.func, called)
    if form is not None and called not in expression.scope.variables:
        return form(expression, node, arguments)
    if function is None:
        raise _unknown(expression, node.func, called)
    return _function(expression, node, function, arguments)


def _of_nobody(expression: "Expression", func: ast.expr, called: str) -> None:
    """Refuse `Math.round(x)`: a function belongs to nobody."""
    match func:
        case ast.Attribute(value=ast.Name(id=owner) as of) if owner not in expression.scope.variables:
            known = _known(expression)
            write = f"write {called}(…)" if called in known else other_languages.function(called, known)
            similar = nearest(owner, expression.scope.variables).startswith("did")
            if write and not similar and not other_languages.is_record(owner):
                raise expression.wrong(of, f"nothing is called {owner}", write)
        case _:
            pass


def _unknown(expression: "Expression", func: ast.expr, called: str) -> WrongError:
    """Said of a function that there is not."""
    known = _known(expression)
    if called in expression.scope.variables:
        return expression.wrong(func, f"{called} is a value, no function", f"write {called} without brackets")
    if isinstance(func, ast.Attribute):
        of = bare(expression.visit(func.value).type)
        if isinstance(of, Record) and called in of.fields:
            write = f"write {expression.parsed.source(func)} without brackets"
            return expression.wrong(func, f"{called} is a field, no function", write)
    write = other_languages.function(called, known) or nearest(called, known)
    if (turned := called.removesuffix("_back")) != called and turned in known:
        write = f"a status map that says `inverts: true` is turned round so: write it under {turned}"
    return expression.wrong(func, f"there is no function {called}", write)


def _known(expression: "Expression") -> frozenset[str]:
    return frozenset({*expression.checker.functions, *FORMS})


def _function(expression: "Expression", node: ast.Call, function: Function, arguments: list[ast.expr]) -> Typed:
    given: dict[str, tuple[ast.expr, Typed]] = {}
    meanings: dict[str, Type] = {}
    names = [each.name for each in function.parameters]
    if len(arguments) > len(names):
        raise expression.wrong(
            node, f"{function.name} takes {len(names)} values, not {len(arguments)}", f"write {function}"
        )
    if any(isinstance(each, Broken) for each in (function.result, *(one.type for one in function.parameters))):
        raise WrongError("")
    pairs = [*zip(names, arguments, strict=False), *((each.arg or "", each.value) for each in node.keywords)]
    for parameter_name, value in pairs:
        if parameter_name not in names or parameter_name in given:
            raise expression.wrong(node, f"{function.name} takes no {parameter_name} here", f"write {function}")
        given[parameter_name] = (value, expression.visit(value))
    _list_first(expression, node, function, given)
    _absent_of_any_kind(expression, function, given)
    codes: dict[str, Typed] = {}
    for parameter in function.parameters:
        if parameter.name in given:
            value, typed = given[parameter.name]
            wanted = bound(parameter.type, typed.type, meanings)
            codes[parameter.name] = expression.checker.fitted(typed, wanted, expression.parsed, value)
        elif parameter.required:
            raise expression.wrong(node, f"{function.name} needs {parameter.name}", f"write {function}")
    _known_table(expression, node, function, given)
    _written(expression, node, function, given)
    constants = {each.name: each.default for each in function.parameters if not each.required}
    constants |= {key: typed.constant for key, (_, typed) in given.items()}
    for each, (_, typed) in given.items():
        if function.call is None:
            expression.checker.reading.given(function.name, each, typed.places)
        else:
            expression.checker.whole(typed)
    if function.call is not None and not function.work:
        expression.checker.asked.setdefault(function.name, []).extend(codes.values())
    if expression.scope.depth and function.work and function.name not in _PLAIN:
        # at each turn; outside of loops the mapping's own size bounds it
        expression.checker.weight += function.price // STEP
    free = not function.work or _is_free(expression, function, codes)
    arguments_ = {key: each.code if free else _paid(expression, function, key, each) for key, each in codes.items()}
    numbers = function.call is not None and not _has_no_numbers(function)
    expression.checker.counts |= numbers
    # a rule may work numbers out of texts; a status map does not
    expression.checker.foreign |= function.call is not None and function.work > 0 and not _is_ours(function)
    code = _called(expression, function, arguments_, _numbers(function, given))
    # of a part what it gives is known when it is written, with its first call
    result = result_of(expression.checker.functions[function.name], meanings, constants)
    # what a function takes long for was paid more than what comes of it
    free = free or (function.work > USUAL and len(function.worked_on) <= 2)
    return Typed(code if free else texts.paid(code, result), result)


def _written(
    expression: "Expression", node: ast.Call, function: Function, given: Mapping[str, tuple[ast.expr, Typed]]
) -> None:
    """Refuse what is written down and no record could be worked out with."""
    if function.call is None or not _is_ours(function):
        return
    values = {each.name: each.default for each in function.parameters if not each.required}
    for key, (place, typed) in given.items():
        values[key] = typed.constant if typed.constant is not UNKNOWN else _only_value(typed.type)
        told = None if values[key] is UNKNOWN else written.wrong(function.name, key, values[key])
        if told is not None:
            raise expression.wrong(place, *told)
    if told := written.wrong_together(function.name, values):
        raise expression.wrong(node, *told)
    if UNKNOWN not in values.values() and not function.takes and (reason := written.refused(function.call, values)):
        raise expression.wrong(node, reason)


def _only_value(type_: Type) -> Any:
    """Of a named value that is written down, what it is."""
    values = type_.values if isinstance(type_, Text | Integer) else None
    return next(iter(values)) if values is not None and len(values) == 1 else UNKNOWN


def _is_free(expression: "Expression", function: Function, given: Mapping[str, Typed]) -> bool:
    """Whether a call costs no more than one look at the record, of which a mapping has some for nothing."""
    if function.work > USUAL:
        return False
    if not expression.scope.depth:
        return expression.checker.is_free()
    return function.name in _PLAIN and list(given) == ["text"] and texts.is_free(expression, given["text"])


def _paid(expression: "Expression", function: Function, parameter: str, given: Typed) -> ast.expr:
    """An argument, paid for what the function does with it.

    What a function takes long for, which is its first text or list, is paid always. What is the loop's own, or stands
    in no loop, is read as often as it is written, and goes with what the function makes of it.
    """
    if function.work > USUAL and parameter == function.worked_on[0]:
        return texts.read(expression, given, function.work).code
    if not isinstance(bare(function.result), Text | ListOf | MapOf):
        return texts.read(expression, given).code
    return expression.charged(texts.unpaid(given)).code


def _list_first(
    expression: "Expression", node: ast.Call, function: Function, given: dict[str, tuple[ast.expr, Typed]]
) -> None:
    """`", ".join(texts)`, as Python has it."""
    if function.name == "join" and len(given) == 2:
        (one, first), (other, second) = given.values()
        if isinstance(first.type, Text) and isinstance(second.type, ListOf):
            source = expression.parsed.source
            raise expression.wrong(node, "join takes the list first", f"write join({source(other)}, {source(one)})")


def _absent_of_any_kind(expression: "Expression", function: Function, given: dict[str, tuple[ast.expr, Typed]]) -> None:
    """A function that reads any value says what it is where it is absent, if it can; what has no end is rounded."""
    names = [each.name for each in function.parameters]
    for parameter in function.parameters:
        node, typed = given.get(parameter.name, (None, None))
        if node is None or typed is None or not isinstance(parameter.type, Anything):
            continue
        shown = expression.parsed.source(node)
        if isinstance(number := bare(typed.type), Number) and not number.exact:
            raise expression.wrong(node, "is a quotient, and may have no end", f"write round({shown}, 2)")
        if isinstance(typed.type, Optional | Nothing) and "fallback" in names and "fallback" not in given:
            raise expression.wrong(node, f"{shown} may be absent", f"write {function.name}({shown}, …)")


def _known_table(
    expression: "Expression", node: ast.Call, function: Function, given: dict[str, tuple[ast.expr, Typed]]
) -> None:
    """A function reads tables, too, only by names that the mapping declares."""
    for parameter in function.parameters:
        if parameter.name == "table" and "lookups" in function.takes:
            place, table = given.get("table", (node, None))
            called = table.constant if table is not None else parameter.default
            forms.known_table(expression, place, called)
            if function.name == _READS_BACK and called not in expression.checker.inverting:
                raise expression.wrong(
                    place,
                    f"the table {called} is not said to invert",
                    f"write lookups: {{{called}: {{inverts: true}}}}, so that check tells two rows of one value",
                )


def _is_ours(function: Function) -> bool:
    """Whether it is one of the language, and no rule of the same name."""
    return function.name in FUNCTIONS and FUNCTIONS[function.name].call is function.call


def _has_no_numbers(function: Function) -> bool:
    """Whether a function neither takes nor gives what may hold a decimal."""
    types = (function.result, *(each.type for each in function.parameters))
    inner = (each.item if isinstance(each, ListOf) else each for each in map(bare, types))
    return all(isinstance(bare(each), Text | Integer | Boolean | Date | Instant) for each in inner)


def _numbers(
    function: Function, given: Mapping[str, tuple[ast.expr, Typed]]
) -> tuple[tuple[str, int | None, bool], ...]:
    """Of the decimals a part is given how many digits they have: what it makes of them has more."""
    found = []
    for parameter in function.parameters if function.call is None else ():
        type_ = bare(given[parameter.name][1].type)
        if isinstance(bare(parameter.type), Number) and isinstance(type_, Number | Integer):
            number = as_number(type_)
            found.append((parameter.name, number.scale, number.exact))
    return tuple(found)


def _called(
    expression: "Expression",
    function: Function,
    codes: dict[str, ast.expr],
    numbers: tuple[tuple[str, int | None, bool], ...],
) -> ast.expr:
    simple = _METHODS.get(function.name)
    if simple is not None and list(codes) == ["text"]:
        return method(codes["text"], simple)
    code, takes, order = function.code, function.takes, function.order
    if function.call is None:
        code, takes = expression.checker.part_called(function.name, expression.scope.depth > 0, numbers)
        order = (*codes, *takes)
        expression.checker.parts_called.add(code)
    expression.checker.called[code] = function
    codes |= {each: name(each if each == "now" else f"_{each.lstrip('_')}") for each in takes}
    positional: list[ast.expr] = []
    named: list[ast.keyword] = []
    for each in order:
        if each not in codes:
            continue
        # what follows one that is left out is given by name
        if len(positional) == order.index(each):
            positional.append(codes[each])
        else:
            named.append(ast.keyword(each, codes[each]))
    return ast.Call(name(code), positional, named)
