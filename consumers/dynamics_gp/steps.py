"""Which operation brings a GP document to what the order wants, told from the receipts in the company database."""

from enum import StrEnum

import msgspec

from delivery.ports import Settlement
from delivery.states import State
from errors import TooLateError
from schemas.systems.dynamics_gp.receipt import Receipt
from schemas.systems.dynamics_gp.sop_document import SopDocument

CANCEL = "cancel"
CREATE = "create"


class Step(StrEnum):
    """What is done to the document."""

    CREATE = "create"
    UPDATE = "update"
    CANCEL = "cancel"


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One step on one document, as it is stored before it is sent."""

    step: Step
    #: Name of the effect beside its reference, unique for ever: `create`, `update:<version>:<steps before>`, `cancel`.
    operation: str
    reference: str
    number: str
    digest: str
    document: SopDocument


def anew(reference: str, document: SopDocument, digest: str, receipts: tuple[Receipt, ...]) -> Work:
    """Create a document again that is gone from the company, under a name of its own beside the receipts there are."""
    operation = f"{CREATE}:{len(receipts)}"
    return Work(step=Step.CREATE, operation=operation, reference=reference, number="", digest=digest, document=document)


def next_step(
    reference: str, source_version: int, document: SopDocument, digest: str, receipts: tuple[Receipt, ...]
) -> Work | Settlement:
    """What to do, or why nothing.

    An update is named by the order's version and by how many steps went before, not by its content: an order changed
    to and fro needs every step, and so does one written anew because the mapping or a lookup was mended.
    """
    if not receipts:
        if document.cancelled:
            return Settlement(state=State.FILTERED, code="cancelled_before_creation")
        return Work(
            step=Step.CREATE, operation=CREATE, reference=reference, number="", digest=digest, document=document
        )
    last = receipts[-1]
    number = last.document_number
    if last.operation == CANCEL:
        if document.cancelled:
            return Settlement(state=State.SUPPRESSED, code="equal", document_number=number)
        raise TooLateError("gp.already_void", "the order was cancelled and its document is void", document=number)
    if document.cancelled:
        return Work(
            step=Step.CANCEL, operation=CANCEL, reference=reference, number=number, digest=digest, document=document
        )
    if last.digest == digest:
        return Settlement(state=State.SUPPRESSED, code="equal", document_number=number)
    operation = f"update:{source_version}:{len(receipts)}"
    return Work(
        step=Step.UPDATE, operation=operation, reference=reference, number=number, digest=digest, document=document
    )
