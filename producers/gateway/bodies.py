"""What a body must be before anything reads it: JSON in UTF-8, of bounded depth and size; pure, for the gateway."""

import re
from functools import lru_cache

import msgspec

from errors import DecodeError

DEEPEST = 32
#: Brackets and strings; an honest thin webhook has some twenty, a whole order in one some thousands.
MOST_TOKENS = 20_000

#: A string that never ends is one token too: were it none, every quote in it would be tried as a beginning.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
#: Skips over any value, checking only that it is one.
_ANY = msgspec.json.Decoder(msgspec.Raw)
_JSON = "application/json"


@lru_cache(maxsize=64)
def is_json(content_type: str, content_encoding: str) -> bool:
    """Whether a body of that type is read: plain JSON in UTF-8, not compressed."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != _JSON or content_encoding.strip().lower() not in {"", "identity"}:
        return False
    charsets = [
        value.strip('"') for name, _, value in (each.partition("=") for each in parameters) if name == "charset"
    ]
    return all(charset in {"utf-8", "utf8"} for charset in charsets)


def check_shape(body: bytes) -> None:
    """Refuse what could hurt a parser, or could be read in two ways.

    Raises:
        DecodeError: not UTF-8, nested too deeply, too many parts, or no JSON.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError("not UTF-8", at=error.start) from None
    if _may_hurt(body):
        _check_tokens(body)
    try:
        _ANY.decode(body)
    except msgspec.DecodeError as error:
        raise DecodeError(f"no JSON: {error}") from error


def _may_hurt(body: bytes) -> bool:
    """Whether its tokens have to be counted: with few brackets, be they in strings, and few bytes it is neither deep
    nor of many parts.
    """
    return body.count(b"[") + body.count(b"{") > DEEPEST or len(body) > MOST_TOKENS


def _check_tokens(body: bytes) -> None:
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(body)):
        first = body[token.start()]
        depth += (first in b"[{") - (first in b"]}")
        if depth > DEEPEST:
            raise DecodeError(f"nested deeper than {DEEPEST}")
        if count >= MOST_TOKENS:
            raise DecodeError(f"more than {MOST_TOKENS} parts")
