"""What a requirement says it is about, held against what is there: refusals name it, and people look for it."""

import re
from collections.abc import Mapping, Sequence

from mapping.messages import nearest
from mapping.shapes import Anything, Broken, ListOf, MapOf, Problem, Record, Several, Type, Unreadable, bare

#: Of a list: `lines[1].sku`.
_PLACE = re.compile(r"\[[^\]]*\]")

#: How many of a path's names lead nowhere, and what is known where the first of them stands.
_End = tuple[int, tuple[str, ...]]


def misnamed(path: str, made: Type, variables: Mapping[str, Type]) -> Problem | None:
    """Why a path is neither a field of what is made, nor of what is read, nor a named value; None: it is one."""
    names = _PLACE.sub("", path).split(".")
    ends = [_end(each, names) for each in (made, *variables.values())]
    if names[0] in variables:
        ends.append(_end(variables[names[0]], names[1:]))
    left = min((0 if end is None else end[0] for end in ends), default=0)
    if not left:
        return None
    known = [name for end in ends if end is not None and end[0] == left for name in end[1]]
    if left == len(names):
        known += variables
    within = f" in {path}" if len(names) > 1 else ""
    return Problem(f"there is no field {names[-left]}{within}", nearest(names[-left], known))


def _end(type_: Type, names: Sequence[str]) -> _End | None:
    """None: the path leads to something."""
    if not names:
        return None
    match bare(type_):
        case Record(fields=fields):
            field = fields.get(names[0])
            return _end(field.type, names[1:]) if field is not None else (len(names), tuple(fields))
        case ListOf(item):
            return _end(item, names)
        case MapOf() | Anything() | Broken() | Several() | Unreadable():
            return None
        case _:
            return len(names), ()
