"""What is said about a mapping file that is not right: where, what, and what to write; for everybody who reads one."""

import difflib
from collections.abc import Iterable, Sequence

import msgspec

from errors import ConfigurationError


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not right, at one place."""

    file: str
    #: Both counted from 1; a column counts characters.
    line: int
    column: int
    text: str
    #: What would be right there; empty where nobody can tell.
    write: str = ""

    def __str__(self) -> str:
        said = f"{self.file}:{self.line}:{self.column}: {self.text}" + (f": {self.write}" if self.write else "")
        # a stranger's file may hold what a terminal obeys
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in said)


class BrokenMappingError(ConfigurationError):
    """A mapping file cannot be run; all that is wrong with it is told at once."""

    def __init__(self, messages: Sequence[Message]) -> None:
        super().__init__(messages[0].file, messages[0].text)
        self.message = "\n".join(map(str, messages))
        self.messages = tuple(messages)


class WrongError(Exception):
    """Something in one expression is not right; `start` and `end` are character offsets in its text."""

    def __init__(self, text: str, write: str = "", *, start: int = 0, end: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.write = write
        self.start = start
        self.end = end


def nearest(name: str, known: Iterable[str]) -> str:
    """What to write where nobody knows the name: the most similar ones, else all if they are few."""
    names = sorted(set(known))[:700]
    similar = difflib.get_close_matches(name.lower(), [each.lower() for each in names], n=3, cutoff=0.6)
    found = [each for like in similar for each in names if each.lower() == like]
    if found:
        return f"did you mean {' or '.join(dict.fromkeys(found))}?"
    return f"known are {', '.join(names)}" if 0 < len(names) <= 12 else ""
