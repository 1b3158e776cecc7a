"""Every way the gateway says no: status, the name the sender is told, and the name it is counted under."""

from typing import Self


class Refusal(Exception):  # noqa: N818 -- it is an answer, not a failure of ours
    """An answer other than yes. Nothing in it tells a stranger what we know."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        counted_as: str = "",
        retry_after_s: float | None = None,
        hang_up: bool = False,
    ) -> None:
        """Args:
        status: HTTP status.
        code: Name of the refusal, told to the sender.
        message: A short sentence for the sender's log.
        counted_as: Name it is counted under, where we know more than we tell.
        retry_after_s: When the sender may come again.
        hang_up: Close the connection: what may still come on it is not read.
        """
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.counted_as = counted_as or code
        self.retry_after_s = retry_after_s
        self.hang_up = hang_up

    @classmethod
    def unknown_connection(cls) -> Self:
        return cls(404, "unknown_connection", "There is no such webhook address.")

    @classmethod
    def method_not_allowed(cls) -> Self:
        return cls(405, "method_not_allowed", "Webhooks are sent with POST.")

    @classmethod
    def too_large(cls, limit_bytes: int) -> Self:
        return cls(413, "too_large", f"A body may have {limit_bytes} bytes.", hang_up=True)

    @classmethod
    def too_slow(cls) -> Self:
        return cls(408, "too_slow", "The body did not arrive in time.", hang_up=True)

    @classmethod
    def unauthorized(cls, doubt: str) -> Self:
        """The same words for every doubt: who forges learns nothing from it."""
        return cls(401, "unauthorized", "The signature does not hold.", counted_as=doubt)

    @classmethod
    def too_many_requests(cls, wait_s: float) -> Self:
        return cls(429, "too_many_requests", "Too many webhooks in a minute.", retry_after_s=wait_s)

    @classmethod
    def unsupported_media_type(cls) -> Self:
        return cls(415, "unsupported_media_type", "A body is application/json in UTF-8, not compressed.")

    @classmethod
    def malformed(cls) -> Self:
        return cls(400, "malformed", "The body is not JSON that can be read.")

    @classmethod
    def unprocessable(cls, reason: str) -> Self:
        return cls(422, "unprocessable", f"The body is not a webhook: {reason}.")

    @classmethod
    def not_stored(cls, retry_after_s: float) -> Self:
        return cls(503, "not_stored", "It could not be stored; send it again.", retry_after_s=retry_after_s)
