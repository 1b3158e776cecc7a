"""Clarity eCommerce as the bus uses it: one method per call to the CEF routes, errors by kind."""

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from bus.settings import Connection
from connect import paced
from connect.systems.clarity.auth import Headers, SignIn, Strategy, strategy_from
from connect.systems.clarity.failures import Effect, failed_request, failed_status, is_the_store, not_the_store
from connect.wires import Wires
from errors import ConfigurationError, DecodeError, RefusedError, RejectedError, RetryableError
from schemas.systems.clarity.order import ClarityListedOrder, ClarityOrder, UpsertOrder
from schemas.systems.clarity.paged_orders import ClarityPagedOrders
from schemas.systems.clarity.product import ClarityProduct
from schemas.systems.clarity.replies import ActionReply
from schemas.systems.clarity.shipment import ClarityShipment, UpsertShipment
from schemas.systems.clarity.site import CEF, Site, site_of
from schemas.systems.clarity.stock_section import ClarityStockSection, UpsertStockSection
from schemas.systems.clarity.wire import Ticks, Wire, decode, encode

#: As many as the vendor's own integration reads at once.
PAGE_SIZE = 500
#: The store refuses and accepts within this time, or we do not know.
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_LONGEST = 500

T = TypeVar("T", bound=Wire)


class Action(StrEnum):
    """What can be done to an order; the words of the routes."""

    CONFIRM = "Confirm"
    PENDING = "Pending"
    HOLD = "Hold"
    BACKORDER = "Backorder"
    CAPTURE_PAYMENT = "CapturePayment"
    CREATE_PICK_TICKET = "CreatePickTicket"
    DROP_SHIP = "DropShip"
    SHIP = "Ship"
    READY_FOR_PICKUP = "ReadyForPickup"
    COMPLETE = "Complete"
    VOID = "Void"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document as the store answered it."""

    body: bytes
    media_type: str


class ClarityClient:
    """One site; not more than `in_flight` calls at a time.

    Every method raises by kind: RetryableError (surely not done, or only read), UnknownOutcomeError (a write that may
    have arrived), RefusedError (the store said no), FatalError (our credentials).
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        strategy: Strategy,
        *,
        in_flight: int,
        page_size: int = PAGE_SIZE,
        site: Site = CEF,
    ) -> None:
        #: How the site writes times and statuses.
        self.site = site
        self._http = http
        self._sign_in = SignIn(http, strategy)
        self._in_flight = asyncio.Semaphore(in_flight)
        self._page_size = page_size

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def described(self) -> bytes | None:
        """What the site says of its own API, as an OpenAPI document; None where it says nothing."""
        answer = await self._read("/openapi")
        return None if answer is None else answer.content

    # Orders

    async def order_document(self, order_id: str) -> Document | None:
        """The whole order, bytes as received; None where the store has none of that id."""
        answer = await self._read(f"/Ordering/SalesOrder/ID/{_segment(order_id)}")
        if answer is None:
            return None
        return Document(body=answer.content, media_type=answer.headers.get("content-type", "application/json"))

    async def order(self, order_id: str) -> ClarityOrder | None:
        """The order, None where the store has none of that id."""
        document = await self.order_document(order_id)
        return None if document is None else decode(document.body, ClarityOrder, self.site.zone)

    async def orders_modified_since(self, since: Ticks) -> AsyncIterator[ClarityListedOrder]:
        """Orders changed at or after the moment, oldest change first.

        An order that changes meanwhile may come twice, none is left out: the next page starts at the last change seen,
        as counting pages would skip one whenever an order moves from a page already read to the end. Only where more
        orders changed at one moment than a page holds are its pages counted; who needs those too asks again from some
        time before.

        Raises:
            RetryableError: the site does not search as asked, so that some could be left out, or it would never end.
        """
        page, seen = 1, set[tuple[int, Ticks]]()
        while True:
            found = await self._page_of_orders(since, page)
            for listed in found.results:
                if (listed.id, listed.updated_date) not in seen:
                    yield listed
            # The site's own limit may be below our page size, so a short page is not the end: its count is, or nothing.
            if not found.results or (page == 1 and 0 < found.total_count <= len(found.results)):
                return
            moments = [listed.updated_date for listed in found.results]
            listed_now = {(listed.id, listed.updated_date) for listed in found.results}
            if moments != sorted(moments) or moments[-1] < since or (page > 1 and listed_now <= seen):
                raise RetryableError("clarity.search", "the store does not search as asked", page=page)
            # A whole page of one moment: only counting goes on from there.
            page, seen = (page + 1, seen | listed_now) if moments[-1] == since else (1, listed_now)
            since = moments[-1]

    async def _page_of_orders(self, since: Ticks, page: int) -> ClarityPagedOrders:
        query = {"ModifiedSince": since.text, "SortBy": "UpdatedDate", "AsListing": "true"}
        answer = await self._read(
            "/Ordering/SalesOrders", {**query, "Page": str(page), "PageSize": str(self._page_size)}
        )
        if answer is None:
            raise RetryableError("clarity.address", "the store has no order search at this address")
        return decode(answer.content, ClarityPagedOrders, self.site.zone)

    async def upsert_order(self, order: UpsertOrder) -> None:
        """Set what is given of an order there is."""
        await self._write("POST", "/Ordering/SalesOrder/Upsert", encode(order))

    async def set_tracking(self, order_key: str, tracking_number: str) -> None:
        """Show the customer of the order of that CustomKey where the goods are."""
        await self.upsert_order(UpsertOrder(custom_key=order_key, tracking_number=tracking_number))

    async def order_by_key(self, key: str) -> ClarityOrder | None:
        """The order of that CustomKey, None where there is none."""
        return await self._by_key("/Ordering/SalesOrder", key, ClarityOrder)

    async def probe(self) -> None:
        """The cheapest read that needs a session: whether the store works again."""
        await self._read("/auth")

    async def act(self, action: Action, order_id: str) -> None:
        """Do it to the order; the caller has looked whether it still is to be done, as the store does it again."""
        await self._write("PATCH", f"/Ordering/SalesOrder/{action}/{_segment(order_id)}", b"{}")

    # Shipments, stock, products

    async def shipment_by_key(self, key: str) -> ClarityShipment | None:
        """The shipment of that key, None where there is none."""
        return await self._by_key("/Shipping/Shipment", key, ClarityShipment)

    async def upsert_shipment(self, shipment: UpsertShipment) -> None:
        """Write the whole shipment under its key."""
        await self._write("POST", "/Shipping/Shipment/Upsert", encode(shipment))

    async def stock_section_by_key(self, key: str) -> ClarityStockSection | None:
        """Stock under `section_key(...)`, None where there is none."""
        return await self._by_key("/Inventory/ProductInventoryLocationSection", key, ClarityStockSection)

    async def upsert_stock_section(self, section: UpsertStockSection) -> None:
        """Write absolute quantities under the section's key."""
        await self._write("POST", "/Inventory/ProductInventoryLocationSection/Upsert", encode(section))

    async def product_by_key(self, key: str) -> ClarityProduct | None:
        """The product of that key, None where there is none."""
        return await self._by_key("/Catalog/Product", key, ClarityProduct)

    async def _by_key(self, route: str, key: str, record: type[T]) -> T | None:
        answer = await self._read(f"{route}/Key/{_segment(key)}")
        return None if answer is None else decode(answer.content, record, self.site.zone)

    # The wire

    async def _read(self, path: str, query: dict[str, str] | None = None) -> httpx.Response | None:
        answer = await self._call("GET", path, Effect.READ, query=query)
        if answer.status_code == httpx.codes.NOT_FOUND and is_the_store(answer):
            return None
        if not answer.is_success:
            raise failed_status(answer, Effect.READ)
        if not is_the_store(answer):
            raise not_the_store(answer, Effect.READ)
        return answer

    async def _write(self, method: str, path: str, body: bytes) -> None:
        answer = await self._call(method, path, Effect.WRITE, body=body)
        if not answer.is_success:
            raise failed_status(answer, Effect.WRITE)
        try:
            reply = decode(answer.content, ActionReply)
        except DecodeError as error:
            raise not_the_store(answer, Effect.WRITE) from error
        if not reply.action_succeeded:
            said = "; ".join(reply.messages)[:_LONGEST]
            raise RefusedError("clarity.refused", f"the store refused: {said}", status=answer.status_code, reply=said)

    async def _call(
        self, method: str, path: str, effect: Effect, *, query: dict[str, str] | None = None, body: bytes | None = None
    ) -> httpx.Response:
        """Send it; where the session has run out, sign in again and send it once more."""
        async with self._in_flight:
            proof = await self._sign_in.headers()
            answer = await self._send(method, path, effect, query, body, proof)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                # Refused before any work, so even a write may be repeated.
                proof = await self._sign_in.renewed(proof)
                answer = await self._send(method, path, effect, query, body, proof)
            return answer

    async def _send(
        self,
        method: str,
        path: str,
        effect: Effect,
        query: dict[str, str] | None,
        body: bytes | None,
        proof: Headers,
    ) -> httpx.Response:
        headers = {**proof, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return await self._http.request(method, path, params=query, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise failed_request(error, effect) from error


def open_client(connection: Connection, transport: httpx.AsyncBaseTransport | None = None) -> ClarityClient:
    """A client of the connection's site, sign-in included within its share of the connection's requests per minute.

    A test may give a transport of its own.
    """
    if not connection.url:
        raise ConfigurationError(f"connections.{connection.name}.url", "the address of the store's API is missing")
    site = site_of_connection(connection)
    http = httpx.AsyncClient(
        base_url=connection.url,
        timeout=_TIMEOUT,
        # A transport of ours, so that no proxy and no .netrc of the environment decides where orders go.
        transport=paced.transport(connection, transport or Wires(connection.in_flight + 1)),
        trust_env=False,
    )
    strategy = strategy_from(connection.user, connection.password.reveal(), connection.options)
    return ClarityClient(http, strategy, in_flight=connection.in_flight, site=site)


def site_of_connection(connection: Connection) -> Site:
    """The site as its connection describes it; ConfigurationError as `site_of`."""
    return site_of(connection.name, {**connection.options, "time_zone": connection.time_zone}.get)


def _segment(text: str) -> str:
    """A key as one segment of a path.

    Raises:
        RejectedError: it is none: what stands for no folder or another one would ask for something else.
    """
    if text in {"", ".", ".."}:
        raise RejectedError("clarity.no_key", f"no address can hold {text!r}", key=text)
    return quote(text, safe="")
