"""Errors as ServiceStack answers them; for the store's API."""

import re

import msgspec

_CODES = {
    400: "ArgumentException",
    401: "AuthenticationException",
    403: "UnauthorizedAccessException",
    404: "FileNotFoundException",
    405: "NotSupportedException",
    409: "OptimisticConcurrencyException",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    500: "Exception",
    503: "ServiceUnavailable",
}

_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]*)`")
_MISSING_FIELD = re.compile(r"missing required field `([^`]*)`")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`")


class ApiError(Exception):
    """What the store's API refuses, with the status it answers."""

    def __init__(self, status: int, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.field = field


def error_body(status: int, message: str, code: str | None = None, field: str | None = None) -> bytes:
    """A ResponseStatus; never with a stack trace."""
    code = code or _CODES.get(status, "Exception")
    errors = [] if field is None else [{"ErrorCode": code, "FieldName": field, "Message": message}]
    return msgspec.json.encode({"ResponseStatus": {"ErrorCode": code, "Message": message, "Errors": errors}})


def from_decoding(error: msgspec.DecodeError) -> ApiError:
    """What a body that is not as it should be is answered, with the field where there is one."""
    text = str(error)
    named = _UNKNOWN_FIELD.search(text) or _MISSING_FIELD.search(text) or _PLACE.search(text)
    code = "UnknownField" if _UNKNOWN_FIELD.search(text) else "SerializationException"
    return ApiError(400, text, code=code, field=named[1] if named else None)
