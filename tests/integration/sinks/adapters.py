"""Every sink's adapter; a contract test holds this against `consumers/routes.py`."""

from tests.integration.sinks.adapter import Adapter
from tests.integration.sinks.clarity_inventory_level import InventoryLevels
from tests.integration.sinks.clarity_order_status import OrderStatuses
from tests.integration.sinks.clarity_shipment import Shipments
from tests.integration.sinks.gp_sales_order import SalesOrders

ADAPTERS: tuple[type[Adapter], ...] = (SalesOrders, OrderStatuses, Shipments, InventoryLevels)
