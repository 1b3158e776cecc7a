"""The few scalar types all records share, with the Avro shape each one has on a topic."""

from decimal import Decimal
from typing import Annotated, NewType

import msgspec

#: An amount of money or a quantity: Avro decimal(19,5) for good, as wide as the ERPs keep theirs.
Amount = Annotated[Decimal, msgspec.Meta(extra={"precision": 19, "scale": 5})]
#: An exchange rate or a factor between units: Avro decimal(28,10) for good.
Rate = Annotated[Decimal, msgspec.Meta(extra={"precision": 28, "scale": 10})]

#: `<owning connection>:<id of the root document there>`; the unit of order, parking and leasing.
RootKey = NewType("RootKey", str)
#: The root key, or `<root key>/<own id>` where several records of one kind hang on it.
MessageKey = NewType("MessageKey", str)
#: An event on the bus: `<topic id>/<partition>/<offset>`.
Root = NewType("Root", str)


def root_key(connection: str, document_id: str) -> RootKey:
    """Key of everything that hangs on one document; `/` in ids is written `%2F` so that own ids can follow."""
    return RootKey(f"{connection}:{document_id.strip().replace('/', '%2F')}")


def message_key(root: RootKey, own_id: str) -> MessageKey:
    """Key of a record of which several hang on one root, so that compaction keeps them all."""
    return MessageKey(f"{root}/{own_id.strip().replace('/', '%2F')}")


def root_of(key: str) -> RootKey:
    """The part of a message key that decides its partition and its order."""
    return RootKey(key.split("/", 1)[0])


def id_of(root: RootKey) -> str:
    """The document's own id at its owning connection."""
    return root.split(":", 1)[1].replace("%2F", "/")


def connection_of(root: RootKey) -> str:
    """The connection that owns the document."""
    return root.split(":", 1)[0]


def root_at(topic_id: str, partition: int, offset: int) -> Root:
    """Identity of an event: the topic's UUID, so that a recreated topic never repeats one."""
    return Root(f"{topic_id}/{partition}/{offset}")
