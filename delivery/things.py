"""Names of things rows wait for and others bring: `item:SKU-77`, `order:clarity-main:1001`; pure.

A name is the record and its id, at the level both sides can name it: our root key where there is one, else the
target's own number in the one form the target compares it in.
"""

from collections.abc import Mapping

#: Records that hang on another one's root key: they are known by the document they belong to.
_DOCUMENT_OF: Mapping[str, str] = dict.fromkeys(
    ("order_status", "sales_order", "shipment", "payment", "invoice", "return"), "order"
)


def thing(record: str, id_: str) -> str:
    """Name of a record, by its id."""
    # ids from outside may hold the one character PostgreSQL has no room for
    return f"{record}:{id_.strip()}".replace("\0", "\N{REPLACEMENT CHARACTER}")


def document_of(record: str, root_key: str) -> str:
    """Name of the document a row's root key stands for: the order of an order, a status or a shipment."""
    return thing(_DOCUMENT_OF.get(record, record), root_key)
