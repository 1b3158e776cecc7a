"""The five bytes before every Avro body on a topic: a zero and the id of the schema it was written with."""

from errors import DecodeError

MAGIC = b"\0"
HEADER = 5


def with_id(schema_id: int) -> bytes:
    """The first bytes of a record written with that schema."""
    return MAGIC + schema_id.to_bytes(4, "big")


def id_of(data: bytes | None) -> int:
    """Id of the writer's schema.

    Raises:
        DecodeError: these are not Avro bytes of the bus.
    """
    if data is None or len(data) < HEADER or data[:1] != MAGIC:
        raise DecodeError("not in the wire format of the schema registry: no zero byte and schema id in front")
    return int.from_bytes(data[1:HEADER], "big")
