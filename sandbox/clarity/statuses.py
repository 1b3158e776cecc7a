"""The order statuses and what each action may do; for the API's action routes and the control API.  Pure."""

from typing import Literal, NamedTuple

Action = Literal[
    "Confirm", "Pending", "Hold", "Backorder", "CapturePayment", "CreatePickTicket", "DropShip", "Ship",
    "ReadyForPickup", "Complete", "Void",
]  # fmt: skip


class Status(NamedTuple):
    id: int
    #: StatusKey and StatusName are the same text
    key: str
    #: StateKey: WORK while something can still happen, HISTORY at the end
    state: str


class Step(NamedTuple):
    """What an action does: the status it leads to and the statuses it may start from."""

    status: str
    allowed_from: frozenset[str]
    #: the e-mail the customer gets, again at every repeat
    email: str | None


STATUSES = {
    key: Status(number, key, state)
    for number, (key, state) in enumerate(
        [
            ("Pending", "WORK"),
            ("Confirmed", "WORK"),
            ("On Hold", "WORK"),
            ("Backordered", "WORK"),
            ("Partial Payment Received", "WORK"),
            ("Full Payment Received", "WORK"),
            ("Processing", "WORK"),
            ("Shipped from Vendor", "WORK"),
            ("Shipped", "WORK"),
            ("Ready For Pickup", "WORK"),
            ("Completed", "HISTORY"),
            ("Void", "HISTORY"),
        ],
        start=1,
    )
}

_OPEN = frozenset(STATUSES) - {"Shipped", "Completed", "Void"}

STEPS: dict[Action, Step] = {
    "Confirm": Step("Confirmed", _OPEN, "confirmed"),
    "Pending": Step("Pending", _OPEN, None),
    "Hold": Step("On Hold", _OPEN, None),
    "Backorder": Step("Backordered", _OPEN, "backordered"),
    "CapturePayment": Step("Full Payment Received", _OPEN, "receipt"),
    "CreatePickTicket": Step("Processing", _OPEN, None),
    "DropShip": Step("Shipped from Vendor", _OPEN, None),
    "Ship": Step("Shipped", _OPEN | {"Shipped"}, "shipped"),
    "ReadyForPickup": Step("Ready For Pickup", _OPEN, "ready for pickup"),
    "Complete": Step("Completed", _OPEN | {"Shipped", "Completed"}, "completed"),
    "Void": Step("Void", _OPEN | {"Void"}, "cancelled"),
}

#: A customer may change or cancel an order only while it is one of these.
EDITABLE = _OPEN - {"Shipped from Vendor"}
