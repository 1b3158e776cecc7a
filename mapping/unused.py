"""What a mapping file declares and nothing in it uses: named values and lookup tables; told, and no fault."""

import ast
from collections.abc import Iterable, Iterator

from mapping.data import DataMapping
from mapping.expressions import Parsed
from mapping.messages import Message
from mapping.spec import Block, Expr, Listed, Named, Spec, Value


def unused(mapping: DataMapping) -> list[Message]:
    """Of its own file, in the order it stands there; what it extends is somebody else's.

    Raises:
        BrokenMappingError: it cannot be run.
    """
    spec, own = mapping.spec, mapping.own.document
    told = [
        own.message(named.node.start, f"nothing uses {named.text}", "leave it out")
        for named in _idle(spec)
        if named.document.file == own.file
    ]
    called = {name for each in _all(spec) for name in _calls(each)}
    told += [
        own.message(each.name.node.start, f"nothing asks the status map {each.name.text}", "leave it out")
        for each in mapping.own.statuses
        if not called & {each.name.text, f"{each.name.text}_back"}
    ]
    # a rule finds its tables by itself
    rules = "".join(mapping.rule_texts(spec))
    told += [
        own.message(place, f"nothing reads the lookup table {table}", "leave it out")
        for table, place in mapping.own.tables_at().items()
        if table not in mapping.compiled.tables and f'"{table}"' not in rules
    ]
    return sorted(told, key=lambda each: (each.line, each.column))


def _idle(spec: Spec) -> Iterator[Named]:
    for part in spec.parts:
        yield from _in_block(part.block, [part.value] if part.value is not None else [])
    yield from _in_block(spec.block, [])


def _in_block(block: Block, besides: Iterable[Expr]) -> Iterator[Named]:
    said = [*_said(block), *((each, False) for each in besides)]
    for named, own in block.let:
        if not any(named.text in _names(expr, template) for expr, template in said if expr is not own):
            yield named
    for _, value in block.fields:
        yield from _in_value(value)
    if block.otherwise is not None:
        yield from _in_value(block.otherwise)


def _in_value(value: Value) -> Iterator[Named]:
    match value:
        case Block():
            yield from _in_block(value, [])
        case Listed(items):
            for item in items:
                yield from _in_value(item)


def _said(value: Value) -> Iterator[tuple[Expr, bool]]:
    """Every expression in a value, and whether it is a message with such in braces."""
    match value:
        case Expr():
            yield value, False
        case Listed(items):
            for item in items:
                yield from _said(item)
        case Block():
            yield from (
                (each, False) for each in (value.each, value.where, value.having, value.when) if each is not None
            )
            yield from ((expr, False) for _, expr in (*value.group_by, *value.let))
            yield from ((expr, False) for expr in value.order_by)
            for requirement in value.require:
                yield from ((requirement.that, False), (requirement.say, True))
            for inner in (*(each for _, each in value.fields), *([value.otherwise] if value.otherwise else [])):
                yield from _said(inner)


def _all(spec: Spec) -> Iterator[tuple[Expr, bool]]:
    for part in spec.parts:
        yield from _said(part.block)
        if part.value is not None:
            yield part.value, False
    yield from _said(spec.block)


def _calls(said: tuple[Expr, bool]) -> Iterator[str]:
    """Functions that are called, also behind a value's point."""
    tree = Parsed(said[0].text.removesuffix(" descending"), template=said[1]).tree
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                yield called


def _names(expr: Expr, template: bool) -> frozenset[str]:
    """What an expression, a loop or a message of a mapping that can be run mentions."""
    tree = Parsed(expr.text.removesuffix(" descending"), template=template).tree
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
