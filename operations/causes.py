"""What makes two dead letters cases of one cause: data for each code, so that a list of thousands is a few lines.

A cause is a code with those of its values that decide what cures it. It is written down when a letter is projected:
raise `VERSION` when a text changes, and have the projection read anew (`towpath projection rebuild`).
"""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

VERSION = 1


class Cure(StrEnum):
    """What has to change before a redrive can help."""

    LOOKUP = "a row of a lookup table"
    MAPPING = "the mapping"
    SETTING = "a setting of the deployment"
    TARGET = "something at the target"
    SOURCE = "the document at its source"


class CauseClass(msgspec.Struct, frozen=True, kw_only=True):
    """How dead letters of a code are told apart."""

    #: Values that belong to the cause; those a letter does not have are left out.
    values: tuple[str, ...] = ()
    cure: Cure = Cure.TARGET


#: By code; what is not here is told apart by its code alone.
CLASSES: Mapping[str, CauseClass] = {
    "mapping": CauseClass(values=("table", "key", "field", "reason"), cure=Cure.MAPPING),
    "undecodable": CauseClass(values=("topic",), cure=Cure.SOURCE),
    "gp.3250": CauseClass(values=("item",), cure=Cure.LOOKUP),
    "gp.90018": CauseClass(values=("item",), cure=Cure.SETTING),
    "gp.90021": CauseClass(values=("item",), cure=Cure.SOURCE),
    "gp.90023": CauseClass(values=("item",), cure=Cure.LOOKUP),
    "gp.90024": CauseClass(values=("item",), cure=Cure.TARGET),
    "gp.90025": CauseClass(values=("item",), cure=Cure.TARGET),
    "gp.90026": CauseClass(values=("item",), cure=Cure.LOOKUP),
    "gp.too_late": CauseClass(cure=Cure.SOURCE),
    "clarity.refused": CauseClass(values=("status", "reply"), cure=Cure.SOURCE),
}
#: A missing lookup row is one cause, whatever field asked for it.
LOOKUP_VALUES = ("table", "key")
#: What differs between cases of one cause: places in lists, quoted words, numbers.
_PARTICULAR = re.compile(r"\[\d+\]|'[^']*'|\d+")


def class_of(code: str, values: Mapping[str, str]) -> CauseClass:
    """How a letter is told apart from others of its code."""
    if all(name in values for name in LOOKUP_VALUES):
        return CauseClass(values=LOOKUP_VALUES, cure=Cure.LOOKUP)
    return CLASSES.get(code, CauseClass())


def cause_of(code: str, values: Mapping[str, str]) -> str:
    """The cause as one line of text: `gp.90023 item=SKU-77`."""
    told = class_of(code, values)
    named = [f"{name}={_text(name, values[name])}" for name in told.values if values.get(name)]
    return " ".join([code, *named])


def _text(name: str, value: str) -> str:
    return _PARTICULAR.sub("*", value) if name in {"field", "reason", "reply"} else value
