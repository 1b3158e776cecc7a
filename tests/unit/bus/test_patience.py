"""Asking again: until there is an answer, or nobody wants one any more."""

import pytest

from bus.patience import GivenUpError, patiently
from errors import RejectedError, RetryableError


class Registry:
    """Away for the first calls."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.asked <= self.away:
            raise RetryableError("registry_away", "later")
        return "schema"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.patience.FIRST_PAUSE_S", 0.0)


async def test_asks_until_there_is_an_answer() -> None:
    registry = Registry(away=3)

    assert await patiently(registry.ask, "agent", lambda: True) == "schema"
    assert registry.asked == 4


async def test_answer_nobody_wants_any_more_is_not_given() -> None:
    registry = Registry(away=0)

    with pytest.raises(GivenUpError):
        await patiently(registry.ask, "agent", lambda: registry.asked == 0)


async def test_waiting_ends_when_nobody_wants_the_answer_any_more() -> None:
    registry = Registry(away=1000)

    with pytest.raises(GivenUpError):
        await patiently(registry.ask, "agent", lambda: registry.asked < 3)
    assert registry.asked == 3


async def test_what_is_no_outage_is_raised_at_once() -> None:
    async def refuse() -> None:
        raise RejectedError("no", "never")

    with pytest.raises(RejectedError):
        await patiently(refuse, "agent", lambda: True)
