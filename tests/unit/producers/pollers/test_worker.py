"""What becomes of the other connections when one can not be polled any more."""

import asyncio

import msgspec
import pytest

from bus import settings
from bus.settings import ROOT, Connection, Settings
from errors import BusError, ConfigurationError, FatalError
from producers.pollers import worker
from producers.pollers.pace import keep_polling


def two_stores() -> Settings:
    text = (ROOT / "deployments" / "demo" / "towpath.toml").read_text(encoding="utf-8")
    named = {part.split('"')[0] for part in text.split("env:")[1:] if part[0].isupper()}
    found = settings.load(dict.fromkeys(named, "1"), ROOT)
    first = found.connections["clarity-main"]
    return msgspec.structs.replace(
        found,
        connections={
            "one": msgspec.structs.replace(first, name="one"),
            "two": msgspec.structs.replace(first, name="two"),
        },
    )


class Stores:
    """Polls until told to stop; some connections fail as written."""

    def __init__(self, **failures: BusError) -> None:
        self.failures = failures
        self.polled: set[str] = set()
        self.left: set[str] = set()

    async def poll(self, connection: Connection, *rest: object) -> None:
        stop = rest[-1]
        assert isinstance(stop, asyncio.Event)
        self.polled.add(connection.name)
        if connection.name in self.failures:
            raise self.failures[connection.name]
        await stop.wait()
        await asyncio.sleep(0)
        self.left.add(connection.name)


async def run(stores: Stores, monkeypatch: pytest.MonkeyPatch, stop: asyncio.Event) -> None:
    monkeypatch.setattr(worker, "_poll", stores.poll)
    async with asyncio.timeout(10):
        await worker._poll_all(two_stores(), None, stop)  # type: ignore[arg-type]  # nobody publishes here


async def test_a_revoked_password_of_one_store_leaves_the_others_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    stores, stop = Stores(one=FatalError("clarity.credentials", "")), asyncio.Event()
    polling = asyncio.create_task(run(stores, monkeypatch, stop))
    while stores.polled != {"one", "two"}:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)

    assert not polling.done()
    stop.set()
    await polling
    assert stores.left == {"two"}


async def test_when_no_store_can_be_polled_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = Stores(one=FatalError("clarity.credentials", ""), two=FatalError("clarity.forbidden", ""))

    with pytest.raises(FatalError):
        await run(stores, monkeypatch, asyncio.Event())


async def test_a_wrong_setting_ends_the_process_after_the_others_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = Stores(one=ConfigurationError("connections.one.url", ""))

    with pytest.raises(ConfigurationError):
        await run(stores, monkeypatch, asyncio.Event())

    assert stores.left == {"two"}


async def test_a_poller_that_fails_for_good_lets_another_one_have_the_cursor() -> None:
    class Rounds:
        left = False

        async def round(self) -> int | None:
            raise FatalError("clarity.credentials", "")

        async def leave(self) -> None:
            self.left = True

    rounds = Rounds()
    with pytest.raises(FatalError):
        await keep_polling(rounds, "one", 1, asyncio.Event())

    assert rounds.left
