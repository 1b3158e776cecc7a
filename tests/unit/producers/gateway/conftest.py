"""A gateway of its own for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.doubles.webhooks import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.http.aclose()
