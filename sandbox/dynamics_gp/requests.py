"""What the control API is asked; bodies are closed, so that a misspelt member never silently does nothing."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from sandbox.dynamics_gp.proxy import ProxyFaults

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(max_length=300)]
DocumentType = Annotated[int, msgspec.Meta(ge=1, le=6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=200)]
Tracking = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]

_MOST = Decimal(10) ** 9


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body of the control API."""


class DocumentRequest(Request, frozen=True, kw_only=True):
    number: Key
    type: DocumentType = 2


class InvoiceRequest(Request, frozen=True, kw_only=True):
    number: Key


class FulfilRequest(DocumentRequest, frozen=True, kw_only=True):
    #: item -> quantity; left out: what is allocated
    lines: dict[Key, Decimal] | None = None
    shortage: Literal["stop", "override"] = "stop"

    def __post_init__(self) -> None:
        _check_quantities(self.lines)


class TrackRequest(DocumentRequest, frozen=True, kw_only=True):
    tracking: Annotated[list[Tracking], msgspec.Meta(min_length=1, max_length=100)]


class TransferRequest(Request, frozen=True, kw_only=True):
    number: Key
    lines: dict[Key, Decimal] | None = None
    tracking: Annotated[list[Tracking], msgspec.Meta(max_length=100)] = []
    #: what becomes of the rest of the order
    back_order: Literal["keep", "cancel"] = "keep"

    def __post_init__(self) -> None:
        _check_quantities(self.lines)


class ShipRequest(TransferRequest, frozen=True, kw_only=True):
    shortage: Literal["stop", "override"] = "stop"


class CancelLineRequest(Request, frozen=True, kw_only=True):
    number: Key
    item: Key
    quantity: Decimal

    def __post_init__(self) -> None:
        _check_quantities({self.item: self.quantity})


class EditLockRequest(DocumentRequest, frozen=True, kw_only=True):
    locked: bool


class StockRequest(Request, frozen=True, kw_only=True):
    item: Key
    site: Key = "MAIN"
    #: one of the two
    on_hand: Decimal | None = None
    delta: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.on_hand is None) == (self.delta is None):
            raise ValueError("give one of on_hand and delta")
        _check_amount(self.on_hand if self.on_hand is not None else self.delta)


class PriceRequest(Request, frozen=True, kw_only=True):
    item: Key
    price: Decimal

    def __post_init__(self) -> None:
        _check_amount(self.price)
        if self.price < 0:
            raise ValueError("price must not be below zero")


class BlockRequest(Request, frozen=True, kw_only=True):
    number: Key
    hold: bool


class CustomerRequest(Request, frozen=True, kw_only=True):
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=15)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    contact: Text = ""
    street1: Text = ""
    street2: Text = ""
    street3: Text = ""
    city: Text = ""
    region: Text = ""
    postal_code: Text = ""
    country: Text = ""
    phone: Text = ""
    email: Text = ""


class AllocationRequest(Request, frozen=True, kw_only=True):
    allocate_by: Literal["line", "document", "none"]


class AutopilotRequest(Request, frozen=True, kw_only=True):
    #: of new orders: shipped whole, shipped in two parts, voided; the rest is left lying
    ship_share: Share = 0.7
    partial_share: Share = 0.2
    cancel_share: Share = 0.1
    #: orders looked at
    per_second: Rate = 2.0
    stock_changes_per_second: Rate = 0.0
    document_id: Key = "WEB"
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.ship_share + self.partial_share + self.cancel_share > 1.000001:
            raise ValueError("the shares add up to more than one")


class ClockRequest(Request, frozen=True, kw_only=True):
    offset_s: Annotated[float, msgspec.Meta(ge=-3e9, le=3e9)] | None = None
    now: str | None = None

    def __post_init__(self) -> None:
        if (self.offset_s is None) == (self.now is None):
            raise ValueError("give one of offset_s and now")


class ProcedureFault(Request, frozen=True, kw_only=True):
    procedure: Key
    kind: Literal["error", "wait", "deadlock", "serialization", "terminate"]
    #: the error number to report, or the milliseconds to wait
    value: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    times: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1

    def __post_init__(self) -> None:
        if self.kind in {"error", "wait"} and self.value == 0:
            raise ValueError(f"kind {self.kind} needs a value")


class ProxyRequest(ProxyFaults, kw_only=True, forbid_unknown_fields=True):
    #: cut what is connected now
    drop_now: bool = False


class FaultsRequest(Request, frozen=True, kw_only=True):
    procedures: Annotated[list[ProcedureFault], msgspec.Meta(max_length=100)] = []
    proxy: ProxyRequest = msgspec.field(default_factory=ProxyRequest)


def _check_quantities(lines: dict[str, Decimal] | None) -> None:
    if lines is not None and not lines:
        raise ValueError("lines names no item")
    for quantity in (lines or {}).values():
        _check_amount(quantity)
        if quantity <= 0:
            raise ValueError("a quantity must be above zero")


def _check_amount(amount: Decimal | None) -> None:
    if amount is None:
        return
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -5 or abs(amount) > _MOST:
        raise ValueError("an amount has at most five decimals and is below a billion")
