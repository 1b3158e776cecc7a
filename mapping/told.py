"""Collects what is wrong with a mapping file, so that all of it is told at once and each thing only once."""

from types import TracebackType

from mapping.messages import BrokenMappingError, Message, WrongError
from mapping.spec import Expr, Named

#: More help nobody.
_MOST = 50
_CUT_AT_COMMENT = (
    "` #` begins a comment in YAML: put the whole expression in quotes, or behind `|-` on a line of its own"
)


class Told:
    """What was said so far."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def say(self, at: Expr | Named, text: str, write: str = "", *, offset: int | None = None) -> None:
        """Say something about a place; an empty text was said elsewhere."""
        place = at.node.start if offset is None else at.document.place_in(at.node, offset)
        message = at.document.message(place, text, write)
        if text and message not in self.messages:
            self.messages.append(message)
        if len(self.messages) >= _MOST:
            raise BrokenMappingError(self.messages)

    def about(self, at: Expr | Named) -> "_About":
        """What goes wrong inside is said about a place; what follows is looked at all the same."""
        return _About(self, at)


class _About:
    def __init__(self, told: Told, at: Expr | Named) -> None:
        self._told = told
        self._at = at

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, RecursionError):
            error = WrongError("is nested too deeply", "give parts of it names under `let:`")
        if not isinstance(error, WrongError):
            return False
        write = _CUT_AT_COMMENT if _is_cut(self._at, error) else error.write
        self._told.say(self._at, error.text, write, offset=error.start)
        return True


def _is_cut(at: Expr | Named, error: WrongError) -> bool:
    """Whether an expression ends too early where YAML takes the rest of its line for a comment."""
    text, node = at.document.text, at.node
    behind = text[node.end : node.end + 1] in " \t" and text[node.end :].lstrip(" \t").startswith("#")
    is_open = error.text.startswith("is no expression") and ("unterminated" in error.text or "closed" in error.text)
    return behind and is_open and text[node.start] not in "'\"|>"
