"""What looks like a function and is more: aggregates, `default`, `round`, `lookup` and others whose types depend."""

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mapping.advice import turned
from mapping.messages import nearest
from mapping.nodes import loops, texts
from mapping.places import Places, either, inside
from mapping.scope import Typed, all_of, call, is_there, name
from mapping.shapes import (
    Boolean,
    Integer,
    ListOf,
    MapOf,
    Never,
    Nothing,
    Number,
    Optional,
    Record,
    Text,
    Type,
    bare,
    joined,
    optional,
    reading,
)

if TYPE_CHECKING:
    from mapping.nodes.expression import Expression

ROUNDINGS = ("half_even", "half_up", "half_down", "up", "down", "ceiling", "floor")
Form = Callable[["Expression", ast.Call, list[ast.expr]], Typed]


def _sum(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    code, item = _each(expression, node, arguments, "sum(line.tax for line in order.lines)")
    if isinstance(item, Integer):
        return Typed(call("_sum", code), Integer())
    if not isinstance(item, Number):
        like = (
            [name for name, each in item.fields.items() if isinstance(each.type, Number)]
            if isinstance(item, Record)
            else []
        )
        of = expression.parsed.source(arguments[0])
        write = f"sum(…) adds numbers: write sum(each.{like[0]} for each in {of})" if like else "sum(…) adds numbers"
        raise expression.wrong(node, f"a sum of {item}", reading(item) or write)
    made = Number(scale=item.scale, exact=item.exact, finite=item.finite)
    expression.checker.counts = True
    return Typed(call("_sum", code, name("_ZERO")), made)


def _count(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    if len(arguments) == 1 and isinstance(arguments[0], ast.GeneratorExp):
        counted = arguments[0]
        generators, _ = loops.comprehension(expression, counted, lambda here: here.visit(counted.elt))
        return Typed(call("_len", ast.ListComp(ast.Constant(1), generators)), Integer())
    given = _only(expression, node, arguments, "count(order.lines)")
    if not isinstance(given.type, ListOf | MapOf):
        raise expression.wrong(node, f"{given.type} cannot be counted", "length_of(…) counts a text's characters")
    return Typed(call("_len", given.code), Integer())


def _extreme(which: str) -> Form:
    def form(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
        if len(arguments) > 1:
            items = [expression.value(each, f"in {which}(…)") for each in arguments]
            made = items[0].type
            for each, place in zip(items[1:], arguments[1:], strict=True):
                both = joined(made, each.type)
                if both is None:
                    raise expression.wrong(place, f"is {each.type}, beside {made}")
                made = both
            _ordered(expression, node, made)
            if isinstance(made, Number):
                items = [expression.checker.converted(each, made) for each in items]
            return Typed(call(f"_{which}", *(each.code for each in items)), made)
        code, item = _each(expression, node, arguments, f"{which}(line.tax for line in order.lines)")
        _ordered(expression, node, item)
        return Typed(call(f"_{which}", code, default=ast.Constant(None)), optional(item))

    return form


def _quantifier(which: str) -> Form:
    def form(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
        if len(arguments) == 1 and isinstance(arguments[0], ast.GeneratorExp):
            asked = arguments[0]
            generators, (code, _) = loops.comprehension(expression, asked, lambda here: here.condition(asked.elt))
            return Typed(call(f"_{which}", ast.GeneratorExp(code, generators)), Boolean())
        raise expression.wrong(node, f"{which} asks of each", f"write {which}(line.tax > 0 for line in order.lines)")

    return form


def _first(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    such_as = "first(line.sku for line in order.lines)"
    code, item, places = _placed(expression, node, arguments, such_as, made=ast.GeneratorExp)
    return Typed(call("_next", call("_iter", code), ast.Constant(None)), optional(item), places=places)


def _distinct(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    code, item = _each(expression, node, arguments, "distinct(line.sku for line in order.lines)")
    _ordered(expression, node, item)
    return Typed(call("_tuple", call("_distinct", code)), ListOf(item))


def _sorted(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    order: dict[str, ast.expr] = {}
    match node.keywords:
        case []:
            pass
        case [ast.keyword(arg="reverse", value=said)] if isinstance(expression.visit(said).constant, bool):
            order = {"reverse": expression.visit(said).code}
        case _:
            raise expression.wrong(node, "sorted takes one list", "write sorted(…, reverse=true) for the last first")
    code, item = _each(expression, node, arguments, "sorted(line.sku for line in order.lines)", *order)
    _ordered(expression, node, item)
    return Typed(call("_tuple", call("_sorted", code, **order)), ListOf(item))


def _default(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    """`default(a.b.c, d)`: the first that is there; the way to the ones before the last may be absent, too."""
    if not 2 <= len(arguments) <= 12 or node.keywords:
        raise expression.wrong(
            node, "default takes a value and what it is where that is absent", 'write default(x, "")'
        )
    *tried, last = arguments
    end = expression.visit(last)
    code, made = end.code, end.type
    standing = [end.places] if not isinstance(end.type, Nothing | Never) else []
    for each in reversed(tried):
        given, guards = through(expression, each)
        if isinstance(given.type, Nothing):
            # a name that stands for nothing until an extension says what it is
            continue
        standing.append(given.places)
        both = joined(bare(given.type), made)
        if both is None:
            shown = expression.parsed.source(each)
            write = reading(given.type, f"{shown}, {expression.parsed.source(last)}", made)
            raise expression.wrong(
                each,
                f"is {bare(given.type)}, or else {made}",
                write or turned(given.type, made, shown) or "both must be of one kind",
            )
        if not guards and not isinstance(given.type, Optional):
            raise expression.wrong(each, f"{expression.parsed.source(each)} is always there", "leave default(…) out")
        code = expression.checker.converted(Typed(code, made, end.constant), both).code
        value = given.code
        if isinstance(given.type, Optional):
            if given.path:
                guards = [*guards, is_there(value)]
            else:
                kept = expression.checker.fresh()
                guards = [*guards, is_there(ast.NamedExpr(ast.Name(kept, ast.Store()), value))]
                value = name(kept)
        value = expression.checker.converted(Typed(value, bare(given.type)), both).code
        code, made = ast.IfExp(all_of(guards), value, code), both
    return Typed(code, made, places=either(*standing))


def through(expression: "Expression", node: ast.expr) -> tuple[Typed, list[ast.expr]]:
    """A path whose steps may be absent, with what must be there for it."""
    if not isinstance(node, ast.Attribute | ast.Subscript):
        return expression.visit(node), []
    of, guards = through(expression, node.value)
    if isinstance(of.type, Optional) and of.path:
        guards = [*guards, is_there(of.code)]
        of = Typed(of.code, bare(of.type), path=of.path, places=of.places)
    elif isinstance(of.type, Optional):
        kept = expression.checker.fresh()
        guards = [*guards, is_there(ast.NamedExpr(ast.Name(kept, ast.Store()), of.code))]
        of = Typed(name(kept), bare(of.type), places=of.places)
    if isinstance(node, ast.Subscript):
        return expression.taken(of, node), guards
    return expression.field(of, node.attr, node), guards


def _round(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    if not 1 <= len(arguments) <= 3 or node.keywords:
        raise expression.wrong(node, "round takes a number, decimals and a way", 'write round(x, 2, "half_up")')
    number = expression.needs(arguments[0], (Number, Integer), "in round(…)")
    places = expression.needs(arguments[1], (Integer,), "as the number of decimals") if len(arguments) > 1 else None
    way = "half_even"
    if len(arguments) == 3:
        said = expression.visit(arguments[2]).constant
        if said not in ROUNDINGS:
            raise expression.wrong(
                arguments[2],
                "is no way to round",
                nearest(str(said), ROUNDINGS) or f"write one of {', '.join(ROUNDINGS)}",
            )
        way = said
    scale = 0 if places is None else places.constant
    if isinstance(scale, int) and not 0 <= scale <= 15:
        raise expression.wrong(arguments[1], "0 to 15 decimals can be kept")
    code = call("_round", number.code, places.code if places else ast.Constant(0), ast.Constant(f"ROUND_{way.upper()}"))
    finite = not isinstance(number.type, Number) or number.type.finite
    return Typed(code, Number(scale=scale if isinstance(scale, int) else None, finite=finite))


def _lookup(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    if not 2 <= len(arguments) <= 3 or node.keywords:
        raise expression.wrong(
            node, "lookup takes a table, a key and perhaps a default", 'write lookup("gp_items", line.sku, line.sku)'
        )
    table = expression.visit(arguments[0]).constant
    known_table(expression, arguments[0], table)
    key = expression.charged(expression.needs(arguments[1], (Text,), "as a key"))
    return _row(expression, ast.Constant(table), key.code, arguments[2] if len(arguments) == 3 else None)


def known_table(expression: "Expression", node: ast.expr, table: object) -> None:
    """Refuse a table the mapping does not declare: who reads its head knows all it depends on.

    Raises:
        WrongError: it is not declared, or not written down.
    """
    tables = expression.checker.tables
    if not isinstance(table, str):
        raise expression.wrong(node, "a table is named by a text written down", 'write "gp_items"')
    if table not in tables:
        raise expression.wrong(
            node,
            f"the mapping declares no table {table}",
            nearest(table, tables) if tables else f"add `{table}:` under `lookups:`",
        )
    expression.checker.asked_tables.add(table)


def _option(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    if not 2 <= len(arguments) <= 3 or node.keywords:
        raise expression.wrong(
            node,
            "option takes a connection, a name and perhaps a default",
            'write option(connection, "currency", "USD")',
        )
    connection = expression.needs(arguments[0], (Text,), "as a connection's name")
    option = expression.needs(arguments[1], (Text,), "as an option's name")
    table = call("_option_table", connection.code)
    return _row(expression, table, option.code, arguments[2] if len(arguments) == 3 else None)


def _row(expression: "Expression", table: ast.expr, key: ast.expr, otherwise: ast.expr | None) -> Typed:
    if otherwise is None:
        return Typed(call("_lookups.get", table, key, ast.Constant("")), Text())
    default = expression.visit(otherwise)
    found = call("_lookups.find", table, key)
    if isinstance(default.type, Nothing):
        return Typed(found, optional(Text()))
    if not isinstance(bare(default.type), Text | Never):
        raise expression.wrong(otherwise, f"is {default.type}, and a row gives text")
    kept = expression.checker.fresh()
    there = is_there(ast.NamedExpr(ast.Name(kept, ast.Store()), found))
    made = optional(Text()) if isinstance(default.type, Optional) else Text()
    return Typed(ast.IfExp(there, name(kept), default.code), made)


def _refuse(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    given = _only(expression, node, arguments, 'refuse("no carrier")')
    if not isinstance(given.type, Text):
        raise expression.wrong(node, "refuse says why, as a text", 'write refuse("no carrier")')
    return Typed(call("_refuse", given.code), Never())


def _only(expression: "Expression", node: ast.Call, arguments: list[ast.expr], such_as: str) -> Typed:
    if len(arguments) != 1 or node.keywords:
        raise expression.wrong(node, "takes one value", f"write {such_as}")
    return expression.value(arguments[0], "here")


def _each(
    expression: "Expression", node: ast.Call, arguments: list[ast.expr], such_as: str, *known: str
) -> tuple[ast.expr, Type]:
    """The values an aggregate is made of, as one thing to run over, and their type."""
    return _placed(expression, node, arguments, such_as, *known)[:2]


def _placed(
    expression: "Expression",
    node: ast.Call,
    arguments: list[ast.expr],
    such_as: str,
    *known: str,
    made: type[ast.ListComp | ast.GeneratorExp] = ast.ListComp,
) -> tuple[ast.expr, Type, Places]:
    """The same, and where in the record they stand; a list at once is faster, and no more than turns that are paid."""
    if len(arguments) != 1 or any(each.arg not in known for each in node.keywords):
        raise expression.wrong(node, "takes one list", f"write {such_as}")
    argument = arguments[0]
    if isinstance(argument, ast.GeneratorExp | ast.ListComp):
        generators, element = loops.comprehension(expression, argument, lambda here: here.visit(argument.elt))
        if isinstance(element.type, Optional):
            raise expression.absent(argument.elt, element, "in an aggregate")
        return made(element.code, generators), element.type, element.places
    given = expression.value(argument, "where a list is needed")
    if not isinstance(given.type, ListOf):
        raise expression.wrong(argument, f"is {given.type}, and a list is needed", f"write {such_as}")
    if isinstance(given.type.item, Never):
        raise expression.wrong(argument, "has no values", f"write {such_as}")
    if isinstance(given.type.item, Optional):
        raise expression.wrong(
            argument, "has values that may be absent", "leave them out: [x for x in … if x is not none]"
        )
    return texts.read(expression, given).code, given.type.item, inside(given.places)


def _ordered(expression: "Expression", node: ast.AST, item: Type) -> None:
    if not loops.has_order(item):
        write = "take one of its fields: line.sku for line in order.lines; a block has `order by:` and `group by:`"
        raise expression.wrong(node, f"{item} has no order", write if isinstance(item, Record) else "")


def _abs(expression: "Expression", node: ast.Call, arguments: list[ast.expr]) -> Typed:
    given = _only(expression, node, arguments, "abs(line.discount)")
    if not isinstance(given.type, Number | Integer):
        raise expression.wrong(node, f"is {given.type}, and abs(…) takes a number")
    expression.checker.counts = True
    return Typed(call("_abs", given.code), given.type if isinstance(given.type, Number) else Integer())


FORMS: Mapping[str, Form] = {
    "sum": _sum,
    "count": _count,
    "min": _extreme("min"),
    "max": _extreme("max"),
    "any": _quantifier("any"),
    "all": _quantifier("all"),
    "first": _first,
    "distinct": _distinct,
    "sorted": _sorted,
    "default": _default,
    "abs": _abs,
    "round": _round,
    "lookup": _lookup,
    "option": _option,
    "refuse": _refuse,
}
