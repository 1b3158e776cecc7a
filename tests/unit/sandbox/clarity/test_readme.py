"""The README tells every route there is."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.sandbox.clarity.conftest import Client

README = Path(__file__).parents[4] / "sandbox" / "clarity" / "README.md"


async def test_every_control_route_is_in_the_readme(client: "Client") -> None:
    routes = (await client.control("GET", "")).json()

    readme = README.read_text()
    for route in routes:
        path = route["path"].replace("/products/{key:path}", "/products/{sku}")
        assert path.replace("/customers/{key:path}", "/customers/{account key}") in readme, route


async def test_every_api_route_is_in_the_readme(client: "Client") -> None:
    operations = (await client.api("GET", "/metadata")).json()["Operations"]

    readme = README.read_text()
    for operation in operations:
        route = operation["Route"].split("{")[0].rstrip("/")
        action = route.rpartition("/")[2] if operation["Verb"] == "PATCH" else None
        assert (f"{action} →" if action else route) in readme, operation
