"""What a mapping file declares and nothing in it uses: named values and lookup tables; told, and no fault."""

import ast
from collections.abc import Iterable, Iterator

from mapping.data import DataMapping
from mapping.expressions import LOOP, Parsed
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
    said = [(expr, _names(tree)) for expr, tree in (*_said(block), *((each, _tree(each)) for each in besides))]
    for named, own in block.let:
        if not any(named.text in names for expr, names in said if expr is not own):
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


def _said(value: Value) -> Iterator[tuple[Expr, ast.AST]]:
    """Every expression, loop and message in a value, as it was read."""
    match value:
        case Expr():
            yield value, _tree(value)
        case Listed(items):
            for item in items:
                yield from _said(item)
        case Block():
            if value.each is not None:
                yield value.each, Parsed(f"{LOOP}{value.each.text}]").tree
            yield from ((each, _tree(each)) for each in (value.where, value.having, value.when) if each is not None)
            yield from ((expr, _tree(expr)) for _, expr in (*value.group_by, *value.let))
            yield from ((expr, _tree(expr)) for expr in value.order_by)
            for requirement in value.require:
                yield requirement.that, _tree(requirement.that)
                yield requirement.say, Parsed(requirement.say.text, template=True).tree
            for inner in (*(each for _, each in value.fields), *([value.otherwise] if value.otherwise else [])):
                yield from _said(inner)


def _all(spec: Spec) -> Iterator[ast.AST]:
    for part in spec.parts:
        yield from (tree for _, tree in _said(part.block))
        if part.value is not None:
            yield _tree(part.value)
    yield from (tree for _, tree in _said(spec.block))


def _calls(tree: ast.AST) -> Iterator[str]:
    """Functions that are called, also behind a value's point."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                yield called


def _tree(expr: Expr) -> ast.AST:
    return Parsed(expr.text.removesuffix(" descending")).tree


def _names(tree: ast.AST) -> frozenset[str]:
    """What an expression, a loop or a message mentions."""
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
