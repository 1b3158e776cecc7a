"""What the gateway's process is built from is closed, also when it ends by a failure."""

import pytest

from bus import settings
from bus.settings import ROOT
from producers.gateway import worker
from producers.gateway.memory import StoreMemory


async def test_the_stores_are_given_back_when_the_gateway_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[StoreMemory] = []

    async def close(memory: StoreMemory) -> None:
        closed.append(memory)

    monkeypatch.setattr(StoreMemory, "close", close)
    text = (ROOT / "deployments" / "demo" / "towpath.toml").read_text(encoding="utf-8")
    named = {part.split('"')[0] for part in text.split("env:")[1:] if part[0].isupper()}
    found = settings.load(dict.fromkeys(named, "1"), ROOT)

    with pytest.raises(ZeroDivisionError):
        async with worker._memory(found, {}) as memory:
            raise ZeroDivisionError

    assert closed == [memory]
