"""The control API: the sandbox's own interface to play customers, to look inside, and to make things go wrong.

No sign-in; it is meant for the machine it runs on.  README.md tells every route with an example.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clarity import book, records
from sandbox.clarity.clock import TICKS_PER_SECOND, StoreClock, iso_from_ticks, ticks_from_iso
from sandbox.clarity.faults import FaultBoard
from sandbox.clarity.orders import OrderRefusedError
from sandbox.clarity.requests import (
    CancelRequest,
    ClockRequest,
    CustomerEditRequest,
    EditRequest,
    Faults,
    ForgeRequest,
    OrderRequest,
    ProductEditRequest,
    TargetRequest,
    TrafficRequest,
)
from sandbox.clarity.sessions import Sessions
from sandbox.clarity.shop import FIRST_ORDER_ID, NotThereError, Shop, TooLateError
from sandbox.clarity.store import StoredWebhook
from sandbox.clarity.traffic import Traffic
from sandbox.clarity.webhooks import Outbox, Sender

Handler = Callable[[Request], Awaitable[Response]]

_LARGEST_LIST = 5000
_LARGEST_NUMBER = 2**53


class ControlError(Exception):
    """What the control API refuses, with the status it answers."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ControlRoute(NamedTuple):
    method: str
    path: str
    does: str
    handler: Handler


class Parts(NamedTuple):
    """What the control API has its hands on."""

    shop: Shop
    clock: StoreClock
    board: FaultBoard
    sessions: Sessions
    outbox: Outbox
    sender: Sender
    traffic: Traffic


class Control:
    """The routes below /control."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._shop = parts.shop
        self.table = [
            ControlRoute("GET", "/control", "this list", self.routes_list),
            ControlRoute("GET", "/control/health", "is it up, and how many orders and webhooks", self.health),
            ControlRoute("POST", "/control/reset", "back to the catalogue, no orders; ?keep_ids=true", self.reset),
            ControlRoute("GET", "/control/clock", "the store's clock", self.clock),
            ControlRoute("PUT", "/control/clock", "shift it: offset_s or now", self.set_clock),
            ControlRoute("GET", "/control/faults", "the faults in force, counts as they are left", self.faults),
            ControlRoute("PUT", "/control/faults", "set the faults, all of them", self.set_faults),
            ControlRoute("DELETE", "/control/faults", "no faults", self.clear_faults),
            ControlRoute("POST", "/control/orders", "a customer places an order", self.place),
            ControlRoute("GET", "/control/orders", "the order book; ?since_id=&limit=", self.orders),
            ControlRoute("GET", "/control/orders/{id}", "one order", self.order),
            ControlRoute("POST", "/control/orders/{id}/edit", "a customer changes an order", self.edit),
            ControlRoute("POST", "/control/orders/{id}/cancel", "a customer cancels", self.cancel),
            ControlRoute("GET", "/control/stock", "stock by SKU and section", self.stock),
            ControlRoute("POST", "/control/products/{key:path}/edit", "the store edits a product", self.edit_product),
            ControlRoute(
                "POST", "/control/customers/{key:path}/edit", "a customer edits the account", self.edit_customer
            ),
            ControlRoute("GET", "/control/webhooks", "every webhook; ?since=&limit=&state=&order_id=", self.webhooks),
            ControlRoute("GET", "/control/webhooks/target", "where webhooks go", self.target),
            ControlRoute("PUT", "/control/webhooks/target", "send them to url, signed with secret", self.set_target),
            ControlRoute("POST", "/control/webhooks/forge", "send a hostile webhook", self.forge),
            ControlRoute("POST", "/control/webhooks/{id}/resend", "send one again, same webhook-id", self.resend),
            ControlRoute("GET", "/control/writes", "what API clients wrote; ?since_id=&limit=", self.writes),
            ControlRoute("GET", "/control/emails", "e-mails to customers; ?order_id=", self.emails),
            ControlRoute("POST", "/control/sessions/expire", "end every API session", self.expire_sessions),
            ControlRoute("POST", "/control/traffic", "orders at a steady rate", self.start_traffic),
            ControlRoute("GET", "/control/traffic", "how far it is", self.traffic),
            ControlRoute("DELETE", "/control/traffic", "end it", self.stop_traffic),
        ]

    def routes(self) -> list[Route]:
        return [Route(each.path, _guarded(each.handler), methods=[each.method]) for each in self.table]

    async def routes_list(self, _request: Request) -> Response:
        return _json([{"method": each.method, "path": each.path, "does": each.does} for each in self.table])

    async def health(self, _request: Request) -> Response:
        return _json(
            {
                "status": "up",
                "now": iso_from_ticks(self._parts.clock.ticks()),
                "orders": self._shop.store.order_count(),
                "webhooks": self._shop.store.webhook_counts(),
                "webhook_target": self._parts.outbox.target() is not None,
                "webhook_refusal": self._parts.outbox.refusal(),
            }
        )

    async def reset(self, request: Request) -> Response:
        keep_ids = request.query_params.get("keep_ids", "").lower() == "true"
        await self._parts.traffic.stop()
        self._shop.reset(None if keep_ids else FIRST_ORDER_ID)
        return _json({"orders": 0, "keep_ids": keep_ids})

    async def clock(self, _request: Request) -> Response:
        clock = self._parts.clock
        return _json({"offset_s": clock.offset_s, "now": iso_from_ticks(clock.ticks())})

    async def set_clock(self, request: Request) -> Response:
        asked = await _body(request, ClockRequest)
        offset_s = asked.offset_s or 0.0
        if asked.now is not None:
            offset_s = (_ticks(asked.now) - StoreClock().ticks()) / TICKS_PER_SECOND
        self._parts.clock.offset_s = offset_s
        self._shop.store.set_setting("clock offset", str(offset_s))
        return await self.clock(request)

    async def faults(self, _request: Request) -> Response:
        return _json(self._parts.board.faults)

    async def set_faults(self, request: Request) -> Response:
        self._parts.board.set(await _body(request, Faults))
        self._parts.outbox.on_news()
        return _json(self._parts.board.faults)

    async def clear_faults(self, _request: Request) -> Response:
        self._parts.board.set(Faults())
        self._parts.outbox.on_news()
        return _json(self._parts.board.faults)

    async def place(self, request: Request) -> Response:
        order = self._shop.place(await _body(request, OrderRequest))
        return _json(self._entry(order), 201)

    async def edit(self, request: Request) -> Response:
        order_id = _identifier(request)
        return _json(self._entry(self._shop.edit(order_id, await _body(request, EditRequest))))

    async def cancel(self, request: Request) -> Response:
        order_id = _identifier(request)
        asked = await _body(request, CancelRequest)
        return _json(self._entry(self._shop.cancel(order_id, asked.webhook)))

    async def order(self, request: Request) -> Response:
        return _json(self._entry(self._shop.order(_identifier(request))))

    async def orders(self, request: Request) -> Response:
        """The book without each order's API form."""
        since, limit = _number(request, "since_id", 0), _number(request, "limit", 500)
        emails = self._shop.store.email_counts(None)
        found = self._shop.store.orders_after(since, min(limit, _LARGEST_LIST))
        entries = [book.entry(_decoded(each.document), emails.get(each.id, {})) for each in found]
        last = entries[-1].id if entries else since
        return _json({"orders": entries, "next_since_id": last, "total": self._shop.store.order_count()})

    def _entry(self, order: records.SalesOrder) -> dict[str, Any]:
        """The book's entry, with the order as the API answers it under `order`."""
        emails = self._shop.store.email_counts(order.id).get(order.id, {})
        return {**msgspec.structs.asdict(book.entry(order, emails)), "order": order}

    async def stock(self, _request: Request) -> Response:
        listed = [
            {"sku": each.sku, "section": each.section, "quantity": each.quantity, "allocated": each.allocated}
            for each in self._shop.store.all_stock()
        ]
        return _json({"stock": listed})

    async def edit_product(self, request: Request) -> Response:
        return _json(self._shop.edit_product(request.path_params["key"], await _body(request, ProductEditRequest)))

    async def edit_customer(self, request: Request) -> Response:
        return _json(self._shop.edit_customer(request.path_params["key"], await _body(request, CustomerEditRequest)))

    async def webhooks(self, request: Request) -> Response:
        since, limit = _number(request, "since", 0), _number(request, "limit", 500)
        order_id = _number(request, "order_id", 0) or None
        state = request.query_params.get("state")
        found = self._shop.store.search_webhooks(since, min(limit, _LARGEST_LIST), state, order_id)
        return _json(
            {
                "webhooks": [_webhook(each) for each in found],
                "next_since": found[-1].number if found else since,
                "counts": self._shop.store.webhook_counts(),
            }
        )

    async def target(self, _request: Request) -> Response:
        target = self._parts.outbox.target()
        return _json(
            {
                "url": target.url if target else None,
                "secret": target.secret if target else None,
                "refusal": self._parts.outbox.refusal(),
            }
        )

    async def set_target(self, request: Request) -> Response:
        asked = await _body(request, TargetRequest)
        try:
            self._parts.outbox.set_target(asked.url, asked.secret)
        except ValueError as error:
            raise ControlError(400, str(error)) from error
        return await self.target(request)

    async def resend(self, request: Request) -> Response:
        webhook = self._parts.outbox.resend(request.path_params["id"])
        if webhook is None:
            raise ControlError(404, "no such webhook")
        return _json(_webhook(webhook), 202)

    async def forge(self, request: Request) -> Response:
        asked = await _body(request, ForgeRequest)
        target = self._parts.outbox.target()
        if target is None:
            raise ControlError(409, "no webhook target is set")
        try:
            return _json(await self._parts.sender.forge(asked, target))
        except LookupError as error:
            raise ControlError(409, str(error)) from error

    async def writes(self, request: Request) -> Response:
        since, limit = _number(request, "since_id", 0), _number(request, "limit", 500)
        found = self._shop.store.writes_after(since, min(limit, _LARGEST_LIST))
        listed = [
            each._asdict() | {"changed": msgspec.json.decode(each.changed), "succeeded": bool(each.succeeded)}
            for each in found
        ]
        emails = {str(order): counts for order, counts in self._shop.store.email_counts(None).items()}
        return _json({"writes": listed, "next_since_id": found[-1].id if found else since, "emails_by_order": emails})

    async def emails(self, request: Request) -> Response:
        order_id = _number(request, "order_id", 0) or None
        return _json({"emails": [each._asdict() for each in self._shop.store.emails(order_id, _LARGEST_LIST)]})

    async def expire_sessions(self, _request: Request) -> Response:
        return _json({"expired": self._parts.sessions.expire_all()})

    async def start_traffic(self, request: Request) -> Response:
        return _json(await self._parts.traffic.start(await _body(request, TrafficRequest)), 202)

    async def traffic(self, _request: Request) -> Response:
        return _json(self._parts.traffic.state)

    async def stop_traffic(self, _request: Request) -> Response:
        return _json(await self._parts.traffic.stop())


def _guarded(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except ControlError as error:
            return _json({"error": str(error)}, error.status)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _json({"error": str(error)}, 400)
        except NotThereError as error:
            return _json({"error": str(error)}, 404)
        except TooLateError as error:
            return _json({"error": str(error)}, 409)
        except OrderRefusedError as error:
            return _json({"error": str(error)}, 422)

    return handle


def _webhook(webhook: StoredWebhook) -> dict[str, Any]:
    return {
        "number": webhook.number,
        "id": webhook.id,
        "type": webhook.type,
        "subject_id": webhook.subject,
        "subject_key": webhook.key,
        "order_id": webhook.subject if webhook.type.startswith("order.") else None,
        "state": webhook.state,
        "attempts": webhook.attempts,
        "copies_left": webhook.copies if webhook.state == "pending" else 0,
        "last_status": webhook.last_status,
        "last_error": webhook.last_error,
        "at": webhook.created,
        "settled_at": webhook.settled,
    }


_ORDER = msgspec.json.Decoder(records.SalesOrder)


def _decoded(document: bytes) -> records.SalesOrder:
    return _ORDER.decode(document)


async def _body(request: Request, kind: type[Any]) -> Any:
    """The body as the kind asked for; no body is an empty one."""
    return msgspec.json.decode(await request.body() or b"{}", type=kind)


def _identifier(request: Request) -> int:
    return _whole(request.path_params["id"], "the order's id")


def _number(request: Request, name: str, preset: int) -> int:
    text = request.query_params.get(name)
    return preset if text is None else _whole(text, name)


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > _LARGEST_NUMBER:
        raise ControlError(400, f"{name} is a whole number")
    return int(text)


def _ticks(text: str) -> int:
    try:
        return ticks_from_iso(text)
    except ValueError as error:
        raise ControlError(400, str(error)) from error


def _json(value: object, status: int = 200) -> Response:
    return Response(records.encode(value), status_code=status, media_type="application/json")
