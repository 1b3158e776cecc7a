"""What makes two dead letters cases of one cause, and what cures it: data for each code.

A cause is a code with those of its values that decide what cures it; what happened is the code's sentence
(`sentences.py`). It is written down when a letter is projected, with `VERSION`: raise that when a class or the
normaliser changes what is written, and the projector tells the causes of what it keeps anew when it starts.
"""

import re
import shlex
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from schemas.bus.command import Act

VERSION = 3


class Cure(StrEnum):
    """What has to change before the document can go on."""

    LOOKUP = "a row of a lookup table"
    MAPPING = "the mapping"
    SETTING = "a setting of the deployment"
    TARGET = "something at the target"
    SOURCE = "the document at its source"


#: What lets letters go on once that has changed: a corrected document comes as a new version behind the refused one.
ACTS: Mapping[Cure, Act] = {
    Cure.LOOKUP: Act.REDRIVE,
    Cure.MAPPING: Act.REDRIVE,
    Cure.SETTING: Act.REDRIVE,
    Cure.TARGET: Act.REDRIVE,
    Cure.SOURCE: Act.SKIP,
}


class CauseClass(msgspec.Struct, frozen=True, kw_only=True):
    """How dead letters of a code are recognised as cases of one cause, and what cures it."""

    #: Values that belong to the cause; those a letter does not have are left out.
    values: tuple[str, ...] = ()
    #: Of them are sentences: what differs between cases is left out of these.
    worded: tuple[str, ...] = ()
    cure: Cure = Cure.TARGET
    #: Where a lookup row cures: the table, and the value that names the row. Empty: the letter's own `table` and `key`.
    table: str = ""
    row: str = ""


class CuredBy(msgspec.Struct, frozen=True, kw_only=True):
    """What cures a cause."""

    cure: Cure
    #: The lookup table and the key of the missing row, where that is it.
    table: str = ""
    row: str = ""
    #: To type once it is done.
    command: str


#: By code; what is not here is told apart by its code alone.
CLASSES: Mapping[str, CauseClass] = {
    "mapping": CauseClass(values=("table", "key", "field", "reason"), worded=("field", "reason"), cure=Cure.MAPPING),
    "undecodable": CauseClass(values=("topic",), cure=Cure.SOURCE),
    "no_root_key": CauseClass(cure=Cure.SOURCE),
    "gateway.malformed": CauseClass(values=("reason",), worded=("reason",), cure=Cure.SOURCE),
    "gp.3250": CauseClass(values=("item",), cure=Cure.LOOKUP, table="gp_items", row="item"),
    "gp.90018": CauseClass(values=("item",), cure=Cure.SETTING),
    "gp.90021": CauseClass(values=("item",), cure=Cure.SOURCE),
    "gp.90023": CauseClass(values=("item",), cure=Cure.LOOKUP, table="gp_items", row="item"),
    "gp.90024": CauseClass(values=("item",), cure=Cure.TARGET),
    "gp.90025": CauseClass(values=("item",), cure=Cure.TARGET),
    "gp.90026": CauseClass(values=("item",), cure=Cure.LOOKUP, table="gp_units"),
    "gp.too_late": CauseClass(cure=Cure.SOURCE),
    "clarity.refused": CauseClass(values=("status", "reply"), worded=("reply",), cure=Cure.SOURCE),
}
#: Of events that were never taken in: they hold no key.
NEVER_TAKEN_IN = frozenset({"undecodable", "no_root_key"})
#: A missing lookup row is one cause, whatever field asked for it.
MISSING_ROW = CauseClass(values=("table", "key"), cure=Cure.LOOKUP)
#: The normaliser: what differs between cases of one cause: places in lists, quoted words, numbers.
PARTICULAR = r"\[\d+\]|'[^']*'|\d+"
_PARTICULAR = re.compile(PARTICULAR)


def class_of(code: str, values: Mapping[str, str]) -> CauseClass:
    """How a letter is told apart from others of its code."""
    if all(name in values for name in MISSING_ROW.values):
        return MISSING_ROW
    return CLASSES.get(code, CauseClass())


def cause_of(code: str, values: Mapping[str, str]) -> str:
    """The cause as one line of text: `gp.90023 item=SKU-77`."""
    told = class_of(code, values)
    named = [
        f"{name}={_PARTICULAR.sub('*', values[name]) if name in told.worded else values[name]}"
        for name in told.values
        if values.get(name)
    ]
    return " ".join([code, *named])


def cured_by(code: str, values: Mapping[str, str], stage: str) -> CuredBy:
    """What cures the cause of a letter, and what to type then.

    What holds no key has nothing to skip: there a letter whose document is corrected at its source is ended.
    """
    told = class_of(code, values)
    act = ACTS[told.cure]
    if act is Act.SKIP and (stage not in {"fetchers", "consumers"} or code in NEVER_TAKEN_IN):
        act = Act.DISCARD
    table = told.table or values.get("table", "")
    row = values.get(told.row or ("" if told.table else "key"), "")
    why = "" if act is Act.REDRIVE else " --why ..."
    return CuredBy(
        cure=told.cure,
        table=table if told.cure is Cure.LOOKUP and row else "",
        row=row if told.cure is Cure.LOOKUP else "",
        command=f"towpath dead-letters {act.value} --cause {shlex.quote(cause_of(code, values))}{why}",
    )
