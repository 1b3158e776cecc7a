"""Our own row in the company database, beside the document it proves."""

import msgspec


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Proof, in the company database, that an operation was carried out."""

    reference: str
    operation: str
    document_type: int
    document_number: str
    digest: str
    record: str = ""
