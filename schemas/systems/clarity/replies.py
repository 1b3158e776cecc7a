"""What the store answers to a write, and how it says that something is wrong."""

from schemas.systems.clarity.wire import Wire


class ActionReply(Wire, frozen=True, kw_only=True):
    """Answer to an action or an upsert; it comes with 200 even when the store refused."""

    action_succeeded: bool
    messages: tuple[str, ...] = ()


class ResponseError(Wire, frozen=True, kw_only=True):
    """What is wrong with one field."""

    error_code: str = ""
    field_name: str = ""
    message: str = ""


class ResponseStatus(Wire, frozen=True, kw_only=True):
    """ServiceStack's error; its StackTrace is never read."""

    error_code: str = ""
    message: str = ""
    errors: tuple[ResponseError, ...] = ()


class ErrorReply(Wire, frozen=True, kw_only=True):
    """Body of every answer that is an error."""

    response_status: ResponseStatus
