"""An intent's body as text, for an operator who asks what a target would be sent; pure."""

import re
from typing import Final

import msgspec

#: Longer ones are cut: an answer travels as an outcome.
MOST_CHARACTERS: Final = 64 * 1024
#: Values under such names are none of an operator's business.
_SECRET = re.compile(r"passw|secret|token|authori[sz]ation|api_?key|card_?num|cvv|iban", re.IGNORECASE)
MASK: Final = "***"


def rendered(body: bytes) -> str:
    """The body as JSON, secrets masked; of a body that is none of the encodings sinks use, its size."""
    for decode in (msgspec.json.decode, msgspec.msgpack.decode):
        try:
            content = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        return msgspec.json.encode(_masked(content)).decode()[:MOST_CHARACTERS]
    return f"{len(body)} bytes"


def _masked(value: object, name: str = "") -> object:
    if isinstance(value, dict):
        return {key: _masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, name) for inner in value]
    return MASK if value and _SECRET.search(name) else value
