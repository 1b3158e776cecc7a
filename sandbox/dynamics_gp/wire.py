"""What of PostgreSQL's protocol the proxy must understand: where messages end, and which of them commit."""

from collections.abc import Iterator

import msgspec

#: first packet of a client: asks for encryption, or to cancel a query elsewhere
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
#: What PostgreSQL's processes tell their clients in an immediate shutdown.
_CRASH_FIELDS = b"SWARNING\0VWARNING\0C57P02\0Mterminating connection because of crash of another server process\0\0"
CRASH_WARNING = b"N" + (len(_CRASH_FIELDS) + 4).to_bytes(4) + _CRASH_FIELDS
#: a message larger than this is no message; something else speaks on this port
LARGEST_MESSAGE = 1 << 30


#: Messages somebody looks into: queries, what is prepared and bound, ends of commands.
READ = frozenset({b"Q", b"P", b"B", b"C"})


class Message(msgspec.Struct, frozen=True):
    """One message: its type byte, and the body without type and length where it is one of `READ`."""

    kind: bytes
    body: bytes


class ProtocolError(Exception):
    """These bytes are no PostgreSQL protocol."""


class Messages:
    """Splits a stream into whole messages; what is not whole yet waits."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[tuple[Message, bytes]]:
        """Each message with its bytes as they came.

        Raises:
            ProtocolError: a length that cannot be.
        """
        here, start = self._waiting + data, 0
        while len(here) - start >= 5:
            length = int.from_bytes(here[start + 1 : start + 5])
            if not 4 <= length <= LARGEST_MESSAGE:
                raise ProtocolError(f"a message of {length} bytes")
            end = start + length + 1
            if len(here) < end:
                break
            kind = here[start : start + 1]
            yield Message(kind, here[start + 5 : end] if kind in READ else b""), here[start:end]
            start = end
        self._waiting = here[start:]


class Conversation:
    """What one client has said in its transaction so far: has it run the text a fault waits for?"""

    def __init__(self) -> None:
        self._prepared: dict[bytes, bytes] = {}
        self._said: list[bytes] = []

    def said(self, message: Message) -> None:
        """Take note of a client's message."""
        if message.kind == b"Q":
            self._said.append(message.body)
        elif message.kind == b"P":
            name, _, rest = message.body.partition(b"\0")
            self._prepared[name] = rest.partition(b"\0")[0]
        elif message.kind == b"B":
            name = message.body.partition(b"\0")[2].partition(b"\0")[0]
            self._said.append(self._prepared.get(name, b""))

    def has_run(self, text: str) -> bool:
        """Has a statement with this text run in the transaction? The empty text always has."""
        wanted = text.encode()
        return not wanted or any(wanted in statement for statement in self._said)

    def transaction_ended(self) -> None:
        self._said.clear()


def asks_to_commit(message: Message) -> bool:
    """A client's COMMIT as a simple query, which is how ODBC and psycopg send it."""
    return message.kind == b"Q" and message.body.rstrip(b"\0").strip(b" ;\r\n\t").upper() == b"COMMIT"


def ends_transaction(message: Message) -> bool:
    """A server's word that a transaction is over."""
    return message.kind == b"C" and message.body.rstrip(b"\0") in {b"COMMIT", b"ROLLBACK"}


def says_committed(message: Message) -> bool:
    """A server's word that a transaction stands."""
    return message.kind == b"C" and message.body.rstrip(b"\0") == b"COMMIT"
