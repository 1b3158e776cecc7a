"""What checker, compiler and reference page know of a function, read from its signature and docstring."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

#: Parameters that no mapping writes: the compiler hands them on, before all others, from its own arguments.
HANDED_ON = ("lookups", "now")
#: In this order, as a truth is an integer to Python and an instant a date.
_WORDS = (
    (str, "text"),
    (bool, "boolean"),
    (int, "integer"),
    (Decimal, "decimal"),
    (datetime, "instant"),
    (date, "date"),
)


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a function is given, by place or by name."""

    name: str
    #: As Python's annotation.
    type: Any
    #: Where it is not given; only with `required` False.
    default: Any = None
    required: bool = True


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """One function of the language.

    The compiler emits a direct call: first the arguments of `handed_on` in that order, then the parameters. An integer
    is given where a decimal is wanted; a decimal is never given where an integer is wanted.
    """

    name: str
    call: Callable[..., Any]
    #: Of `HANDED_ON`, those it needs.
    handed_on: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    #: As Python's annotation.
    result: Any
    #: What it does, and when it refuses.
    doc: str
    #: Expressions that are true; run as tests.
    examples: tuple[str, ...]
    #: The function that undoes it, where one does.
    inverse: str = ""

    @property
    def signature(self) -> str:
        """As people read it: `left(text: text, count: integer) -> text`."""
        parts = [
            f"{p.name}: {word(p.type)}" + ("" if p.required else f" = {_literal(p.default)}") for p in self.parameters
        ]
        return f"{self.name}({', '.join(parts)}) -> {word(self.result)}"


def described(call: Callable[..., Any], inverse: str = "") -> Function:
    """The description of a Python function with annotations and a docstring that ends in `Example:`."""
    hints = get_type_hints(call, include_extras=True)
    given = inspect.signature(call).parameters
    doc, _, examples = inspect.cleandoc(call.__doc__ or "").partition("\nExample:\n")
    return Function(
        name=call.__name__,
        call=call,
        handed_on=tuple(name for name in given if name in HANDED_ON),
        parameters=tuple(_parameters(given, hints)),
        result=hints["return"],
        doc=doc.strip(),
        examples=tuple(line.strip() for line in examples.splitlines() if line.strip()),
        inverse=inverse,
    )


def word(annotation: Any) -> str:  # noqa: PLR0911 - one for each way of writing a type
    """What people call a type: `text`, `list[decimal]`, `map[text]`, a record's name; with `?` it may be absent.

    Raises:
        TypeError: mappings have no such values.
    """
    if annotation is Any:
        return "any"
    if isinstance(annotation, TypeVar):
        return annotation.__name__
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType} and len(arguments) == 2 and NoneType in arguments:
        return f"{word(next(part for part in arguments if part is not NoneType))}?"
    if origin in {list, tuple, Sequence} and arguments[1:] in {(), (...,)}:
        return f"list[{word(arguments[0])}]"
    if origin in {dict, Mapping} and arguments[0] is str:
        return f"map[{word(arguments[1])}]"
    if isinstance(annotation, type):
        if issubclass(annotation, msgspec.Struct):
            return annotation.__name__
        for scalar, name in _WORDS:
            if issubclass(annotation, scalar):
                return name
    raise TypeError(f"a mapping has no type for {annotation}")


def _parameters(given: "Any", hints: dict[str, Any]) -> Iterator[Parameter]:
    for name, each in given.items():
        if name not in HANDED_ON:
            required = each.default is inspect.Parameter.empty
            default = None if required else each.default
            yield Parameter(name=name, type=hints[name], default=default, required=required)


def _literal(value: object) -> str:
    match value:
        case None:
            return "none"
        case str():
            return f'"{value}"'
        case tuple() | list():
            return f"[{', '.join(_literal(each) for each in value)}]"
    return str(value)
