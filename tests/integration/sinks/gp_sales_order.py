"""Orders in the simulated GP company: one document, one receipt, one customer."""

import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

import psycopg

from bus.codec import Codecs
from bus.registry import MemoryRegistry
from connect.systems.dynamics_gp.client import GpClient
from consumers.dynamics_gp.sink import SalesOrderSink
from consumers.dynamics_gp.target import TARGET
from consumers.routes import SALES_ORDER
from delivery.ports import Memory, Sink
from mapping.port import Lookups
from schemas import topics
from schemas.canonical.address import Address
from schemas.canonical.order import Order, OrderLine
from tests.integration.dynamics_gp.company import ITEM, Sandbox
from tests.integration.sinks.adapter import Event

CODEC = Codecs(MemoryRegistry()).of(topics.ORDERS)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOOKUPS = Lookups({TARGET: {"document_id": "WEB", "site": "MAIN", "missing_items": "refuse"}})
#: The last procedure of a document: what fails here has everything else behind it.
HEADER = "taSopHdrIvcInsert"
_numbers = itertools.count(1)


class SalesOrders:
    """An order of a customer GP never saw."""

    sink: ClassVar[type[Sink]] = SalesOrderSink
    simulator: ClassVar[str] = "sandbox"

    def __init__(self, there: Sandbox) -> None:
        self._company = there

    def event(self) -> Event:
        return _ordered(ITEM)

    def event_it_refuses(self) -> Event:
        return _ordered("NOBODY-KNOWS-IT")

    @asynccontextmanager
    async def opened(self, _memory: Memory) -> AsyncIterator[Sink]:
        async with aclosing(GpClient(self._company.proxied, "postgresql", in_flight=4)) as client:
            yield SalesOrderSink(client, CODEC, SALES_ORDER, LOOKUPS, lambda: NOON, 15.0)

    def effects(self, event: Event) -> dict[str, int]:
        with psycopg.connect(self._company.superuser_dsn) as superuser:
            counted = superuser.execute(
                """
                SELECT (SELECT count(*) FROM dbo."SOP10100" WHERE trim("CSTPONBR") = %(number)s),
                    (SELECT count(*) FROM dbo."SOP10200" WHERE "SOPNUMBE" IN (
                        SELECT "SOPNUMBE" FROM dbo."SOP10100" WHERE trim("CSTPONBR") = %(number)s)),
                    (SELECT count(*) FROM towpath.receipts WHERE reference = %(reference)s),
                    (SELECT count(*) FROM dbo."RM00101" WHERE trim("CUSTNMBR") = %(number)s)
                """,
                {"number": event.name, "reference": event.message_key},
            ).fetchone()
        assert counted is not None
        return dict(zip(("documents", "lines", "receipts", "customers"), counted, strict=True))

    def throttle_once(self) -> None:
        self._fail(procedures=[{"procedure": HEADER, "kind": "error", "value": 2022, "times": 1}])

    def lose_an_answer(self) -> None:
        self._fail(proxy={"lose_commit_answers": 1, "commit_of": HEADER})

    def calm(self) -> None:
        self._company.control.delete("/control/faults").raise_for_status()

    def _fail(self, **faults: object) -> None:
        self._company.control.put("/control/faults", json=faults).raise_for_status()


def _ordered(item: str) -> Event:
    number = f"ONCE{next(_numbers)}"
    line = OrderLine(line_id="1", sku=item, quantity=Decimal(3), unit_price=Decimal("8.95"), extended=Decimal("26.85"))
    order = Order(
        id=f"shop:{number}",
        source_version=1,
        ordered_at=NOON,
        updated_at=NOON,
        connection="shop",
        number=number,
        state="open",
        currency="USD",
        customer_id=number,
        customer_name="Aoife O'Malley",
        shipping=Address(name="Aoife O'Malley", lines=("1 Quay Street",), city="Galway", country="IE"),
        lines=(line,),
        subtotal=line.extended,
        total=line.extended,
    )
    return Event(order.id, CODEC.encode(order), number)
