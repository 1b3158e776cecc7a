"""Status maps: the functions they are called as, and whether their rows are those that the source can say."""

from collections.abc import Iterable, Mapping

from mapping.messages import nearest
from mapping.runtime import mapped
from mapping.scope import UNKNOWN, Typed
from mapping.shapes import Text, bare
from mapping.signatures import Function, Parameter
from mapping.spec import Statuses
from mapping.told import Told


def status_maps(statuses: Statuses, told: Told) -> list[Function]:
    """The function a status map is called as, and the one that turns it back if it says that it inverts."""
    name = statuses.name.text
    table = {key.text: value.text for key, value in statuses.values}
    otherwise = statuses.otherwise.text if statuses.otherwise is not None else None
    made = [_function(name, name, table, otherwise)]
    if statuses.inverts:
        said = [*table.items(), *([("any other", otherwise)] if otherwise is not None else [])]
        for place, (key, value) in enumerate(said):
            if same := next((before for before, other in said[:place] if other == value), None):
                text = f"{name} does not invert: {same} and {key} both become {value}"
                told.say(statuses.name, text, "leave `inverts: true` out, or one of them")
        if otherwise is not None and otherwise not in table.values():
            text = f"{name} does not invert: any other value becomes {otherwise}"
            told.say(statuses.name, text, "leave `otherwise:` out, or `inverts: true`")
        made.append(_function(f"{name}_back", name, {value: key for key, value in table.items()}, None))
    return made


def say_rows(statuses: Statuses, asked: Mapping[str, Iterable[Typed]], told: Told) -> None:
    """Tell of rows that no record can ask for, and of values that have none; as far as the source says what it can be.

    Args:
        statuses: The status map.
        asked: What it is called with, by the name it is called by.
        told: Where it is told.
    """
    name, rows = statuses.name.text, {key.text: value.text for key, value in statuses.values}
    calls = list(asked.get(name, ()))
    if statuses.otherwise is None:
        _say_lacking(statuses, _possible(calls) - rows.keys(), told)
    _say_lacking(statuses, _possible(asked.get(f"{name}_back", ())) - set(rows.values()), told, " to be turned back to")
    of_records = [each for each in calls if each.constant is UNKNOWN]
    if of_records and all(_values(each) is not None for each in of_records):
        possible = _possible(calls)
        for key, _ in statuses.values:
            if key.text not in possible:
                told.say(key, f"{key.text} is impossible here", nearest(key.text, possible))


def _say_lacking(statuses: Statuses, values: set[str], told: Told, what: str = "") -> None:
    if values:
        text = f"{', '.join(map(repr, sorted(values)))}: no row{what}, and every such record is refused"
        lines = "; ".join(f"{each}: …" for each in sorted(values))
        told.say(statuses.name, text, f"write {lines}" + ("" if what else ", or `otherwise:`"))


def _possible(calls: Iterable[Typed]) -> set[str]:
    return {value for each in calls for value in _values(each) or ()}


def _values(given: Typed) -> frozenset[str] | None:
    type_ = bare(given.type)
    return type_.values if isinstance(type_, Text) else None


def _function(name: str, declared: str, table: Mapping[str, str], otherwise: str | None) -> Function:
    def turned(value: str) -> str:
        found = table.get(value, otherwise)
        return found if found is not None else mapped(declared, table, value)

    values = frozenset(table.values()) | ({otherwise} if otherwise is not None else frozenset())
    return Function(
        name=name,
        call=turned,
        parameters=(Parameter(name="value", type=Text()),),
        order=("value",),
        result=Text(values),
        code=f"_statuses_{name}",
        work=0,
    )
