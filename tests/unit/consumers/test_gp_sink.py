"""What the order sink makes of a company that behaves as no sandbox does."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec
import pytest

from consumers.dynamics_gp.sink import SalesOrderSink
from consumers.dynamics_gp.steps import Step, Work
from consumers.routes import SALES_ORDER
from delivery.ports import Intent, Reference, Settlement
from errors import RefusedError
from mapping.port import Lookups
from schemas.systems.dynamics_gp.receipt import Receipt
from tests.unit.consumers.test_gp_sales_order import LOOKUPS, NOW, order

DOCUMENT = SALES_ORDER(order(), LOOKUPS, NOW)
CUSTOMER, MAIL = "taUpdateCreateCustomerRcd", "taCreateInternetAddresses"


class Company:
    """A transaction in a company that refuses some procedures, and may undo or make things behind our back."""

    def __init__(self, *refused: str, knows_then: bool = False, undoes: bool = False) -> None:
        self.called: list[str] = []
        self.committed = False
        self._refused = refused
        self._knows = iter((False, knows_then))
        self._undoes = undoes
        self._receipts: list[Receipt] = []

    def add_receipt(self, receipt: Receipt) -> None:
        self._receipts.append(receipt)

    def receipts_of(self, _reference: str) -> tuple[Receipt, ...]:
        return () if self._undoes else tuple(self._receipts)

    def knows_customer(self, _number: str) -> bool:
        return next(self._knows)

    def call(self, procedure: str, _parameters: Mapping[str, object]) -> None:
        self.called.append(procedure)
        if procedure in self._refused:
            raise RefusedError("gp.1", "no")

    def written(self, _document: object, _reference: str, _operation: str) -> tuple[Decimal, bool]:
        return DOCUMENT.DOCAMNT, not self._undoes

    def commit(self) -> None:
        self.committed = True


async def deliver(company: Company) -> Settlement:
    class Client:
        async def in_transaction(self, work: Callable[[Any], Any], within_s: float) -> Any:
            assert within_s > 0
            return work(company)

    work = Work(step=Step.CREATE, reference="shop:1", operation="create", number="ORD1", digest="d", document=DOCUMENT)
    intent = Intent(
        reference=Reference(record="order", business="shop:1", operation="create"), body=msgspec.json.encode(work)
    )
    sink = SalesOrderSink(cast("Any", Client()), cast("Any", None), SALES_ORDER, Lookups({}), lambda: NOW, 15.0)
    return await sink.deliver(intent)


async def test_customer_another_order_made_meanwhile_is_taken() -> None:
    company = Company(CUSTOMER, knows_then=True)

    settled = await deliver(company)

    assert (settled.code, company.committed, MAIL in company.called) == ("created", True, False)


async def test_customer_nobody_made_is_refused() -> None:
    company = Company(CUSTOMER)

    with pytest.raises(RefusedError):
        await deliver(company)
    assert not company.committed


async def test_refused_mail_of_a_new_customer_is_not_overlooked() -> None:
    company = Company(MAIL, knows_then=True)

    with pytest.raises(RefusedError):
        await deliver(company)
    assert not company.committed


async def test_nothing_is_committed_without_its_receipt() -> None:
    company = Company(undoes=True)

    with pytest.raises(RefusedError) as refused:
        await deliver(company)
    assert (refused.value.code, company.committed) == ("gp.rolled_back", False)
