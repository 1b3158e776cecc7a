"""Which document a captured GP row belongs to, and which order that document came of."""

from collections.abc import Container, Iterable, Mapping

import msgspec

from schemas.systems.captured import Captured
from schemas.systems.dynamics_gp.captured import SalesDocumentRow
from schemas.systems.dynamics_gp.sales_order import ORDER, DocumentId
from schemas.types import RootKey, root_key

HISTORY = frozenset({"SOP30200", "SOP30300"})
TRACKING = "SOP10107"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a document came from, as its header says: the row's own, or one that was looked up."""

    ORIGTYPE: int = 0
    ORIGNUMB: str = ""


def document_of(row: Captured[SalesDocumentRow]) -> DocumentId | None:
    """The document a row belongs to; None for a change that carries no row."""
    found = row.after or row.before
    return None if found is None else DocumentId(SOPTYPE=found.SOPTYPE, SOPNUMBE=found.SOPNUMBE.strip())


def origin_in(row: Captured[SalesDocumentRow]) -> Origin | None:
    """The origin a header row names itself; lines and tracking numbers name none.

    Kept for documents that are gone when we look: a deleted invoice's header still says whose it was.
    """
    found = row.after or row.before
    if found is None or not found.ORIGNUMB.strip():
        return None
    return Origin(ORIGTYPE=found.ORIGTYPE, ORIGNUMB=found.ORIGNUMB.strip())


def tells_nothing(row: Captured[SalesDocumentRow], standing: Container[DocumentId]) -> bool:
    """Is the row gone only because old history was removed?

    Nobody cancels in history: what is deleted there was over long ago, and read again it would look as if it had never
    been. Tracking numbers go with their document; a deletion in work is told by the document's own rows.

    Args:
        row: A change of any captured table.
        standing: Documents that stand in work or history; must be complete for those of deleted tracking numbers.
    """
    if row.op != "d":
        return False
    return row.table in HISTORY or (row.table == TRACKING and document_of(row) not in standing)


def order_of(document: DocumentId, origins: Mapping[DocumentId, Origin]) -> DocumentId | None:
    """The order a document came of, over second stages (order, back order, invoice); None where there is none."""
    seen: set[DocumentId] = set()
    while document.SOPTYPE != ORDER:
        if document in seen:
            return None
        seen.add(document)
        origin = origins.get(document)
        if origin is None or not origin.ORIGNUMB:
            return None
        document = DocumentId(SOPTYPE=origin.ORIGTYPE, SOPNUMBE=origin.ORIGNUMB)
    return document


def key_of_order(connection: str, order: DocumentId, references: Mapping[DocumentId, str]) -> RootKey:
    """Root key: the store order's by our receipt, else the order's own at this connection."""
    reference = references.get(order)
    return RootKey(reference) if reference else root_key(connection, order.SOPNUMBE)


def unknown_origins(documents: Iterable[DocumentId], origins: Mapping[DocumentId, Origin]) -> tuple[DocumentId, ...]:
    """Documents whose origin has to be looked up, each once."""
    return tuple(dict.fromkeys(d for d in documents if d.SOPTYPE != ORDER and d not in origins))
