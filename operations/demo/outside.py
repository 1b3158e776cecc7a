"""The store's customers and GP's user, played through the simulators' control APIs; and the store's own order book."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from errors import RefusedError, RetryableError
from operations.demo.facts import Parcel, Shelf, Shop, Stock, StoreLine, StoreOrder

TIMEOUT_S = 30.0
#: As many orders as one page of the book holds.
PAGE = 1000

Body = Mapping[str, Any]


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """An order as GP's user has it on the screen."""

    number: str
    order_number: str
    amount: Decimal
    #: Item to quantity, without services and such.
    lines: dict[str, Decimal]
    #: By the company's clock.
    changed_at: datetime


class Desk:
    """One control API."""

    def __init__(self, control_url: str, name: str) -> None:
        self._name = name
        # a proxy of the machine has no business between two processes of it
        self._http = httpx.AsyncClient(base_url=control_url, timeout=TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def trouble(self, faults: Body) -> None:
        """From now on these things go wrong, and no others."""
        await self._ask("PUT", "/faults", faults)

    async def no_trouble(self) -> None:
        """Nothing goes wrong any more."""
        await self._ask("DELETE", "/faults")

    async def _ask(self, method: str, path: str, body: Body | None = None, **query: object) -> Any:
        """The answer.

        Raises:
            RetryableError: nobody answers, or the database behind is away.
            RefusedError: it cannot be done; says why.
        """
        try:
            answer = await self._http.request(
                method, path, content=None if body is None else msgspec.json.encode(body), params=_given(query)
            )
        except httpx.HTTPError as error:
            raise RetryableError("sandbox.away", f"the simulator {self._name} does not answer") from error
        if answer.is_server_error:
            raise RetryableError("sandbox.away", f"the simulator {self._name} answers {answer.status_code}")
        if answer.is_error:
            raise RefusedError("sandbox.refused", f"{self._name}: {answer.text[:300]}", status=answer.status_code)
        return answer.json()


class Store(Desk):
    """The store: its customers, its order book, the network before it."""

    async def be_ready(self, url: str, secret: str) -> None:
        """No faults, no other traffic, webhooks on their way to the gateway."""
        await self.no_trouble()
        await self._ask("DELETE", "/traffic")
        await self._ask("PUT", "/webhooks/target", {"url": url, "secret": secret})

    async def last_order(self) -> int:
        """The newest order's id; 0 where there is none."""
        last = 0
        while True:
            page = await self._ask("GET", "/orders", since_id=last, limit=PAGE)
            if not page["orders"]:
                return last
            last = int(page["next_since_id"])

    async def place(self, order: Body) -> StoreOrder:
        """A customer buys."""
        return _order(await self._ask("POST", "/orders", order))

    async def order(self, order_id: int) -> StoreOrder:
        """One order of the book."""
        return _order(await self._ask("GET", f"/orders/{order_id}"))

    async def edit(self, order_id: int, change: Body) -> StoreOrder:
        """A customer changes an order."""
        return _order(await self._ask("POST", f"/orders/{order_id}/edit", change))

    async def cancel(self, order_id: int) -> StoreOrder:
        """A customer takes an order back."""
        return _order(await self._ask("POST", f"/orders/{order_id}/cancel", {}))

    async def forge(self, kind: str, order_id: int) -> int | None:
        """Send a hostile webhook; the status it was answered with, None where nobody answered."""
        told = await self._ask("POST", "/webhooks/forge", {"kind": kind, "order_id": order_id})
        return int(told["answer"]["status"]) if told["answer"] else None

    async def unsent(self) -> int:
        """Webhooks still on their way."""
        return int((await self._ask("GET", "/health"))["webhooks"].get("pending", 0))

    async def journal(self, since: int) -> list[dict[str, Any]]:
        """What API clients wrote after a line of the store's journal, oldest first."""
        lines: list[dict[str, Any]] = []
        while page := (await self._ask("GET", "/writes", since_id=since, limit=PAGE))["writes"]:
            lines += page
            since = int(page[-1]["id"])
        return lines

    async def orders_after(self, last_before: int) -> tuple[StoreOrder, ...]:
        """The book from there on."""
        found: list[StoreOrder] = []
        since = last_before
        while page := await self._ask("GET", "/orders", since_id=since, limit=PAGE):
            found += [_order(entry) for entry in page["orders"]]
            if len(page["orders"]) < PAGE:
                break
            since = int(page["next_since_id"])
        return tuple(found)

    async def read(self, last_before: int) -> Shop:
        """The orders since then, and all stock."""
        stock = await self._ask("GET", "/stock")
        return Shop(orders=await self.orders_after(last_before), stock=dict(_stock(row) for row in stock["stock"]))


class Erp(Desk):
    """Dynamics GP: its user, working in its windows."""

    async def be_ready(self) -> None:
        """No faults, nobody else at work."""
        await self.no_trouble()
        await self._ask("DELETE", "/user/autopilot")

    async def now(self) -> datetime:
        """The company's clock."""
        return _moment((await self._ask("GET", "/clock"))["now"])

    async def orders_since(self, since: datetime) -> dict[str, Paper]:
        """Orders changed since then, by the customer's order number."""
        found = await self._ask("GET", "/documents", type=2, since=since.isoformat(), limit=PAGE)
        papers = (_paper(document) for document in found["documents"])
        return {paper.order_number: paper for paper in papers if paper.order_number}

    async def ship(self, number: str, lines: Mapping[str, Decimal] | None, tracking: Sequence[str]) -> None:
        """Pick, invoice, track and post: all that is allocated, or exactly these quantities."""
        quantities = None if lines is None else {item: str(quantity) for item, quantity in lines.items()}
        await self._ask("POST", "/user/ship", {"number": number, "lines": quantities, "tracking": list(tracking)})

    async def is_in_history(self, number: str) -> bool:
        """Whether an order is done with."""
        found = await self._ask("GET", "/documents", type=2, number=number, limit=1)
        return any(document["state"] == "history" for document in found["documents"])

    async def invoices(self, order_number: str) -> int:
        """How many invoices an order has, posted or not."""
        found = await self._ask("GET", "/documents", type=3, reference=order_number, limit=PAGE)
        return len(found["documents"])

    async def finish(self, order_number: str, tracking: Sequence[str]) -> None:
        """Track and post what lies there half done: invoices of an order somebody was interrupted at."""
        found = await self._ask("GET", "/documents", type=3, reference=order_number, limit=PAGE)
        for invoice in found["documents"]:
            if invoice["posted"]:
                continue
            if not invoice["tracking"]:
                await self._ask(
                    "POST", "/user/track", {"number": invoice["number"], "type": 3, "tracking": list(tracking)}
                )
            await self._ask("POST", "/user/post", {"number": invoice["number"]})

    async def void(self, number: str) -> None:
        """Void an order."""
        await self._ask("POST", "/user/void", {"number": number})

    async def change_stock(self, item: str, site: str, delta: int) -> None:
        """Count goods in or out by hand."""
        await self._ask("POST", "/user/stock", {"item": item, "site": site, "delta": delta})

    async def stock(self) -> list[dict[str, Any]]:
        """Items at sites, as GP's user sees them."""
        rows: list[dict[str, Any]] = (await self._ask("GET", "/stock"))["stock"]
        return [row for row in rows if row["site"]]


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items()}


def _order(entry: Body) -> StoreOrder:
    return StoreOrder(
        id=entry["id"],
        number=entry["key"],
        total=Decimal(entry["total"]),
        status=entry["status_key"],
        tracking_number=entry["tracking_number"] or "",
        lines=tuple(
            StoreLine(sku=line["sku"], quantity=Decimal(line["quantity"]), unit_price=Decimal(line["unit_price"]))
            for line in entry["lines"]
        ),
        parcels=tuple(
            Parcel(
                key=parcel["key"],
                tracking_number=parcel["tracking_number"] or "",
                items={sku: Decimal(quantity) for sku, quantity in parcel["items"].items()},
            )
            for parcel in entry["shipments"]
        ),
        mails=entry["emails"],
    )


def _paper(document: Body) -> Paper:
    return Paper(
        number=document["number"],
        order_number=document["CSTPONBR"],
        amount=Decimal(document["header"]["DOCAMNT"]),
        lines={line["ITEMNMBR"]: Decimal(line["QUANTITY"]) for line in document["lines"]},
        changed_at=_moment(document["header"]["DEX_ROW_TS"]),
    )


def _moment(text: str) -> datetime:
    """GP keeps times without a zone; they are UTC."""
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)


def _stock(row: Body) -> tuple[Shelf, Stock]:
    stock = Stock(on_hand=Decimal(row["quantity"]), allocated=Decimal(row["allocated"]))
    return (row["sku"], row["section"]), stock
