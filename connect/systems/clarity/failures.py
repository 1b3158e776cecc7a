"""What a failed call to Clarity means for the message: the one place where foreign errors become ours."""

from email.utils import parsedate_to_datetime
from enum import StrEnum

import httpx

from errors import BusError, DecodeError, FatalError, RefusedError, RetryableError, UnknownOutcomeError
from schemas.systems.clarity.replies import ErrorReply
from schemas.systems.clarity.wire import decode

#: What the store says is cut off here, as it goes into outcomes.
_LONGEST = 500
_CONFLICT = httpx.codes.CONFLICT
_NOT_YET = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})


Facts = dict[str, str | int]


class Effect(StrEnum):
    """Whether a call changes something there: what is lost on the way then may have happened."""

    READ = "read"
    WRITE = "write"


def failed_request(error: httpx.HTTPError, effect: Effect) -> BusError:
    """The call got no answer."""
    name = type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return RetryableError("clarity.away", f"the store cannot be reached: {name}")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return FatalError("clarity.address", f"the request cannot be sent at all: {name}")
    return _lost("clarity.away", f"the store did not answer: {name}", effect)


def failed_status(answer: httpx.Response, effect: Effect) -> BusError:
    """The store answered with an error; 404 of a read and a 401 that can be renewed are not for here."""
    status = answer.status_code
    facts: Facts = {"status": status, "reply": _said(answer)}
    if status == httpx.codes.UNAUTHORIZED:
        return FatalError("clarity.credentials", "the store does not accept our credentials", **facts)
    if status == httpx.codes.FORBIDDEN:
        # Of the whole connection, not of one document: a lost permission must not turn good orders into dead letters.
        return FatalError("clarity.forbidden", "our user lacks a permission at the store", **facts)
    if status in _NOT_YET or answer.is_redirect or status == _CONFLICT:
        # A redirect is a site in maintenance or moved away; either way nothing was done.
        return RetryableError(
            "clarity.throttled" if status == httpx.codes.TOO_MANY_REQUESTS else "clarity.away",
            f"the store answered {status}",
            retry_after_s=retry_after_s(answer),
            status=status,
            reply=_said(answer),
        )
    if answer.is_server_error or status == httpx.codes.REQUEST_TIMEOUT:
        return _lost("clarity.away", f"the store answered {status}", effect, **facts)
    if not is_the_store(answer):
        return _lost("clarity.away", f"something else than the store answered {status}", effect, **facts)
    code = "clarity.not_found" if status == httpx.codes.NOT_FOUND else "clarity.refused"
    return RefusedError(code, f"the store refused: {_said(answer) or status}", **facts)


def not_the_store(answer: httpx.Response, effect: Effect) -> BusError:
    """A page that is no answer of the API, such as one about maintenance, with status 200."""
    return _lost("clarity.away", "the answer is no JSON of the store's", effect, status=answer.status_code)


def is_the_store(answer: httpx.Response) -> bool:
    """Whether the API itself answered, and not a proxy, a firewall or a maintenance page before it."""
    return "json" in answer.headers.get("content-type", "")


def retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds the store asks us to wait; a date counts from the answer's own date, as our clock may differ."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(wait.total_seconds(), 0.0)


def _lost(code: str, message: str, effect: Effect, **facts: str | int) -> BusError:
    if effect is Effect.WRITE:
        return UnknownOutcomeError(code, message, **facts)
    return RetryableError(code, message, retry_after_s=None, **facts)


def _said(answer: httpx.Response) -> str:
    """The store's own words; a stack trace beside them is not read."""
    try:
        status = decode(answer.content, ErrorReply).response_status
    except DecodeError:
        return ""
    words = [status.error_code, status.message, *(f"{each.field_name}: {each.message}" for each in status.errors)]
    return "; ".join(word for word in words if word)[:_LONGEST]
