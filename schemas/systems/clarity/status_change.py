"""What the bus wants an order of a store to be set to."""

import msgspec


class StatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """The action that leads there, and the status it leads to."""

    #: The order's own id at the store.
    order_id: str
    #: An `OrderState`: what the ERP says.
    wanted: str
    #: Of the store's API.
    action: str
    status_key: str
