"""Names of people and their e-mail addresses."""

import msgspec

from mapping.functions.faults import FunctionError, bounded
from mapping.functions.texts import join

#: Words that belong to the family name behind them.
_PARTICLES = frozenset(
    [
        "al",
        "bin",
        "da",
        "das",
        "de",
        "del",
        "della",
        "den",
        "der",
        "di",
        "dos",
        "du",
        "el",
        "la",
        "le",
        "ter",
        "van",
        "von",
        "zu",
        "zum",
        "zur",
    ]
)
_SUFFIXES = frozenset(["jr", "sr", "ii", "iii", "iv", "v", "phd", "md", "esq"])
#: Words before a name that are no part of it.
_TITLES = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "mme", "mlle", "sra", "srta", "rev"])
_EMAIL_LIMIT = 254
_LOCAL_LIMIT = 64
#: Of an address as shops take them; quoted local parts exist on paper.
_LOCAL_SIGNS = frozenset("!#$%&'*+/=?^_`{|}~.-")


class PersonName(msgspec.Struct, frozen=True):
    """A person's name in parts; those it has not are empty."""

    first: str = ""
    middle: str = ""
    last: str = ""
    suffix: str = ""
    title: str = ""


def full_name(first: str | None, last: str | None, middle: str | None = None) -> str:
    """A person's name in one, without blanks for parts that are not there.

    Example:
        full_name("Maren", "Okonjo") == "Maren Okonjo"
        full_name(None, "Okonjo") == "Okonjo"
    """
    return join([first, middle, last], " ")


def split_name(name: str) -> PersonName:
    """A full name in parts: `First Middle Last` or `Last, First Middle`, with particles, a title and a suffix (Jr.).

    One word alone is a last name. Nobody can tell names apart for sure: where the source has parts, map those.

    Example:
        split_name("Ludwig van Beethoven").last == "van Beethoven"
        split_name("Okonjo, Maren A.").first == "Maren"
    """
    family, comma, given = bounded(name).partition(",")
    if comma and given.strip(" .").casefold() in _SUFFIXES:
        family, comma, given = f"{family} {given}", "", ""
    # `King, Jr., Martin Luther`
    generation, second, names_behind = given.partition(",")
    if second and generation.strip(" .").casefold() in _SUFFIXES:
        given = f"{names_behind} {generation}"
    words, suffix = _suffix(family.split())
    if comma:
        of_given, behind = _suffix(["", *given.split()])
        title, names = _title(of_given[1:])
        first, *middle = names or [""]
        last = " ".join(words)
        return PersonName(
            first=first,
            middle=" ".join(middle),
            last=last,
            suffix=" ".join(filter(None, [suffix, behind])),
            title=title,
        )
    title, words = _title(words)
    start = max(len(words) - 1, 0)
    # `van der Berg` is a family's name alone, and Al Gore's first name is no particle
    while start and words[start - 1].casefold() in _PARTICLES and (start > 1 or words[0].islower()):
        start -= 1
    first, middle = "".join(words[:1] if start else []), words[1:start]
    return PersonName(first=first, middle=" ".join(middle), last=" ".join(words[start:]), suffix=suffix, title=title)


def email(text: str) -> str:
    """An e-mail address trimmed and in small letters, as people are told apart by; refused when it is none.

    Example:
        email(" Orders@Larchfield.Example ") == "orders@larchfield.example"
    """
    address = text.strip().lower()
    if not is_email(address):
        raise FunctionError("not an e-mail address such as name@company.example")
    return address


def is_email(text: str) -> bool:
    """Whether a text has the shape of one e-mail address.

    Example:
        is_email("orders@larchfield.example") == True
        is_email("orders at larchfield") == False
    """
    address = text.strip()
    if len(address) > _EMAIL_LIMIT:
        return False
    local, at, domain = address.rpartition("@")
    labels = domain.split(".")
    return (
        bool(at and local)
        and len(local) <= _LOCAL_LIMIT
        and all(c.isalnum() or c in _LOCAL_SIGNS for c in local)
        and not (local.startswith(".") or local.endswith(".") or ".." in local)
        and len(labels) > 1
        and all(_is_label(label) for label in labels)
    )


def _is_label(label: str) -> bool:
    return bool(label) and label.replace("-", "a").isalnum() and not (label.startswith("-") or label.endswith("-"))


def _title(words: list[str]) -> tuple[str, list[str]]:
    """The titles before a name, and the rest, which is never nothing."""
    count = 0
    while count < len(words) - 1 and words[count].strip(".").casefold() in _TITLES:
        count += 1
    return " ".join(words[:count]), words[count:]


def _suffix(words: list[str]) -> tuple[list[str], str]:
    if len(words) > 2 and words[-1].strip(".").casefold() in _SUFFIXES:
        return words[:-1], words[-1]
    return words, ""
