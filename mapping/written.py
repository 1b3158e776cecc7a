"""Where a character of a YAML text stands in the file: quotes are doubled, lines folded, characters escaped there."""

import re

_ESCAPES = {"x": 4, "u": 6, "U": 10}


def place(written: str, text: str, offset: int) -> int:
    """Offset in what was written of an offset in the text it means.

    Blanks and line ends alone differ otherwise: what YAML folds, it folds into blanks.
    """
    at = _begins(written)
    style = written[:1]
    for character in text[:offset]:
        if character.isspace():
            # perhaps folded: then the next character passes what stands there
            at += written[at : at + 1] == character
            continue
        at = _next(written, at, style)
    return _passed(written, at, style) if text[offset : offset + 1].strip() else at


def _begins(written: str) -> int:
    if written[:1] in {"'", '"'}:
        return 1
    header = re.match(r"[|>][-+0-9]*[^\n]*\n", written)
    return header.end() if header is not None else 0


def _passed(written: str, at: int, style: str) -> int:
    """Behind blanks, line ends, and the backslash that joins two lines."""
    while at < len(written) and (written[at].isspace() or (style == '"' and written[at : at + 2] in {"\\\n", "\\\r"})):
        at += 1
    return at


def _next(written: str, at: int, style: str) -> int:
    """Behind one character of the text that is no blank."""
    at = _passed(written, at, style)
    if style == "'" and written[at : at + 2] == "''":
        return at + 2
    if style == '"' and written[at : at + 1] == "\\":
        return at + _ESCAPES.get(written[at + 1 : at + 2], 2)
    return at + 1
