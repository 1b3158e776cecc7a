"""The control API: people at GP's windows, faults, and a look inside; meant for the machine it runs on."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
import psycopg
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.dynamics_gp import documents
from sandbox.dynamics_gp.autopilot import Autopilot
from sandbox.dynamics_gp.company import Company
from sandbox.dynamics_gp.errors import ControlError, from_database, from_decoding
from sandbox.dynamics_gp.proxy import Proxy, ProxyFaults
from sandbox.dynamics_gp.requests import (
    AllocationRequest,
    AutopilotRequest,
    BlockRequest,
    CancelLineRequest,
    ClockRequest,
    CustomerRequest,
    DocumentRequest,
    EditLockRequest,
    FaultsRequest,
    FulfilRequest,
    InvoiceRequest,
    PriceRequest,
    ProxyRequest,
    ShipRequest,
    StockRequest,
    TrackRequest,
    TransferRequest,
)
from sandbox.dynamics_gp.tables import procedures

Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")

_LARGEST_LIST = 5000
_LARGEST_BODY = 1 << 20


class ControlRoute(NamedTuple):
    method: str
    path: str
    does: str
    handler: Handler


class Control:
    """The routes below /control."""

    def __init__(self, company: Company, proxy: Proxy) -> None:
        self._company = company
        self._proxy = proxy
        self.autopilot = Autopilot(company)
        self._procedures = {procedure.name for procedure in procedures()}
        self.table = [
            ControlRoute("GET", "/control", "this list", self.list_routes),
            ControlRoute("GET", "/control/health", "does the database answer", self.health),
            ControlRoute("POST", "/control/reset", "all documents gone, master data as seeded", self.reset),
            ControlRoute("GET", "/control/clock", "the company's clock", self.clock),
            ControlRoute("PUT", "/control/clock", "shift it: offset_s or now", self.set_clock),
            ControlRoute("GET", "/control/faults", "the faults in force, with what is left of them", self.faults),
            ControlRoute("PUT", "/control/faults", "these faults and no others", self.set_faults),
            ControlRoute("DELETE", "/control/faults", "no faults", self.clear_faults),
            ControlRoute("GET", "/control/documents", "?type=&number=&reference=&since=&limit=", self.find_documents),
            ControlRoute("GET", "/control/documents/{type}/{number:path}", "one document", self.document),
            ControlRoute("GET", "/control/stock", "items at sites; ?item=", self.stock),
            ControlRoute("GET", "/control/customers/{number:path}", "one customer", self.customer),
            ControlRoute("GET", "/control/receivables", "open receivables; ?customer=", self.receivables),
            ControlRoute("PUT", "/control/document-ids/{type}/{id}", "how orders are allocated", self.allocate_by),
            ControlRoute("POST", "/control/user/allocate", "allocate a document", self.allocate),
            ControlRoute("POST", "/control/user/fulfil", "confirm what is picked", self.fulfil),
            ControlRoute("POST", "/control/user/track", "enter tracking numbers", self.track),
            ControlRoute("POST", "/control/user/transfer", "order to invoice", self.transfer),
            ControlRoute("POST", "/control/user/post", "post an invoice", self.post),
            ControlRoute("POST", "/control/user/ship", "all five in one go", self.ship),
            ControlRoute("POST", "/control/user/void", "void a document", self.void),
            ControlRoute("POST", "/control/user/delete", "delete a document", self.delete),
            ControlRoute("POST", "/control/user/cancel-line", "cancel a quantity of an order", self.cancel_line),
            ControlRoute("POST", "/control/user/edit-lock", "have a document open, or close it", self.edit_lock),
            ControlRoute("POST", "/control/user/stock", "count or adjust stock", self.change_stock),
            ControlRoute("POST", "/control/user/price", "change a list price", self.change_price),
            ControlRoute("POST", "/control/user/block-customer", "hold or release", self.block_customer),
            ControlRoute("POST", "/control/user/customer", "create a customer", self.create_customer),
            ControlRoute("POST", "/control/user/autopilot", "a user who works by himself", self.start_autopilot),
            ControlRoute("GET", "/control/user/autopilot", "what he has done", self.see_autopilot),
            ControlRoute("DELETE", "/control/user/autopilot", "send him home", self.stop_autopilot),
        ]

    def routes(self) -> list[Route]:
        return [Route(each.path, _guarded(each.handler), methods=[each.method]) for each in self.table]

    async def list_routes(self, _request: Request) -> Response:
        return _json([{"method": each.method, "path": each.path, "does": each.does} for each in self.table])

    async def health(self, _request: Request) -> Response:
        now, _ = await self._company.now()
        rows = await self._company.query('SELECT count(*) AS work FROM "SOP10100"')
        return _json({"status": "up", "now": _iso(now), "documents_in_work": rows[0]["work"], **self._proxy_state()})

    async def reset(self, _request: Request) -> Response:
        await self.autopilot.stop()
        await self._proxy.apply(ProxyFaults())
        await self._company.reset()
        return _json({"status": "reset"})

    async def clock(self, _request: Request) -> Response:
        now, ahead = await self._company.now()
        return _json({"offset_s": ahead, "now": _iso(now)})

    async def set_clock(self, request: Request) -> Response:
        asked = await _body(request, ClockRequest)
        offset_s = asked.offset_s
        if offset_s is None:
            offset_s = (_moment(asked.now or "", "now") - datetime.now(UTC)).total_seconds()
        await self._company.set_clock(offset_s)
        return await self.clock(request)

    async def faults(self, _request: Request) -> Response:
        return _json({"procedures": await self._company.faults(), **self._proxy_state()})

    async def set_faults(self, request: Request) -> Response:
        asked = await _body(request, FaultsRequest)
        for fault in asked.procedures:
            if fault.procedure not in self._procedures:
                raise ControlError(400, f"no procedure {fault.procedure}", "procedures")
        await self._company.set_faults(asked.procedures)
        await self._set_proxy(asked.proxy)
        return await self.faults(request)

    async def clear_faults(self, request: Request) -> Response:
        await self._company.set_faults([])
        await self._set_proxy(ProxyRequest())
        return await self.faults(request)

    async def find_documents(self, request: Request) -> Response:
        asked = request.query_params
        since = asked.get("since")
        found = await documents.find_documents(
            self._company,
            kind=_number(asked["type"], "type", 1, 6) if "type" in asked else None,
            number=asked.get("number"),
            reference=asked.get("reference"),
            since=_moment(since, "since").replace(tzinfo=None) if since else None,
            limit=_number(asked.get("limit", "500"), "limit", 1, _LARGEST_LIST),
        )
        return _json(found)

    async def document(self, request: Request) -> Response:
        kind = _number(request.path_params["type"], "type", 1, 6)
        return _json(await self._document(kind, request.path_params["number"]))

    async def stock(self, request: Request) -> Response:
        return _json({"stock": await documents.stock(self._company, request.query_params.get("item"))})

    async def customer(self, request: Request) -> Response:
        number = request.path_params["number"]
        found = await documents.customer(self._company, number)
        if found is None:
            raise ControlError(404, f"no customer {number}", "number")
        return _json(found)

    async def receivables(self, request: Request) -> Response:
        number = request.query_params.get("customer")
        return _json({"receivables": await documents.receivables(self._company, number)})

    async def allocate_by(self, request: Request) -> Response:
        asked = await _body(request, AllocationRequest)
        kind = _number(request.path_params["type"], "type", 1, 6)
        await self._company.allocate_by(kind, request.path_params["id"], asked)
        return _json({"type": kind, "id": request.path_params["id"], "allocate_by": asked.allocate_by})

    async def allocate(self, request: Request) -> Response:
        asked = await _body(request, DocumentRequest)
        short = await self._company.allocate(asked.type, asked.number)
        return _json({"short": format(short, "f"), **await self._document(asked.type, asked.number)})

    async def fulfil(self, request: Request) -> Response:
        asked = await _body(request, FulfilRequest)
        await self._company.fulfil(asked)
        return _json(await self._document(asked.type, asked.number))

    async def track(self, request: Request) -> Response:
        asked = await _body(request, TrackRequest)
        await self._company.track(asked.type, asked.number, asked.tracking)
        return _json(await self._document(asked.type, asked.number))

    async def transfer(self, request: Request) -> Response:
        asked = await _body(request, TransferRequest)
        invoice = await self._company.transfer(asked, asked.tracking)
        return _json(await self._shipment(asked.number, invoice))

    async def post(self, request: Request) -> Response:
        asked = await _body(request, InvoiceRequest)
        await self._company.post(asked.number)
        return _json(await self._document(3, asked.number))

    async def ship(self, request: Request) -> Response:
        asked = await _body(request, ShipRequest)
        invoice = await self._company.ship(asked)
        return _json(await self._shipment(asked.number, invoice))

    async def void(self, request: Request) -> Response:
        asked = await _body(request, DocumentRequest)
        await self._company.void(asked.type, asked.number)
        return _json(await self._document(asked.type, asked.number))

    async def delete(self, request: Request) -> Response:
        asked = await _body(request, DocumentRequest)
        await self._company.delete(asked.type, asked.number)
        return _json({"type": asked.type, "number": asked.number, "state": "deleted"})

    async def cancel_line(self, request: Request) -> Response:
        asked = await _body(request, CancelLineRequest)
        await self._company.cancel_line(asked.number, asked.item, asked.quantity)
        return _json(await self._document(2, asked.number))

    async def edit_lock(self, request: Request) -> Response:
        asked = await _body(request, EditLockRequest)
        await self._company.edit_lock(asked.type, asked.number, locked=asked.locked)
        return _json({"type": asked.type, "number": asked.number, "locked": asked.locked})

    async def change_stock(self, request: Request) -> Response:
        asked = await _body(request, StockRequest)
        await self._company.stock(asked)
        return _json({"stock": await documents.stock(self._company, asked.item)})

    async def change_price(self, request: Request) -> Response:
        asked = await _body(request, PriceRequest)
        await self._company.price(asked)
        return _json({"item": asked.item, "price": format(asked.price, "f")})

    async def block_customer(self, request: Request) -> Response:
        asked = await _body(request, BlockRequest)
        await self._company.block_customer(asked.number, hold=asked.hold)
        return _json({"number": asked.number, "hold": asked.hold})

    async def create_customer(self, request: Request) -> Response:
        asked = await _body(request, CustomerRequest)
        await self._company.create_customer(asked)
        return _json(await documents.customer(self._company, asked.number))

    async def start_autopilot(self, request: Request) -> Response:
        await self.autopilot.start(await _body(request, AutopilotRequest))
        return _json(self.autopilot.state())

    async def see_autopilot(self, _request: Request) -> Response:
        return _json(self.autopilot.state())

    async def stop_autopilot(self, _request: Request) -> Response:
        await self.autopilot.stop()
        return _json(self.autopilot.state())

    async def _set_proxy(self, asked: ProxyRequest) -> None:
        given = msgspec.structs.asdict(asked)
        drop = given.pop("drop_now")
        try:
            await self._proxy.apply(ProxyFaults(**given))
        except OSError as error:
            raise ControlError(503, "the proxy's port is taken") from error
        if drop:
            self._proxy.drop()

    def _proxy_state(self) -> dict[str, Any]:
        return {"proxy": {**msgspec.to_builtins(self._proxy.faults), "connections": self._proxy.connections}}

    async def _document(self, kind: int, number: str) -> dict[str, Any]:
        found = await documents.find_documents(
            self._company, kind=kind, number=number, reference=None, since=None, limit=1
        )
        if not found["documents"]:
            raise ControlError(404, f"no document {number} of type {kind}", "number")
        document: dict[str, Any] = found["documents"][0]
        return document

    async def _shipment(self, order: str, invoice: str) -> dict[str, Any]:
        return {
            "order": await self._document(2, order),
            "invoice_number": invoice,
            "invoice": await self._document(3, invoice),
        }


def _guarded(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ControlError as error:
            return _refusal(error)
        except psycopg.Error as error:
            refusal = from_database(error)
            if refusal is None:
                raise
            return _refusal(refusal)

    return answer


async def _body(request: Request, kind: type[T]) -> T:
    text = await request.body()
    if len(text) > _LARGEST_BODY:
        raise ControlError(400, "the body is larger than 1 MB")
    try:
        # JSON numbers keep their digits: 0.10 is not a binary fraction here
        return msgspec.json.decode(text or b"{}", type=kind, strict=True)
    except msgspec.DecodeError as error:
        raise from_decoding(error) from error
    except UnicodeDecodeError as error:
        raise ControlError(400, "the body is not UTF-8") from error


def _refusal(error: ControlError) -> Response:
    return Response(error.body, status_code=error.status, media_type="application/json")


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _number(text: str, field: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text[:18]) <= most:
        raise ControlError(400, f"{field} is a number from {least} to {most}", field)
    return int(text)


def _moment(text: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ControlError(400, f"{field} is not an ISO 8601 moment", field) from error


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"
