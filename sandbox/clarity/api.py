"""The store's API as CEF on ServiceStack serves it: session cookies, PascalCase, ResponseStatus, ActionSucceeded."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.clarity import flat_feed, records
from sandbox.clarity.clock import iso_from_ticks, ticks_from_iso
from sandbox.clarity.errors import ApiError, error_body, from_decoding
from sandbox.clarity.sessions import Session, Sessions
from sandbox.clarity.shop import NotThereError, Reply, Shop
from sandbox.clarity.statuses import STEPS, Action
from sandbox.clarity.store import Page, StoredOrder, StoredWrite
from sandbox.clarity.upserts import ProductUpsert, SalesOrderUpsert, ShipmentUpsert, StockUpsert

Body = TypeVar("Body", bound=msgspec.Struct)
Handler = Callable[[Request], Awaitable[Response]]

_LARGEST_PAGE = 500
_LARGEST_BODY = 1024 * 1024
_LARGEST_ID = 2**53
_ORDER_BY = {
    "UpdatedDate": ("updated", "id"),
    "CreatedDate": ("created", "id"),
    "ID": ("id",),
}
_ORDER_PARAMETERS = frozenset(
    {"ModifiedSince", "Page", "PageSize", "SortBy", "AsListing", "StatusKey", "AccountKey", "format"}
)
_LIST_PARAMETERS = frozenset({"ModifiedSince", "Page", "PageSize", "format"})


class Operation(NamedTuple):
    """One route of the API, as /metadata and /openapi tell it."""

    method: str
    path: str
    name: str
    handler: Handler
    open: bool = False


class SignIn(msgspec.Struct, frozen=True, kw_only=True, rename="lower"):
    username: str
    password: str
    rememberme: bool = False


class Api:
    """The routes below the base path, over one shop."""

    def __init__(self, shop: Shop, sessions: Sessions, base_path: str) -> None:
        self._shop = shop
        self._sessions = sessions
        self._base_path = base_path
        self.operations = [
            Operation("POST", "/auth/identity", "Authenticate", self.sign_in, open=True),
            Operation("POST", "/auth/credentials", "Authenticate", self.sign_in, open=True),
            Operation("POST", "/auth", "Authenticate", self.sign_in, open=True),
            Operation("GET", "/auth", "GetAuthentication", self.who),
            Operation("POST", "/auth/logout", "SignOut", self.sign_out),
            Operation("GET", "/metadata", "Metadata", self.metadata, open=True),
            Operation("GET", "/openapi", "OpenApi", self.openapi, open=True),
            Operation("GET", "/Ordering/SalesOrder/ID/{id}", "GetSalesOrderByID", self.order_by_id),
            Operation("GET", "/Ordering/SalesOrder/Key/{key:path}", "GetSalesOrderByKey", self.order_by_key),
            Operation("GET", "/Ordering/SalesOrders", "GetSalesOrders", self.orders),
            Operation("POST", "/Ordering/SalesOrder/Upsert", "UpsertSalesOrder", self.upsert_order),
            *(
                Operation("PATCH", f"/Ordering/SalesOrder/{action}/{{id}}", f"{action}SalesOrder", self._act(action))
                for action in STEPS
            ),
            Operation("POST", "/Shipping/Shipment/Upsert", "UpsertShipment", self.upsert_shipment),
            Operation("GET", "/Shipping/Shipment/Key/{key:path}", "GetShipmentByKey", self.shipment_by_key),
            Operation("GET", "/Catalog/Product/Key/{key:path}", "GetProductByKey", self.product_by_key),
            Operation("GET", "/Catalog/Products", "GetProducts", self.products),
            Operation("POST", "/Catalog/Product/Upsert", "UpsertProduct", self.upsert_product),
            Operation("GET", "/Accounts/Account/Key/{key:path}", "GetAccountByKey", self.account_by_key),
            Operation("GET", "/Accounts/Accounts", "GetAccounts", self.accounts),
            Operation(
                "GET",
                "/Inventory/ProductInventoryLocationSection/Key/{key:path}",
                "GetProductInventoryLocationSectionByKey",
                self.stock_by_key,
            ),
            Operation(
                "GET",
                "/Inventory/ProductInventoryLocationSections",
                "GetProductInventoryLocationSections",
                self.stock,
            ),
            Operation(
                "POST",
                "/Inventory/ProductInventoryLocationSection/Upsert",
                "UpsertProductInventoryLocationSection",
                self.upsert_stock,
            ),
        ]

    def routes(self) -> list[Route]:
        return [
            Route(self._base_path + each.path, self._guarded(each), methods=[each.method]) for each in self.operations
        ]

    def feed_routes(self) -> list[Route]:
        """The project's own flat feed, for a store that is asked to serve it."""
        feed = Operation("GET", "/feed/orders/{id}", "Feed", self.flat_order)
        return [Route(feed.path, self._guarded(feed), methods=[feed.method])]

    def _guarded(self, operation: Operation) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                if not operation.open and self._session(request) is None:
                    raise ApiError(401, "Not authenticated")
                return await operation.handler(request)
            except ApiError as error:
                return _problem(error)
            except msgspec.DecodeError as error:
                return _problem(from_decoding(error))
            except NotThereError as error:
                return _problem(ApiError(404, str(error)))

        return handle

    def _session(self, request: Request) -> Session | None:
        return self._sessions.find(request.cookies)

    # signing in

    async def sign_in(self, request: Request) -> Response:
        members = await _body(request, dict[str, Any])
        # ServiceStack takes these in any case.
        who = msgspec.convert({key.lower(): value for key, value in members.items()}, SignIn)
        session = self._sessions.sign_in(who.username, who.password)
        if session is None:
            raise ApiError(401, "Invalid UserName or Password", code="Unauthorized")
        response = _json({"UserName": session.user, "SessionId": session.temporary, "ResponseStatus": {}})
        longest = 20 * 365 * 24 * 3600
        response.set_cookie("ss-id", session.temporary, httponly=True)
        response.set_cookie("ss-pid", session.permanent, httponly=True, max_age=longest)
        response.set_cookie("ss-opt", "perm" if who.rememberme else "temp", httponly=True, max_age=longest)
        return response

    async def who(self, request: Request) -> Response:
        session = self._session(request)
        return _json({"UserName": session.user if session else None, "ResponseStatus": {}})

    async def sign_out(self, request: Request) -> Response:
        session = self._session(request)
        if session is not None:
            self._sessions.sign_out(session)
        return _json({"ResponseStatus": {}})

    # orders

    async def order_by_id(self, request: Request) -> Response:
        stored = self._shop.store.order(_identifier(request))
        return _record(stored.document if stored else None, "SalesOrder")

    async def order_by_key(self, request: Request) -> Response:
        stored = self._shop.store.order_by_key(request.path_params["key"])
        return _record(stored.document if stored else None, "SalesOrder")

    async def orders(self, request: Request) -> Response:
        asked = _parameters(request, _ORDER_PARAMETERS)
        order_by = _ORDER_BY.get(asked.get("SortBy", "UpdatedDate"))
        if order_by is None:
            raise ApiError(400, f"SortBy is one of {', '.join(_ORDER_BY)}", field="SortBy")
        page = _page(asked)
        found, total = self._shop.store.search_orders(
            _modified_since(asked), asked.get("StatusKey"), asked.get("AccountKey"), order_by, page
        )
        listing = asked.get("AsListing", "").lower() == "true"
        documents = [_listing(order) if listing else order.document for order in found]
        return _paged(documents, page, total)

    async def upsert_order(self, request: Request) -> Response:
        upsert = await _body(request, SalesOrderUpsert)
        return self._wrote(request, upsert.custom_key, self._shop.upsert_order(upsert))

    def _act(self, action: Action) -> Handler:
        async def act(request: Request) -> Response:
            order_id = _identifier(request)
            return self._wrote(request, str(order_id), self._shop.act(order_id, action))

        return act

    # shipments, products, accounts, stock

    async def upsert_shipment(self, request: Request) -> Response:
        upsert = await _body(request, ShipmentUpsert)
        return self._wrote(request, upsert.custom_key, self._shop.upsert_shipment(upsert))

    async def shipment_by_key(self, request: Request) -> Response:
        key = request.path_params["key"]
        order_id = self._shop.store.shipment_order(key)
        parcels = self._shop.order(order_id).shipments if order_id is not None else []
        parcel = next((each for each in parcels if each.custom_key == key), None)
        return _record(records.encode(parcel) if parcel else None, "Shipment")

    async def upsert_product(self, request: Request) -> Response:
        upsert = await _body(request, ProductUpsert)
        return self._wrote(request, upsert.custom_key, self._shop.upsert_product(upsert))

    async def product_by_key(self, request: Request) -> Response:
        return _record(self._shop.store.entity("product", request.path_params["key"]), "Product")

    async def products(self, request: Request) -> Response:
        return self._entities(request, "product")

    async def account_by_key(self, request: Request) -> Response:
        return _record(self._shop.store.entity("account", request.path_params["key"]), "Account")

    async def accounts(self, request: Request) -> Response:
        return self._entities(request, "account")

    def _entities(self, request: Request, kind: str) -> Response:
        asked = _parameters(request, _LIST_PARAMETERS)
        page = _page(asked)
        documents, total = self._shop.store.search_entities(kind, _modified_since(asked), page)
        return _paged(documents, page, total)

    async def stock_by_key(self, request: Request) -> Response:
        stock = self._shop.store.stock(request.path_params["key"])
        document = records.encode(self._shop.stock_section(stock)) if stock else None
        return _record(document, "ProductInventoryLocationSection")

    async def stock(self, request: Request) -> Response:
        asked = _parameters(request, _LIST_PARAMETERS | {"ProductKey"})
        page = _page(asked)
        found, total = self._shop.store.search_stock(asked.get("ProductKey"), _modified_since(asked), page)
        return _paged([records.encode(self._shop.stock_section(each)) for each in found], page, total)

    async def upsert_stock(self, request: Request) -> Response:
        upsert = await _body(request, StockUpsert)
        return self._wrote(request, upsert.custom_key, self._shop.upsert_stock(upsert))

    # the project's own feed

    async def flat_order(self, request: Request) -> Response:
        return _json_bytes(records.encode(flat_feed.flattened(self._shop.order(_identifier(request)))))

    # what the API says of itself

    async def metadata(self, _request: Request) -> Response:
        listed = [
            {
                "Name": each.name,
                "Verb": each.method,
                "Route": _plain_path(each.path),
                "RequiresAuthentication": not each.open,
            }
            for each in self.operations
        ]
        return _json({"Title": "Clarity eCommerce (simulated)", "BasePath": self._base_path, "Operations": listed})

    async def openapi(self, _request: Request) -> Response:
        paths: dict[str, dict[str, Any]] = {}
        for each in self.operations:
            paths.setdefault(_plain_path(each.path), {})[each.method.lower()] = _described(each)
        cookie = {"type": "apiKey", "in": "cookie", "name": "ss-id"}
        return _json(
            {
                "openapi": "3.0.3",
                "info": {"title": "Clarity eCommerce (simulated)", "version": "CEF"},
                "servers": [{"url": self._base_path}],
                "paths": paths,
                "components": {"securitySchemes": {"session": cookie}},
            }
        )

    def _wrote(self, request: Request, key: str, reply: Reply) -> Response:
        """The answer to a write, noted in the log of writes."""
        self._shop.store.add_write(
            StoredWrite(
                id=0,
                at=iso_from_ticks(self._shop.clock.ticks()),
                method=request.method,
                route=request.url.path.removeprefix(self._base_path),
                key=key,
                changed=msgspec.json.encode(reply.changed).decode(),
                succeeded=int(reply.succeeded),
                message=reply.messages[0] if reply.messages else None,
            )
        )
        return _json({"ActionSucceeded": reply.succeeded, "Messages": reply.messages, "Result": reply.result})


async def _body(request: Request, kind: type[Any]) -> Any:
    """The body as the kind asked for.

    Raises:
        ApiError: above 1 MiB.
        msgspec.DecodeError: not as it should be.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _LARGEST_BODY:
            raise ApiError(413, "the body is above 1 MiB")
    try:
        return msgspec.json.decode(raw, type=kind)
    except UnicodeDecodeError as error:
        raise ApiError(400, "the body is not UTF-8", code="SerializationException") from error


def _identifier(request: Request) -> int:
    text = request.path_params["id"]
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > _LARGEST_ID:
        raise ApiError(400, "ID is a whole number", code="FormatException", field="ID")
    return int(text)


def _parameters(request: Request, known: frozenset[str]) -> dict[str, str]:
    asked = dict(request.query_params)
    unknown = next((name for name in asked if name not in known), None)
    if unknown is not None:
        raise ApiError(400, f"unknown parameter {unknown}", code="UnknownField", field=unknown)
    return asked


def _page(asked: dict[str, str]) -> Page:
    number, size = (_whole(asked, name, preset) for name, preset in (("Page", 1), ("PageSize", _LARGEST_PAGE)))
    return Page(number, min(size, _LARGEST_PAGE))


def _whole(asked: dict[str, str], name: str, preset: int) -> int:
    text = asked.get(name, str(preset))
    if not (text.isascii() and text.isdigit()) or not 1 <= len(text) <= 9 or int(text) < 1:
        raise ApiError(400, f"{name} is a whole number from 1", code="FormatException", field=name)
    return int(text)


def _modified_since(asked: dict[str, str]) -> int:
    text = asked.get("ModifiedSince")
    if text is None:
        return 0
    try:
        return ticks_from_iso(text)
    except ValueError as error:
        raise ApiError(400, str(error), code="FormatException", field="ModifiedSince") from error


def _listing(order: StoredOrder) -> bytes:
    return msgspec.json.encode(
        {
            "ID": order.id,
            "CustomKey": order.key,
            "UpdatedDate": iso_from_ticks(order.updated),
            "StatusKey": order.status,
        }
    )


def _paged(documents: list[bytes], page: Page, total: int) -> Response:
    return _json_bytes(
        msgspec.json.encode(
            {
                "Results": [msgspec.Raw(document) for document in documents],
                "CurrentPage": page.number,
                "TotalPages": -(-total // page.size),
                "TotalCount": total,
            }
        )
    )


def _record(document: bytes | None, kind: str) -> Response:
    if document is None:
        raise ApiError(404, f"{kind} not found")
    return _json_bytes(document)


def _json(value: object) -> Response:
    return _json_bytes(records.encode(value))


def _json_bytes(body: bytes) -> Response:
    return Response(body, media_type="application/json; charset=utf-8")


def _problem(error: ApiError) -> Response:
    body = error_body(error.status, error.message, error.code, error.field)
    return Response(body, status_code=error.status, media_type="application/json; charset=utf-8")


def _plain_path(path: str) -> str:
    return path.replace(":path}", "}")


def _described(operation: Operation) -> dict[str, Any]:
    names = [part.strip("{}") for part in _plain_path(operation.path).split("/") if part.startswith("{")]
    return {
        "operationId": f"{operation.name}{operation.path.rpartition('/')[2]}" if operation.open else operation.name,
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names],
        "responses": {
            "200": {"description": "done, or ActionSucceeded false"},
            "401": {"description": "sign in first"},
        },
        "security": [] if operation.open else [{"session": []}],
    }
