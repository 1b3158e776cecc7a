"""The text of an expression as a syntax tree of the few kinds that mappings know; nothing else gets past here."""

import ast
import keyword
import re
import warnings
from collections.abc import Iterator

from mapping import braces, other_languages
from mapping.messages import WrongError

MOST_CHARACTERS = 2_000
MOST_NODES = 400
DEEPEST = 40
_LONGEST_NUMBER = 40
#: What a loop under `each:` is read behind.
LOOP = "[0 for "

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_NUMBER = re.compile(r"[0-9][0-9_]*(\.[0-9][0-9_]*)?", re.ASCII)

#: What there is; a kind of node that a later Python invents is refused as long as nobody puts it here.
_KNOWN: frozenset[type[ast.AST]] = frozenset(
    {
        ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Constant, ast.Load, ast.Store,
        ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.UnaryOp, ast.USub, ast.Not,
        ast.BoolOp, ast.And, ast.Or, ast.IfExp, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
        ast.In, ast.NotIn, ast.Is, ast.IsNot, ast.Call, ast.keyword, ast.List, ast.Tuple, ast.Dict, ast.JoinedStr,
        ast.FormattedValue, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.comprehension,
    }
)  # fmt: skip
_SAID = {
    ast.Pow: ("mappings know no powers", "multiply"),
    ast.Lambda: ("mappings know no lambda", "give the value a name under `let:`"),
    ast.NamedExpr: ("mappings know no `:=`", "give the value a name under `let:`"),
    ast.Starred: ("mappings know no `*`", "name the values"),
    ast.Set: (
        "braces hold names with values",
        'names stand without them: order.number; within a text as f"{order.number}"; a list is [a, b]',
    ),
    ast.SetComp: ("mappings know no sets", "write distinct(…)"),
    ast.BitOr: ("mappings know no `|`", "write `or`, or a function around its value: upper(order.number)"),
    ast.BitAnd: ("mappings know no `&`", 'write `and`; texts are put together as f"{a}{b}"'),
    ast.BitXor: ("mappings know no `^`, and no powers", "multiply"),
    ast.Invert: ("mappings know no `~`", "write `not`, or none"),
    ast.MatMult: ("mappings know no `@`", "names stand as they are: order.number"),
}


class Parsed:
    """An expression's tree with its text, to find the place of a node."""

    def __init__(self, text: str, *, template: bool = False) -> None:
        """Parse it.

        Args:
            text: The expression, or with `template` a text with expressions in braces.
            template: It is a message.

        Raises:
            WrongError: it is no expression of the language.
        """
        self.text = text
        self._template = template
        if len(text) > MOST_CHARACTERS:
            raise WrongError(f"is longer than {MOST_CHARACTERS} characters", "give parts of it names under `let:`")
        if not text.strip():
            raise WrongError("is empty", "write an expression, or leave the line out")
        #: Of nodes within an f-string.
        self._in_texts: dict[int, tuple[int, int]] = {}
        self._lines = self._source().split("\n")
        self.tree = self._parsed()
        self._foreign()
        self._check()

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node stands in the text, in characters."""
        if id(node) in self._in_texts:
            return self._in_texts[id(node)]
        start = self._offset(getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        end = self._offset(getattr(node, "end_lineno", None) or 1, getattr(node, "end_col_offset", None) or 0)
        return start, max(start, end)

    def wrong(self, node: ast.AST, text: str, write: str = "") -> WrongError:
        """Something to say about a node."""
        start, end = self.span(node)
        return WrongError(text, write, start=start, end=end)

    def source(self, node: ast.AST) -> str:
        """What was written for a node; shortened, for a message."""
        start, end = self.span(node)
        return self.text[start:end]

    def way(self, node: ast.Attribute | ast.Subscript) -> ast.Attribute | ast.Subscript:
        """The whole of what a step is part of: `order.buyer.home.city` of its `order.buyer.home`."""
        around = {id(child): each for each in ast.walk(self.tree) for child in ast.iter_child_nodes(each)}
        while isinstance(up := around.get(id(node)), ast.Attribute | ast.Subscript) and up.value is node:
            call = around.get(id(up))
            if isinstance(call, ast.Call) and call.func is up:
                break
            node = up
        return node

    def _source(self) -> str:
        if self._template:
            # a message is all text but for its braces: quotes and line ends in it mean themselves
            return "f" + _quoted(self.text)
        # in brackets an expression may go over several lines and end in a comment
        return f"({self.text}\n)"

    def _parsed(self) -> ast.expr:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(self._source(), mode="eval").body
                # `a) + (b` closes the bracket that was put around it
                if not self._template and not _is_call(ast.parse(f"_{self._source()}", mode="eval").body):
                    raise WrongError("is no expression: a bracket is closed that was not opened", "take it out")
                return tree
            except SyntaxError as error:
                at = self._offset(
                    error.lineno or 1, len(self._line(error.lineno)[: max((error.offset or 1) - 1, 0)].encode())
                )
                raise self._no_expression(error, at) from None
            except (ValueError, RecursionError, MemoryError, OverflowError):
                raise WrongError("is no expression: too deep or with characters that cannot be") from None

    def _no_expression(self, error: SyntaxError, at: int) -> WrongError:
        """What is said where Python understands nothing."""
        text, begun = self.text, 0
        if not self._template and (same := braces.same_quotes(text)) is not None:
            begin, end, quote = same
            other = "'" if quote == '"' else '"'
            if end >= len(text):
                return WrongError("the { of the text is never closed", "write } behind the expression", start=begin - 1)
            write = (
                f"write {text[begin:end].replace(quote, other)}"
                if other not in text[begin:end]
                else "name it under `let:`"
            )
            return WrongError(f"within a text in {quote} stand other quotes", write, start=begin, end=end)
        # of what stands in braces Python tells no place
        if (
            error.msg.startswith("f-string")
            and (wrong := braces.first_wrong(text, template=self._template)) is not None
        ):
            at = begun = wrong[0]
            text = text[slice(*wrong)]
        elif "expecting '}'" in error.msg:
            at = text.rfind("{")
        foreign = other_languages.syntax(text) if begun or not self._template else None
        if foreign is not None and not _own_hint(text, error.msg):
            return WrongError(foreign.text, foreign.write, start=begun + foreign.at)
        problem = error.msg.removeprefix("f-string: ").replace(". Perhaps you forgot a comma?", "")
        return WrongError(f"is no expression: {problem}", _hint(text, problem), start=at, end=at)

    def _line(self, number: int | None) -> str:
        return self._lines[min(max((number or 1) - 1, 0), len(self._lines) - 1)]

    def _offset(self, line: int, column_bytes: int) -> int:
        before = sum(len(each) + 1 for each in self._lines[: line - 1])
        inside = len(self._line(line).encode()[:column_bytes].decode(errors="ignore"))
        lead = 0 if self._template else 1
        return min(max(before + inside - lead, 0), len(self.text)) if not self._template else 0

    def _foreign(self) -> None:
        """Refuse what is an expression and was meant as something else."""
        foreign = other_languages.syntax(self.text, taken=True) if not self._template else None
        if foreign is not None:
            raise WrongError(foreign.text, foreign.write, start=foreign.at)
        # with brackets of its own it begins behind the one that was put around it
        if isinstance(self.tree, ast.Tuple) and self.tree.col_offset == 0 and not self.tree.elts and not self._template:
            raise WrongError("is a comment and nothing else", "write an expression, or leave the line out")
        if isinstance(self.tree, ast.Tuple) and self.tree.col_offset == 0:
            write = "a decimal has a point: 1.50; a list stands in brackets: [a, b]"
            raise WrongError("a comma outside of brackets", write, start=self.span(self.tree.elts[0])[1])

    def _check(self) -> None:
        for count, (node, parent, depth) in enumerate(_walked(self.tree), start=1):
            if isinstance(node, ast.JoinedStr) and id(node) not in self._in_texts:
                written = self.text if self._template else self.source(node)
                self._in_texts |= braces.spans(node, written, self.span(node)[0], template=self._template)
            if count > MOST_NODES:
                raise WrongError(f"has more than {MOST_NODES} parts", "give some of them names under `let:`")
            if depth > DEEPEST:
                raise self.wrong(node, "is nested too deeply", "give a part of it a name under `let:`")
            kind = type(node)
            if kind not in _KNOWN:
                text, write = _SAID.get(kind, (f"mappings know no {kind.__name__}", ""))
                raise self.wrong(node if hasattr(node, "lineno") else parent, text, write)
            self._check_names(node)

    def _check_names(self, node: ast.AST) -> None:
        match node:
            case ast.Attribute(attr=name) if not _NAME.fullmatch(name):
                raise self.wrong(node, f"{name} is no name", f'write ["{name}"] for a field called so')
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                # Python folds look-alikes of letters into letters before this is asked
                if name.isascii() and name not in self.text:
                    raise self.wrong(node, f"{name} is written with letters that only look so", f"write {name}")
                if not _NAME.fullmatch(name):
                    raise self.wrong(
                        node, f"{name} is no name", "names are Latin letters, digits and _, a letter first"
                    )
            case ast.keyword(arg=None):
                raise self.wrong(node, "mappings know no `**`", "name the values")
            case ast.comprehension(is_async=1):
                raise self.wrong(node, "mappings know no async")
            case ast.FormattedValue(conversion=conversion, format_spec=spec) if conversion != -1 or spec is not None:
                raise self.wrong(
                    node, "mappings know no formats behind `!` or `:`", "call a function such as format_decimal"
                )
            case ast.FormattedValue(value=ast.Tuple() as value):
                write = "call a function such as format_decimal; a list is put together with join(…)"
                raise self.wrong(value, "mappings know no formats behind `,`", write)
            case ast.Constant():
                self._check_constant(node)
            case _:
                pass

    def _check_constant(self, node: ast.Constant) -> None:
        match node.value:
            case str() as text if any("\ud800" <= character <= "\udfff" for character in text):
                raise self.wrong(node, "half a character", "write it whole")
            case bool() | None | str():
                return
            case int() | float():
                if self.number(node) is None:
                    raise self.wrong(node, "is no number mappings know", "write digits with a point, such as 0.10")
            case _:
                raise self.wrong(node, f"mappings know no {type(node.value).__name__}")

    def number(self, node: ast.Constant) -> str | None:
        """The digits of a number as they were written, so that 0.10 never becomes a float; None: none we know."""
        written = self.source(node).replace("_", "")
        return written if _NUMBER.fullmatch(written) and len(written) <= _LONGEST_NUMBER else None


def _is_call(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name)


def _quoted(text: str) -> str:
    """A text as a Python literal whose braces stay; inside of them quotes are as they were."""
    made, depth = [], 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth <= 0 and character in "\\\"'\n\r":
            made.append({"\\": "\\\\", '"': '\\"', "'": "\\'", "\n": "\\n", "\r": "\\r"}[character])
        else:
            made.append(character)
    return '"""' + "".join(made) + '"""'


_ODD = {
    **dict.fromkeys("\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb", 'write plain quotes: "'),
    **dict.fromkeys("\u00a0\u2009\u202f", "write a plain blank"),
}


def _own_hint(text: str, problem: str) -> str:
    """What to write where Python says it, or a name does; other languages are not asked then."""
    for odd, write in _ODD.items():
        if odd in text:
            return write
    if "expected 'else'" in problem:
        return "write … if … else …"
    for field in re.findall(r"\.\s*(\w+)", text):
        if keyword.iskeyword(field):
            return f'write ["{field}"] for a field called so'
    return ""


def _hint(text: str, problem: str) -> str:
    if "never closed" in problem or "unmatched" in problem or "does not match" in problem:
        return "close each bracket that is opened"
    if "Generator" in problem:
        return "put the list in brackets: [line.sku for line in order.lines]"
    if "expecting '}'" in problem:
        return "write } behind the expression"
    if "unterminated" in problem:
        return "close each quote that is opened"
    return _own_hint(text, problem) or 'a text stands in quotes: "like this"; between two values stands a sign'


def _walked(tree: ast.expr) -> Iterator[tuple[ast.AST, ast.AST, int]]:
    """Each node with the one around it and its depth, outer ones first."""
    waiting: list[tuple[ast.AST, ast.AST, int]] = [(tree, tree, 0)]
    while waiting:
        node, parent, depth = waiting.pop()
        yield node, parent, depth
        waiting.extend((child, node, depth + 1) for child in ast.iter_child_nodes(node))
