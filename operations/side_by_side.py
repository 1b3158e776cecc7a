"""Asks several sources at once, each in a thread of its own, and goes on without those that do not answer in time."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from errors import BusError

T = TypeVar("T")


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A source that did not answer."""

    #: Who was asked: `Kafka`, `store of gp-two`.
    source: str
    #: Of the error; empty: no answer in time.
    code: str = ""
    why: str


class Question(Generic[T]):
    """One source being asked, from the moment it is made."""

    def __init__(self, source: str, ask: Callable[[], T]) -> None:
        self.source = source
        self.answer: T | None = None
        self._heard: T | None = None
        self._why: Silence | None = None
        self._ask = ask
        self._asked_at = time.monotonic()
        self._waited_s = 0.0
        # a daemon: the command ends while a server that is away is still being waited for
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def silence(self) -> Silence | None:
        """Why there is no answer; None when there is one."""
        if self.answer is not None:
            return None
        return self._why or Silence(source=self.source, why=f"no answer within {self._waited_s:.0f} s")

    def wait(self, until: float) -> None:
        """Until it has answered, or until a moment of the monotonic clock; what comes later is not heard."""
        self._thread.join(max(0.0, until - time.monotonic()))
        self.answer, self._waited_s = self._heard, time.monotonic() - self._asked_at

    def _run(self) -> None:
        try:
            self._heard = self._ask()
        except BusError as error:
            self._why = Silence(source=self.source, code=error.code, why=error.message)
        except Exception as error:  # noqa: BLE001  whatever it is, the others are to be shown
            # never its text: it may quote what was read
            self._why = Silence(source=self.source, code="defect", why=f"failed with {type(error).__name__}")


def wait_for(questions: Iterable[Question[Any]], within_s: float) -> None:
    """Until all have answered, or the time is over."""
    until = time.monotonic() + within_s
    for question in questions:
        question.wait(until)
