"""What each answer of the store, and each way of not getting one, means for the message."""

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal

import httpx
import msgspec
import pytest

from connect.systems.clarity.auth import ClientCredentials, FixedHeader, SessionCookies, strategy_from
from connect.systems.clarity.client import Action, ClarityClient
from errors import (
    BusError,
    ConfigurationError,
    FatalError,
    RefusedError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from schemas.systems.clarity.stock_section import UpsertStockSection
from schemas.systems.clarity.wire import Ticks, ticks_from

Handler = Callable[[httpx.Request], httpx.Response]
JSON = {"content-type": "application/json; charset=utf-8"}
DONE = {"ActionSucceeded": True, "Messages": [], "Result": 1}
STOCK = UpsertStockSection(
    custom_key="A|M", product_key="A", inventory_location_section_key="M", quantity=Decimal("1.50")
)


def client_of(handler: Handler, page_size: int = 500, in_flight: int = 4) -> ClarityClient:
    http = httpx.AsyncClient(base_url="http://store.example/API", transport=httpx.MockTransport(handler))
    return ClarityClient(http, FixedHeader("X-Api-Key", "k"), in_flight=in_flight, page_size=page_size)


def answering(status: int, body: object = None, headers: dict[str, str] | None = None) -> Handler:
    return lambda _: httpx.Response(status, content=msgspec.json.encode(body), headers=JSON | (headers or {}))


def failing(error: type[httpx.RequestError]) -> Handler:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("made up", request=request)

    return fail


async def read(handler: Handler) -> BusError:
    with pytest.raises(BusError) as caught:
        async with client_of(handler) as client:
            await client.order("1001")
    return caught.value


async def write(handler: Handler) -> BusError:
    with pytest.raises(BusError) as caught:
        async with client_of(handler) as client:
            await client.act(Action.SHIP, "1001")
    return caught.value


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_what_never_left_may_be_sent_again(error: type[httpx.RequestError]) -> None:
    assert type(await read(failing(error))) is RetryableError
    assert type(await write(failing(error))) is RetryableError


@pytest.mark.parametrize(
    "error",
    [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError],
)
async def test_a_lost_answer_leaves_a_write_unknown_and_a_read_repeatable(error: type[httpx.RequestError]) -> None:
    assert type(await read(failing(error))) is RetryableError
    assert type(await write(failing(error))) is UnknownOutcomeError


@pytest.mark.parametrize("status", [500, 502, 504, 408])
async def test_a_server_error_leaves_a_write_unknown_and_a_read_repeatable(status: int) -> None:
    assert type(await read(answering(status))) is RetryableError
    assert type(await write(answering(status))) is UnknownOutcomeError


@pytest.mark.parametrize("status", [429, 503])
async def test_a_store_that_asks_to_wait_is_waited_for(status: int) -> None:
    for error in (
        await read(answering(status, headers={"retry-after": "7"})),
        await write(answering(status, headers={"retry-after": "7"})),
    ):
        assert isinstance(error, RetryableError)
        assert error.retry_after_s == 7


async def test_a_date_to_wait_for_counts_from_the_stores_own_clock() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}

    error = await write(answering(503, headers=headers))

    assert isinstance(error, RetryableError)
    assert error.retry_after_s == 30


@pytest.mark.parametrize("asked", ["soon", "-3", "Wed, 21 Oct 2026 07:28:30 GMT", "²"])
async def test_a_wait_nobody_understands_is_none(asked: str) -> None:
    handler = answering(503)

    def with_header(request: httpx.Request) -> httpx.Response:
        answer = handler(request)
        answer.headers = httpx.Headers([*answer.headers.raw, (b"retry-after", asked.encode("latin-1"))])
        return answer

    error = await write(with_header)

    assert isinstance(error, RetryableError)
    assert error.retry_after_s is None


async def test_a_redirect_is_maintenance_and_nothing_was_done() -> None:
    assert type(await write(answering(302, headers={"location": "/maintenance"}))) is RetryableError


@pytest.mark.parametrize("status", [401, 403])
async def test_credentials_nobody_accepts_stop_the_worker(status: int) -> None:
    assert type(await read(answering(status))) is FatalError
    assert type(await write(answering(status))) is FatalError


async def test_a_document_that_is_not_there_is_none_to_a_read_and_refused_to_a_write() -> None:
    async with client_of(answering(404)) as client:
        assert await client.order("1") is None
        assert await client.product_by_key("A/B") is None
    assert (await write(answering(404))).code == "clarity.not_found"


async def test_a_proxys_404_does_not_say_that_the_document_is_gone() -> None:
    assert type(await read(lambda _: httpx.Response(404, html="<h1>nothing</h1>"))) is RetryableError


async def test_a_maintenance_page_with_status_200_is_no_answer() -> None:
    assert type(await read(lambda _: httpx.Response(200, html="<h1>back soon</h1>"))) is RetryableError
    assert type(await write(lambda _: httpx.Response(200, html="<h1>back soon</h1>"))) is UnknownOutcomeError


async def test_an_action_that_did_not_succeed_is_refused_with_the_stores_words() -> None:
    error = await write(answering(200, {"ActionSucceeded": False, "Messages": ["its status is Void", "no"]}))

    assert type(error) is RefusedError
    assert error.facts["reply"] == "its status is Void; no"


async def test_a_refusal_carries_the_stores_reason_without_its_stack_trace() -> None:
    status = {
        "ErrorCode": "ArgumentException",
        "Message": "bad quantity",
        "StackTrace": "at Secret.Internals()",
        "Errors": [{"ErrorCode": "x", "FieldName": "Quantity", "Message": "below zero"}],
    }

    error = await write(answering(400, {"ResponseStatus": status}))

    assert type(error) is RefusedError
    assert error.facts == {"status": 400, "reply": "ArgumentException; bad quantity; Quantity: below zero"}
    assert "Secret" not in str(error)


async def test_writes_are_json_with_exact_numbers_and_keys_are_one_segment() -> None:
    requests: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=DONE if request.method != "GET" else {"CustomKey": "A|M"})

    async with client_of(keep) as client:
        await client.upsert_stock_section(STOCK)
        await client.stock_section_by_key("A/B|M?")

    assert b'"Quantity":1.50' in requests[0].content
    assert requests[0].headers["content-type"] == "application/json"
    assert requests[1].url.raw_path == b"/API/Inventory/ProductInventoryLocationSection/Key/A%2FB%7CM%3F"


class Site:
    """A site with sessions: the ones it knows can be ended."""

    def __init__(self) -> None:
        self.sign_ins = 0
        self.valid: set[str] = set()
        self.accepts = True
        self.highest_in_flight = 0
        self._in_flight = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/auth/credentials"):
            self.sign_ins += 1
            await asyncio.sleep(0)
            if msgspec.json.decode(request.content) != {"UserName": "bus", "Password": "secret"}:
                return httpx.Response(401)
            if self.accepts:
                self.valid = {f"s{self.sign_ins}"}
            return httpx.Response(
                200, headers=[("set-cookie", f"ss-id=s{self.sign_ins}; path=/"), ("set-cookie", "ss-opt=temp")]
            )
        self._in_flight += 1
        self.highest_in_flight = max(self.highest_in_flight, self._in_flight)
        for _ in range(5):
            await asyncio.sleep(0)
        self._in_flight -= 1
        session = dict(part.split("=", 1) for part in request.headers.get("cookie", "=").split("; "))
        if session.get("ss-id") not in self.valid:
            return httpx.Response(401)
        return httpx.Response(200, json={"CustomKey": "A"})

    def client(self, *, password: str, in_flight: int = 20) -> ClarityClient:
        http = httpx.AsyncClient(base_url="http://store.example", transport=httpx.MockTransport(self))
        return ClarityClient(http, SessionCookies("credentials", "bus", password), in_flight=in_flight)


async def test_a_session_is_opened_once_and_renewed_once_for_all() -> None:
    site = Site()
    async with site.client(password="secret") as client:
        await asyncio.gather(*(client.product_by_key("A") for _ in range(20)))
        site.valid.clear()

        await asyncio.gather(*(client.product_by_key("A") for _ in range(20)))

    assert site.sign_ins == 2


async def test_a_session_refused_after_renewal_stops_the_worker() -> None:
    site = Site()
    site.accepts = False
    async with site.client(password="secret") as client:
        with pytest.raises(FatalError, match="credentials"):
            await client.product_by_key("A")

    assert site.sign_ins == 2


async def test_a_wrong_password_stops_the_worker() -> None:
    async with Site().client(password="wrong") as client:
        with pytest.raises(FatalError, match="credentials"):
            await client.product_by_key("A")


async def test_a_write_whose_sign_in_got_lost_was_surely_not_done() -> None:
    http = httpx.AsyncClient(base_url="http://store.example", transport=httpx.MockTransport(failing(httpx.ReadTimeout)))
    async with ClarityClient(http, SessionCookies("credentials", "bus", "secret"), in_flight=1) as client:
        with pytest.raises(RetryableError, match="sign in"):
            await client.act(Action.SHIP, "1")


async def test_not_more_calls_than_allowed_are_in_flight() -> None:
    site = Site()
    async with site.client(password="secret", in_flight=3) as client:
        await asyncio.gather(*(client.product_by_key("A") for _ in range(12)))

    assert site.highest_in_flight == 3


async def test_client_credentials_are_exchanged_for_a_bearer_token() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t", "token_type": "Bearer"})
        assert request.headers["authorization"] == "Bearer t"
        return httpx.Response(200, json={"CustomKey": "A"})

    http = httpx.AsyncClient(base_url="http://store.example", transport=httpx.MockTransport(handler))
    async with ClarityClient(http, ClientCredentials("/token", "id", "secret"), in_flight=1) as client:
        assert await client.product_by_key("A") is not None


def test_the_strategy_is_named_in_the_options() -> None:
    assert isinstance(strategy_from("u", "p", {}), SessionCookies)
    assert isinstance(strategy_from("u", "p", {"auth": "bearer"}), FixedHeader)
    assert isinstance(strategy_from("u", "p", {"auth": "api-key", "api_key_header": "X"}), FixedHeader)
    assert isinstance(strategy_from("u", "p", {"auth": "oauth", "token_url": "http://t"}), ClientCredentials)
    for options in ({"auth": "oauth"}, {"auth": "prayer"}):
        with pytest.raises(ConfigurationError, match="options"):
            strategy_from("u", "p", options)


class Search:
    """A store with orders that change while they are listed."""

    def __init__(self, orders: dict[int, int], largest_page: int = 500) -> None:
        self.orders = orders
        self.largest_page = largest_page
        self.requests = 0
        self.meanwhile: Iterator[Callable[[], None]] = iter(())

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        asked = request.url.params
        since, page = ticks_from(asked["ModifiedSince"]), int(asked["Page"])
        size = min(int(asked["PageSize"]), self.largest_page)
        fitting = sorted((ticks, number) for number, ticks in self.orders.items() if ticks >= since)
        part = fitting[(page - 1) * size : page * size]
        next(self.meanwhile, lambda: None)()
        return httpx.Response(
            200,
            json={
                "Results": [{"ID": number, "UpdatedDate": Ticks(ticks).text} for ticks, number in part],
                "TotalCount": len(fitting),
            },
        )


async def listed(search: Search, since: int = 0, page_size: int = 3) -> list[int]:
    async with client_of(search, page_size) as client:
        return [order.id async for order in client.orders_modified_since(Ticks(since))]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7, 20])
async def test_every_order_is_listed_oldest_change_first(count: int) -> None:
    search = Search({number: number * 10 for number in range(1, count + 1)})

    assert await listed(search) == list(range(1, count + 1))


async def test_orders_changed_at_one_moment_are_all_listed() -> None:
    search = Search({number: 50 if number <= 10 else 60 for number in range(1, 15)})

    assert sorted(await listed(search)) == list(range(1, 15))


async def test_a_site_with_smaller_pages_than_asked_for_lists_all() -> None:
    search = Search({number: number for number in range(1, 12)}, largest_page=2)

    assert await listed(search, page_size=500) == list(range(1, 12))


async def test_an_order_that_moves_while_it_is_listed_hides_no_other() -> None:
    search = Search({number: number * 10 for number in range(1, 8)})
    search.meanwhile = iter([lambda: search.orders.update({1: 1000}), lambda: search.orders.update({2: 1001})])

    assert set(await listed(search)) == set(range(1, 8))


async def test_one_page_takes_one_request() -> None:
    search = Search({1: 10, 2: 20})

    await listed(search)

    assert search.requests == 1


class Stuck:
    """A store that does not search as asked."""

    def __init__(self, *pages: list[int]) -> None:
        self.pages = pages
        self.requests = 0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        page = self.pages[min(self.requests, len(self.pages) - 1)]
        self.requests += 1
        results = [{"ID": ticks, "UpdatedDate": Ticks(ticks).text} for ticks in page]
        return httpx.Response(200, json={"Results": results, "TotalCount": 100})


@pytest.mark.parametrize(
    "pages", [([10, 20], [20, 20]), ([10, 10], [10, 10]), ([10, 20], [5, 10]), ([30, 20],)], ids=str
)
async def test_a_store_that_does_not_search_as_asked_is_left_alone(pages: tuple[list[int], ...]) -> None:
    stuck = Stuck(*pages)

    async with client_of(stuck, page_size=2) as client, asyncio.timeout(5):
        with pytest.raises(RetryableError) as caught:
            _ = [order async for order in client.orders_modified_since(Ticks(10))]

    assert caught.value.code == "clarity.search"
    assert stuck.requests <= 3


@pytest.mark.parametrize("key", [".", "..", ""])
async def test_a_key_that_is_no_segment_is_asked_nobody_for(key: str) -> None:
    def never(_: httpx.Request) -> httpx.Response:
        raise AssertionError

    async with client_of(never) as client:
        with pytest.raises(RejectedError):
            await client.order(key)
        with pytest.raises(RejectedError):
            await client.act(Action.SHIP, key)
