"""Every sink that is delivered to stands in the suite of sinks, and every class of repeats is said in words."""

import re

from consumers.routes import ROUTES
from delivery.states import Repeats
from operations.stack.settings import REPOSITORY_ROOT
from tests.integration.sinks.adapters import ADAPTERS


def test_every_sink_of_the_routes_has_one_adapter_in_the_suite() -> None:
    held = [adapter.sink.__name__ for adapter in ADAPTERS]

    assert sorted(held) == sorted({route.sink.__name__ for route in ROUTES})


def test_every_class_of_repeats_is_explained() -> None:
    page = (REPOSITORY_ROOT / "docs" / "how-to" / "repeats.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [repeats.value for repeats in Repeats]
