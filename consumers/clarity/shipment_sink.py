"""Shipments into a Clarity store: the shipment under the ERP's number, and its tracking numbers on the order."""

import msgspec

from connect.systems.clarity.client import ClarityClient
from consumers.clarity.as_ordered import named_as_ordered
from consumers.clarity.rules import shipment_stands, tracking_of_order, tracking_without
from consumers.documents import Documents
from delivery.ports import Absent, CannotTell, Decoder, Finding, Found, Intent, Reference, Requests, Row, Settlement
from delivery.states import Repeats, State
from delivery.things import thing
from errors import DependencyError, RejectedError, RetryableError
from schemas.canonical.shipment import Shipment
from schemas.systems.clarity import wire
from schemas.systems.clarity.order import ClarityOrder
from schemas.systems.clarity.shipment import ClarityShipment, UpsertShipment
from schemas.types import RootKey, id_of


class WriteShipment(msgspec.Struct, frozen=True, kw_only=True):
    """What will be written, absolute in both places."""

    order_id: str
    #: The order's CustomKey, by which it is written to.
    order_key: str
    #: The shipment as it goes over the wire.
    shipment: bytes
    #: The order's tracking field.
    tracking_number: str
    #: What it is while the shipment is the old one; None in what was written down before this was kept.
    tracking_before: str | None = None

    @property
    def wanted(self) -> UpsertShipment:
        """The shipment, decoded."""
        return wire.decode(self.shipment, UpsertShipment)


class ShipmentSink:
    """Writes a shipment and the order's tracking field where they differ."""

    repeats = Repeats.REPEATABLE
    #: Order and shipment; tracking field and shipment.
    requests = Requests(look=2, write=2)

    def __init__(self, client: ClarityClient, decoder: Decoder[Shipment], documents: Documents) -> None:
        self._client = client
        self._documents = documents
        self._decoder = decoder

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Read what stands and choose what to write, if anything.

        Raises:
            DependencyError: the store does not show the order: what it reads from may lag.
        """
        shipment = self._decoder.decode(row.payload)
        order_id = id_of(RootKey(shipment.order_id))
        order = await self._client.order(order_id)
        if order is None:
            raise DependencyError(thing("order", shipment.order_id), f"the store has no order {order_id}")
        ordered = [(item.sku or item.product_key, item.ordered_quantity) for item in order.sales_items]
        shipment = named_as_ordered(shipment, ordered)
        document, stamped = self._documents.of(shipment)
        standing = await self._client.shipment_by_key(document.custom_key)
        tracked = _tracked(shipment, document)
        work = WriteShipment(
            order_id=order_id,
            order_key=order.custom_key,
            shipment=wire.encode(document),
            tracking_number=tracking_of_order(order.tracking_number, standing, tracked),
            tracking_before=tracking_without(order.tracking_number, standing, tracked),
        )
        if _stands(work, order, standing):
            number = document.custom_key
            return Settlement(state=State.SUPPRESSED, code="equal", document_number=number, mapping=stamped)
        return Intent(
            reference=Reference(record="shipment", business=shipment.id, operation=f"write:{shipment.source_version}"),
            body=msgspec.msgpack.encode(work),
            document_number=document.custom_key,
            mapping=stamped,
            creates=standing is None,
        )

    async def deliver(self, intent: Intent) -> Settlement:
        """Write both. The shipment comes last: as long as it is the old one, it tells which numbers have to go."""
        work = msgspec.msgpack.decode(intent.body, type=WriteShipment)
        await self._client.set_tracking(work.order_key, work.tracking_number)
        try:
            await self._client.upsert_shipment(work.wanted)
        except RejectedError:
            # The customer must not see the number of a shipment that is not there; if this fails, both are done again.
            if work.tracking_before is not None:
                await self._client.set_tracking(work.order_key, work.tracking_before)
            raise
        return _settlement(work)

    async def find(self, intent: Intent) -> Finding:
        """The shipment and the order's field tell."""
        work = msgspec.msgpack.decode(intent.body, type=WriteShipment)
        try:
            order = await self._client.order(work.order_id)
            standing = await self._client.shipment_by_key(work.wanted.custom_key)
        except RetryableError as error:
            return CannotTell(reason=error.code)
        return Found(settlement=_settlement(work)) if _stands(work, order, standing) else Absent()


def _tracked(shipment: Shipment, document: UpsertShipment) -> Shipment:
    """With the document's tracking numbers, which a deployment's own mapping may write otherwise."""
    numbers = tuple(filter(None, map(str.strip, document.tracking_number.split(","))))
    return msgspec.structs.replace(
        shipment, tracking_numbers=numbers or shipment.tracking_numbers, voided=shipment.voided or not numbers
    )


def _stands(work: WriteShipment, order: ClarityOrder | None, standing: ClarityShipment | None) -> bool:
    tracked = order is not None and order.tracking_number == work.tracking_number
    return tracked and shipment_stands(standing, work.wanted)


def _settlement(work: WriteShipment) -> Settlement:
    number = work.wanted.custom_key
    return Settlement(
        state=State.DELIVERED,
        code="shipment_written",
        values={"order": work.order_id, "shipment": number},
        document_number=number,
    )
