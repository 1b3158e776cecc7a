"""What the control API is asked: the orders a customer places and edits, and the settings of the sandbox.

Bodies are snake_case and closed: an unknown member is refused, so that a misspelt fault never silently does nothing.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=300)]
LongText = Annotated[str, msgspec.Meta(max_length=4000)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]
HttpStatus = Annotated[int, msgspec.Meta(ge=200, le=599)]

#: What happens to the webhook of the change that is asked for.
WebhookChoice = Literal["send", "skip", "twice"]
#: Whom an order made up by the sandbox comes from.
CustomerChoice = Literal["known", "new", "guest", "any"]

_MOST = Decimal(10) ** 9
_FINEST = 6


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body of the control API."""


class AddressRequest(Request, frozen=True, kw_only=True):
    """As in the shared catalogue."""

    name: Text = ""
    company: Text | None = None
    street1: Text = ""
    street2: Text | None = None
    street3: Text | None = None
    city: Text = ""
    region: Text | None = None
    postal_code: Text = ""
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] = "US"
    phone: Text | None = None


class GuestRequest(Request, frozen=True, kw_only=True):
    first_name: Text = ""
    last_name: Text
    email: Text = ""
    phone: Text | None = None
    billing: AddressRequest
    #: left out: the order ships to the billing address
    shipping: AddressRequest | None = None


class LineRequest(Request, frozen=True, kw_only=True):
    sku: Key
    quantity: Decimal = Decimal(1)
    #: left out: the catalogue's price
    unit_price: Decimal | None = None
    #: taken off the whole line
    discount: Decimal = Decimal(0)
    #: only for what the catalogue does not have
    name: Text | None = None

    def __post_init__(self) -> None:
        check_amounts(quantity=self.quantity, unit_price=self.unit_price, discount=self.discount)
        if self.quantity <= 0:
            raise ValueError("quantity must be above zero")


class OrderRequest(Request, frozen=True, kw_only=True):
    """One order; without lines, whatever is left out is made up from the catalogue, the same way for the same seed."""

    account_key: Key | None = None
    guest: GuestRequest | None = None
    customers: CustomerChoice = "known"
    lines: Annotated[list[LineRequest], msgspec.Meta(min_length=1, max_length=500)] | None = None
    shipping: Decimal | None = None
    handling: Decimal | None = None
    fees: Decimal | None = None
    #: taken off the whole order, after tax
    discount: Decimal | None = None
    tax_rate: Decimal | None = None
    currency: Currency = "USD"
    shipping_address: AddressRequest | None = None
    purchase_order_number: Text | None = None
    note: LongText | None = None
    custom: dict[Key, LongText] | None = None
    allow_unknown_sku: bool = False
    #: sells what is neither there nor may be back-ordered
    ignore_stock: bool = False
    webhook: WebhookChoice = "send"
    seed: int | None = None

    def __post_init__(self) -> None:
        check_amounts(shipping=self.shipping, handling=self.handling, fees=self.fees, discount=self.discount)
        if self.tax_rate is not None and not (self.tax_rate.is_finite() and 0 <= self.tax_rate <= 1):
            raise ValueError("tax_rate is a fraction between 0 and 1")
        if self.account_key is not None and self.guest is not None:
            raise ValueError("account_key and guest exclude each other")


class EditRequest(Request, frozen=True, kw_only=True):
    """What a customer changes in an order already placed; at least one member."""

    lines: Annotated[list[LineRequest], msgspec.Meta(min_length=1, max_length=500)] | None = None
    #: 0 takes the line out
    set_quantity: dict[Key, Decimal] | None = None
    shipping_address: AddressRequest | None = None
    note: LongText | None = None
    allow_unknown_sku: bool = False
    ignore_stock: bool = False
    webhook: WebhookChoice = "send"

    def __post_init__(self) -> None:
        check_amounts(**(self.set_quantity or {}))
        if self.lines is None and not self.set_quantity and self.shipping_address is None and self.note is None:
            raise ValueError("give lines, set_quantity, shipping_address or note")
        if self.lines is not None and self.set_quantity:
            raise ValueError("lines and set_quantity exclude each other")


class CancelRequest(Request, frozen=True, kw_only=True):
    webhook: WebhookChoice = "send"


class ProductEditRequest(Request, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300)] | None = None
    description: LongText | None = None
    price: Decimal | None = None
    active: bool | None = None
    webhook: WebhookChoice = "send"

    def __post_init__(self) -> None:
        check_amounts(price=self.price)


class CustomerEditRequest(Request, frozen=True, kw_only=True):
    email: Text | None = None
    phone: Text | None = None
    billing: AddressRequest | None = None
    webhook: WebhookChoice = "send"


class ClockRequest(Request, frozen=True, kw_only=True):
    """One of the two; neither, or null, sets the clock right again."""

    offset_s: Annotated[float, msgspec.Meta(ge=-3.2e9, le=3.2e9)] | None = None
    now: Text | None = None


class TrafficRequest(Request, frozen=True, kw_only=True):
    orders: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    per_second: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 5.0
    customers: CustomerChoice = "known"
    seed: int | None = None


class TargetRequest(Request, frozen=True, kw_only=True):
    """Where webhooks go; null ends them."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://", max_length=2000)] | None
    secret: Text | None = None


class ForgeRequest(Request, frozen=True, kw_only=True):
    """A hostile webhook, sent at once."""

    kind: Literal["bad_signature", "broken_json", "stale", "replay", "unsigned"]
    type: Key = "order.updated"
    order_id: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 1001
    #: for a replay: which sent webhook; left out: the last one
    webhook_id: Text | None = None
    #: how old a stale one claims to be
    age_s: Annotated[int, msgspec.Meta(ge=0, le=10**8)] = 3600


class FailNext(Request, frozen=True, kw_only=True):
    """The next requests that fit are answered with this status."""

    method: Annotated[str, msgspec.Meta(pattern="^[A-Za-z*]{1,10}$")] = "*"
    path_contains: Text = ""
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    times: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    #: after: the request is carried out and only then answered so
    when: Literal["before", "after"] = "before"
    retry_after_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None


class WebhookFaults(Request, frozen=True, kw_only=True):
    drop_next: Count = 0
    drop_rate: Rate = 0.0
    duplicate_next: Count = 0
    delay_ms: Milliseconds = 0
    reorder: bool = False
    #: false: nothing is sent, everything waits
    enabled: bool = True


class Faults(Request, frozen=True, kw_only=True):
    """What goes wrong on purpose; the counts go down as they are used up."""

    latency_ms: Milliseconds = 0
    error_rate: Rate = 0.0
    error_status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    #: null: no limit
    rate_limit_per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    lost_answers: Count = 0
    lost_requests: Count = 0
    fail_next: list[FailNext] = []
    webhooks: WebhookFaults = WebhookFaults()


def check_amounts(**amounts: Decimal | None) -> None:
    """Refuse what is no sensible amount or quantity.

    Raises:
        ValueError: not finite, negative, above a thousand million, or finer than a millionth.
    """
    for name, amount in _given(amounts):
        exponent = amount.as_tuple().exponent
        if not isinstance(exponent, int) or not 0 <= amount <= _MOST or exponent < -_FINEST:
            raise ValueError(f"{name} must be between 0 and {_MOST} with at most {_FINEST} decimals")


def _given(amounts: dict[str, Decimal | None]) -> Iterable[tuple[str, Decimal]]:
    return ((name, amount) for name, amount in amounts.items() if amount is not None)
