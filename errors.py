"""Every error of the bus, by what happens next; for whoever catches one.

BusError
├── ConfigurationError    refuse to start, name the setting
├── NotFoundError         somebody asked for what is not there       (a key nobody knows, bytes that are gone)
├── RetryableError        surely not done: the same message later            (refused connection, 429, 503 before work)
├── UnknownOutcomeError   the request may have arrived: find it first        (time-out, lost connection, 5xx to a write)
├── DependencyError       waits for a named thing                            (customer, item, order of a shipment)
├── RejectedError         this message never: to the dead letters, with the reason
│   ├── DecodeError         the bytes are not what the topic promises
│   ├── MappingError        a field cannot be turned into the target's
│   ├── RefusedError        the target said no, with its own number
│   └── TooLateError        the document at the target can no longer be changed
├── LostPartitionError    another worker owns the partition: drop the batch, leave
└── FatalError            no message will pass: stop the worker              (credentials, incompatible schema)
"""

from collections.abc import Mapping


class BusError(Exception):
    """Base of all; `code` names the kind of failure and `facts` carry its values, never secrets or customer data."""

    def __init__(self, code: str, message: str, **facts: str | int | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts: Mapping[str, str | int | None] = facts

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ConfigurationError(BusError):
    """A setting is missing or impossible; the process refuses to start and names it."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__("configuration", f"{setting}: {message}", setting=setting)


class NotFoundError(BusError):
    """What somebody asked for is not there; asking again does not bring it."""


class RetryableError(BusError):
    """Surely not done; the same message may be tried again after `retry_after_s`."""

    def __init__(
        self, code: str, message: str, *, retry_after_s: float | None = None, **facts: str | int | None
    ) -> None:
        super().__init__(code, message, **facts)
        self.retry_after_s = retry_after_s


class UnknownOutcomeError(BusError):
    """The request may have arrived; nobody may send it again before `find` has answered."""


class DependencyError(BusError):
    """Waits for a named thing, such as `customer:clarity-main:C-7`."""

    def __init__(self, waits_for: str, message: str) -> None:
        super().__init__("dependency", message, waits_for=waits_for)
        self.waits_for = waits_for


class RejectedError(BusError):
    """This message will never pass as it is; it becomes a dead letter with the reason."""


class DecodeError(RejectedError):
    """The bytes are not what the topic promises."""

    def __init__(self, message: str, **facts: str | int | None) -> None:
        super().__init__("undecodable", message, **facts)


class MappingError(RejectedError):
    """A field cannot be turned into what the target needs."""

    def __init__(self, field: str, reason: str, **facts: str | int | None) -> None:
        super().__init__("mapping", f"{field}: {reason}", field=field, reason=reason, **facts)
        self.field = field
        self.reason = reason


class RefusedError(RejectedError):
    """The target said no; `number` is its own."""


class TooLateError(RejectedError):
    """The document at the target can no longer be changed."""


class LostPartitionError(BusError):
    """The store's position is not where this worker left it: another one took events of the partition in."""


class FatalError(BusError):
    """No message will pass; the worker stops, its messages unacknowledged."""
