"""What the control API refuses, and how database errors become refusals; for its handlers."""

import re

import msgspec
import psycopg

_PLACE = re.compile(r" - at `\$\.?([^`]*)`")
_NAMED = re.compile(r"(?:unknown|missing required) field `([^`]*)`")
_CODES = {400: "invalid", 404: "not_found", 405: "method_not_allowed", 409: "conflict", 503: "unavailable"}


class ControlError(Exception):
    """An answer other than 200: its status, a text for people, and the member of the body it is about."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field

    @property
    def body(self) -> bytes:
        code = _CODES.get(self.status, "error")
        return msgspec.json.encode({"error": code, "message": self.message, "field": self.field})


def from_decoding(error: msgspec.DecodeError) -> ControlError:
    """A body that is not as it should be."""
    text = str(error)
    place = _NAMED.search(text) or _PLACE.search(text)
    return ControlError(400, text, place[1] if place else None)


def from_database(error: psycopg.Error) -> ControlError | None:
    """What the database said, if it is about the request or about itself being away; else None."""
    state = error.sqlstate or ""
    if state in {"GP400", "GP404", "GP409"}:
        return ControlError(int(state[2:]), error.diag.message_primary or "", error.diag.column_name or None)
    if state.startswith(("22", "23")):
        return ControlError(400, error.diag.message_primary or "not a value the database can hold")
    if state.startswith("40") or state == "55P03":
        return ControlError(409, "somebody else is at it; try again")
    if isinstance(error, psycopg.OperationalError):
        return ControlError(503, "the database cannot be reached")
    # a value that psycopg itself cannot send, such as a text with a zero byte
    return ControlError(400, str(error)) if isinstance(error, psycopg.DataError) else None
