"""What is said of a file that is no YAML: where it went wrong, and what to write, as people make such faults."""

import re
import sys

import yaml

from mapping import other_languages

QUOTE = "put an expression that holds `: `, ` #` or begins with a quote or brace behind `|-` or in quotes"
#: Keys of what is for people.
_WORDS = frozenset({"say", "about", "text"})
_BLANKS = "indent it as what belongs beside it"


def said(text: str, error: yaml.YAMLError) -> tuple[int, str, str]:  # noqa: PLR0911 - one for each kind
    """Offset, what is wrong, what to write."""
    if isinstance(error, yaml.reader.ReaderError):
        return error.position, f"a character no file may hold (U+{_code(error):04X})", "take it out"
    assert isinstance(error, yaml.MarkedYAMLError)
    problem, context = error.problem or "not YAML", error.context or ""
    at = error.problem_mark.index if error.problem_mark is not None else 0
    begun = error.context_mark.index if error.context_mark is not None else at
    if "character '\\t'" in problem:
        return at, "a tab", "indent with blanks" if not text[_line(text, at) : at].strip() else "write a blank"
    if "quoted scalar" in context:
        return _quoted(text, begun, at, problem)
    if "flow" in context:
        return _flow(text, begun, at)
    if "mapping values are not allowed" in problem:
        return _second_colon(text, at)
    if "could not find expected ':'" in problem:
        return _no_colon(begun, _word(text, begun))
    return _other(text, at, problem, context)


def number_said(text: str) -> tuple[int, str, str]:
    """The same of a number that is beyond what there is."""
    for escape in re.finditer(r"\\U([0-9A-Fa-f]{8})", text):
        if int(escape[1], 16) > sys.maxunicode:
            return escape.start(), f"{escape[0]} is no character", f"the last one there is is \\U{sys.maxunicode:08X}"
    return 0, "not YAML: a number beyond what there is", "leave out lines that begin with %"


def cut_at_a_comma(text: str) -> bool:
    """Whether an expression within braces was taken for two: brackets that were opened are not closed."""
    plain = re.sub(r"\"[^\"]*\"|'[^']*'", "", text)
    return any(plain.count(opened) != plain.count(closed) for opened, closed in ("()", "[]"))


def _other(text: str, at: int, problem: str, context: str) -> tuple[int, str, str]:  # noqa: PLR0911 - one for each kind
    if "block scalar" in context:
        begun = max(text.rfind(">", 0, at), text.rfind("|", 0, at))
        return begun, f"`{text[begun]}` begins a text of several lines", "put the expression in quotes"
    if "cannot start any token" in problem:
        return (
            at,
            f"nothing begins with {text[at]}",
            "put the expression in quotes; names stand as they are: order.number",
        )
    if "'<block mapping start>'" in problem:
        return at, "is indented as nothing above it is", _BLANKS
    if any(f"found '{found}'" in problem for found in ("<scalar>", "}", "]", "[", "{", ",")):
        return at, "the value had ended before this", _in_quotes(text, at)
    if "expected alphabetic or numeric character" in problem:
        return (
            at - 1,
            f"{text[at - 1]} means something else in YAML",
            f'texts are put together as f"{{a}}{{b}}"; {QUOTE}',
        )
    if "found '-'" in problem:
        return at, "a list among keys", "indent `- …` further than its key"
    return at, f"not YAML: {problem}", QUOTE


def _quoted(text: str, begun: int, at: int, problem: str) -> tuple[int, str, str]:
    quote = text[begun]
    if "escape" in problem:
        return (
            at - 1,
            f"{text[at - 1 : at + 1]} means nothing in double quotes",
            "write two backslashes, or single quotes",
        )
    twice = ", and two of them for one within" if quote == "'" else ""
    return begun, "the quote is never closed", f"write {quote} at the end of the text{twice}"


def _flow(text: str, begun: int, at: int) -> tuple[int, str, str]:
    if begun >= len(text):
        # the file ends within it: YAML names its end
        begun = max(text.rfind("{"), text.rfind("["))
    closing = {"{": "}", "[": "]"}.get(text[begun], "}")
    if "\n" in text[begun:at] or at >= len(text.rstrip()):
        return begun, f"the {text[begun]} is never closed", f"write {closing} at its end"
    if text[at] == "?":
        word = re.split(r"[\s,{\[]", text[:at])[-1]
        return at, f"{word}? wants quotes within {text[begun]}{closing}", f'write "{word}?"'
    return at, f"a comma or {closing} is missing before {text[at]}", QUOTE


def _second_colon(text: str, at: int) -> tuple[int, str, str]:
    """A colon where there was one, or a line that stands too deep below one that has a value."""
    start = _line(text, at)
    line = text[start:at]
    if ":" in line.strip():
        key, _, value = text[start:].partition("\n")[0].partition(": ")
        foreign = other_languages.syntax(value) if key.strip(" -") not in _WORDS else None
        if foreign is not None:
            return start + len(key) + 2 + foreign.at, foreign.text, foreign.write
        return at, "a second `: ` in one line", QUOTE
    first = start + len(text[start:at]) - len(text[start:at].lstrip())
    above_from = _line(text, len(text[:start].rstrip("\n")))
    above = text[above_from:start].rstrip("\n")
    if not above.strip():
        # other signs than `\n` end a line in YAML
        return _no_colon(first, line.strip().splitlines()[0])
    if ": " in above + " ":
        return first, "is indented below a line that has its value already", _BLANKS
    above_at = above_from + len(above) - len(above.lstrip())
    name, colon, rest = above.strip().partition(":")
    if colon:
        return above_at, f"{name}: has no blank behind its colon", f"write {name}: {rest}"
    return _no_colon(above_at, name)


def _no_colon(at: int, line: str) -> tuple[int, str, str]:
    """What is said of a line that has none, or one that is glued to its value."""
    if glued := re.fullmatch(r"([A-Za-z_]+)(:| *=) *(?!\s|:|=)(\S.*)", line):
        name, sign, value = glued.groups()
        wrong = "has no blank behind its colon" if sign == ":" else "has no colon behind it"
        return at, f"{line} {wrong}", f"write {name}: {value}"
    return at, f"{line} has no colon behind it", f"write {line}: …"


def _in_quotes(text: str, at: int) -> str:
    """What to write for a line's value that YAML takes in pieces."""
    value = text[_line(text, at) :].partition("\n")[0].partition(": ")[2].strip()
    return f"{QUOTE}: '{value}'" if value and "'" not in value else QUOTE


def _line(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _word(text: str, at: int) -> str:
    return text[at:].split("\n", 1)[0].strip()[:40]


def _code(error: yaml.reader.ReaderError) -> int:
    character = error.character
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")
