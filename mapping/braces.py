"""Where the expressions in the braces of a text stand: Python 3.11 does not tell it of f-strings."""

import ast
import re
import warnings

_LITERAL = re.compile(r"([A-Za-z]{0,2})(\"\"\"|'''|\"|')")
Span = tuple[int, int]


def spans(tree: ast.JoinedStr, written: str, start: int, *, template: bool) -> dict[int, Span]:
    """Start and end of each node within a text, by the node's id; of what cannot be told, those of the whole text.

    Args:
        tree: The text.
        written: How it stands there.
        start: Where it begins.
        template: It is a message, whose quotes mean themselves.
    """
    found: dict[int, Span] = {id(node): (start, start + len(written)) for node in ast.walk(tree)}
    pieces = in_message(written) if template else in_literals(written)
    values = [each for each in tree.values if isinstance(each, ast.FormattedValue)]
    if len(pieces) != len(values):
        return found
    for value, (begin, end) in zip(values, pieces, strict=True):
        found[id(value)] = (start + begin - 1, start + end + 1)
        found |= _of_expression(value.value, written[begin:end], start + begin)
    return found


def first_wrong(text: str, *, template: bool) -> Span | None:
    """The first expression in braces that is none."""
    for begin, end in in_message(text) if template else in_literals(text):
        if _parsed(text[begin:end]) is None:
            return begin, end
    return None


def in_literals(written: str) -> list[Span]:
    """The expressions in the braces of all f-strings of an expression."""
    return [span for _, span in _quoted(written)]


def same_quotes(written: str) -> tuple[int, int, str] | None:
    """The first expression in braces with the quotes of the text around it, which Python 3.11 takes for its end."""
    return next(((begin, end, quote) for quote, (begin, end) in _quoted(written) if quote in written[begin:end]), None)


def _quoted(written: str) -> list[tuple[str, Span]]:
    """The same with the quotes of the text."""
    made: list[tuple[str, Span]] = []
    at = 0
    while at < len(written):
        opening = _LITERAL.match(written, at)
        if opening is None:
            at += 1
            continue
        prefix, quote = opening[1].lower(), opening[2]
        at = opening.end()
        found: list[Span] = []
        while at < len(written) and not written.startswith(quote, at):
            if written[at] == "\\" and "r" not in prefix:
                # a character by its name has braces of its own
                named = written.find("}", at) if written.startswith("\\N{", at) else -1
                at = named + 1 if named >= 0 else at + 2
            elif "f" in prefix:
                at = _brace(written, at, found)
            else:
                at += 1
        at += len(quote)
        made += [(quote, each) for each in found]
    return made


def in_message(written: str) -> list[Span]:
    """The expressions in the braces of a message."""
    found: list[Span] = []
    at = 0
    while at < len(written):
        at = _brace(written, at, found)
    return found


def _brace(written: str, at: int, found: list[Span]) -> int:
    """Behind a character of a text, or behind an expression in braces, which is noted."""
    if written[at : at + 2] in {"{{", "}}"}:
        return at + 2
    if written[at] != "{":
        return at + 1
    end = _closing(written, at + 1)
    found.append((at + 1, end))
    return end + 1


def _closing(written: str, at: int) -> int:
    depth = 0
    while at < len(written):
        character = written[at]
        if character in "\"'":
            at = written.find(character, at + 1)
            if at < 0:
                return len(written)
        elif character in ")]}" and depth == 0:
            return at
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        at += 1
    return at


def _of_expression(value: ast.expr, source: str, start: int) -> dict[int, Span]:
    """Where each node of an expression stands, by parsing it alone."""
    again = _parsed(source)
    found: dict[int, Span] = {}
    if again is None or [*map(type, ast.walk(value))] != [*map(type, ast.walk(again))]:
        return found
    lines = f"({source}\n)".split("\n")

    def offset(line: int, column: int) -> int:
        before = sum(len(each) + 1 for each in lines[: line - 1])
        return start + before + len(lines[line - 1].encode()[:column].decode(errors="ignore")) - 1

    for node, twin in zip(ast.walk(value), ast.walk(again), strict=True):
        if isinstance(twin, ast.expr | ast.keyword):
            found[id(node)] = (
                offset(twin.lineno, twin.col_offset),
                offset(twin.end_lineno or 1, twin.end_col_offset or 0),
            )
    for node in ast.walk(value):
        if isinstance(node, ast.JoinedStr):
            begin, end = found[id(node)]
            inner = spans(node, source[begin - start : end - start], begin, template=False)
            found |= inner
    return found


def _parsed(source: str) -> ast.expr | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(f"({source}\n)", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
