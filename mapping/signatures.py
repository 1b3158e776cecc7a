"""The functions a mapping may call, with the types of what they take and give; read from plain Python functions."""

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from mapping.functions import CALL, FUNCTIONS, USUAL, USUAL_CALL, WORK
from mapping.messages import WrongError
from mapping.port import Lookups
from mapping.records import type_of
from mapping.runtime import NAMES
from mapping.shapes import (
    Anything,
    ListOf,
    MapOf,
    Number,
    Optional,
    Same,
    Text,
    Type,
    Unreadable,
    bare,
    joined,
    optional,
)


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """What a function is given."""

    name: str
    type: Type
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        """It must be given."""
        return self.default is inspect.Parameter.empty


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """One function of the language."""

    name: str
    call: Callable[..., Any] | None
    parameters: tuple[Parameter, ...]
    result: Type
    doc: str = ""
    #: What it is given without being asked: the tables, the time.
    takes: tuple[str, ...] = ()
    #: Names of all it is given, in their order.
    order: tuple[str, ...] = ()
    #: Name in generated code.
    code: str = ""
    #: Nanoseconds for each character or item it is given; 0 where it makes nothing of its own.
    work: int = USUAL
    #: Nanoseconds for a call of it, where it makes something.
    price: int = USUAL_CALL

    @property
    def worked_on(self) -> tuple[str, ...]:
        """Texts and lists it is given in any case; the first is what it works on."""
        kinds = (Text, ListOf, MapOf, Anything)
        return tuple(each.name for each in self.parameters if each.required and isinstance(bare(each.type), kinds))

    def __str__(self) -> str:
        shown = [each.name if each.required else f"{each.name}=…" for each in self.parameters]
        return f"{self.name}({', '.join(shown)})"


def function_of(name: str, function: Callable[..., Any]) -> Function:
    """A Python function as the language sees it, by its annotations.

    A parameter called `lookups` (the tables) or `now` (the event's time) is filled in by itself.

    Raises:
        WrongError: a type mappings do not know.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters, takes = [], []
    for each in inspect.signature(function).parameters.values():
        if (each.name, hints[each.name]) in (("lookups", Lookups), ("now", datetime)):
            takes.append(each.name)
        else:
            parameters.append(Parameter(name=each.name, type=_type(hints[each.name]), default=each.default))
    return Function(
        name=name,
        call=function,
        parameters=tuple(parameters),
        result=_type(hints["return"]),
        doc=inspect.getdoc(function) or "",
        takes=tuple(takes),
        order=tuple(inspect.signature(function).parameters),
        code=f"_{name}_" if f"_{name}" in NAMES else f"_{name}",
    )


@cache
def library() -> Mapping[str, Function]:
    """The functions that every mapping may call."""
    made = {name: function_of(name, described.call) for name, described in FUNCTIONS.items()}
    return {
        name: msgspec.structs.replace(each, work=WORK.get(name, USUAL), price=CALL.get(name, USUAL_CALL))
        for name, each in made.items()
    }


def _type(annotation: Any) -> Type:
    """As `type_of`, with type variables, which no record has."""
    if isinstance(annotation, TypeVar):
        return Same(annotation.__name__)
    arguments = get_args(annotation)
    inner = [each for each in arguments if isinstance(each, TypeVar)]
    if not inner:
        made = type_of(annotation)
        if isinstance(unknown := bare(made), Unreadable):
            raise WrongError(f"is given or gives {unknown}", "write it with records, texts, numbers, dates and lists")
        return made
    if type(None) in arguments:
        return optional(_type(inner[0]))
    return MapOf(_type(inner[0])) if arguments[0] is str else ListOf(_type(inner[0]))


def bound(wanted: Type, given: Type, meanings: dict[str, Type]) -> Type:
    """A parameter's type with `Same` filled in by what was given first; the wider one where two differ."""
    match wanted:
        case Same(meant):
            known = meanings.get(meant)
            made = given if known is None else joined(known, given)
            meanings[meant] = made if made is not None else given
            return meanings[meant] if made is not None else known or given
        case Optional(Same(_) as inner):
            return optional(bound(inner, bare(given), meanings))
        case ListOf(Same(_) as inner) if isinstance(given, ListOf):
            return ListOf(bound(inner, given.item, meanings))
        case MapOf(Same(_) as inner) if isinstance(given, MapOf):
            return MapOf(bound(inner, given.value, meanings))
        case _:
            return wanted


def result_of(function: Function, meanings: Mapping[str, Type], constants: Mapping[str, Any]) -> Type:
    """What comes of a call; a number has as many decimals as the argument called `decimals` says."""
    result = _filled(function.result, meanings)
    decimals = constants.get("decimals")
    if isinstance(decimals, int) and not isinstance(decimals, bool):
        match result:
            case Number(None):
                return Number(scale=decimals)
            case ListOf(Number(None)):
                return ListOf(Number(scale=decimals))
            case _:
                pass
    return result


def _filled(type_: Type, meanings: Mapping[str, Type]) -> Type:
    match type_:
        case Same(meant):
            return meanings.get(meant, type_)
        case Optional(inner):
            return optional(_filled(inner, meanings))
        case ListOf(item):
            return ListOf(_filled(item, meanings))
        case _:
            return type_
