"""Mappings of a few lines of Python, where a test is not about mappings."""

import hashlib
import inspect
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Generic, TypeVar

from mapping.port import Lookups

S = TypeVar("S")
T = TypeVar("T")


class PythonMapping(Generic[S, T]):
    """A mapping written as a plain function."""

    def __init__(self, function: Callable[[S, Lookups, datetime], T], id_: str, version: int) -> None:
        self._function = function
        self.id = id_
        self.version = version
        self.__doc__ = function.__doc__

    @cached_property
    def digest(self) -> str:
        """Of the module the function stands in, as its private functions are part of what it does."""
        return hashlib.sha256(
            inspect.getsource(inspect.getmodule(self._function) or self._function).encode()
        ).hexdigest()[:12]

    def __call__(self, record: S, lookups: Lookups, now: datetime) -> T:
        """Run the function."""
        return self._function(record, lookups, now)


def mapping(id_: str, *, version: int) -> Callable[[Callable[[S, Lookups, datetime], T]], PythonMapping[S, T]]:
    """Give a function the name and version of a mapping."""

    def named(function: Callable[[S, Lookups, datetime], T]) -> PythonMapping[S, T]:
        return PythonMapping(function, id_, version)

    return named
