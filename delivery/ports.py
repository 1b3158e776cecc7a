"""What the delivery engine asks of a target, and what take-in hands to the store."""

from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from connect.identity import Known, Seen, Verdict
from delivery.states import Kind, ParkedFor, Repeats, State
from errors import FatalError
from schemas.bus.fetched import Fetched

T_co = TypeVar("T_co", covariant=True)

ZERO = Decimal(0)


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way into the store, as take-in read it from its topic."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    root: str
    root_key: str
    message_key: str
    #: What it is, in the words of the route: `order`, `shipment`, `inventory_level`.
    record: str
    kind: Kind
    #: End state of an open older row of the same message key and record that this one makes needless.
    #: Superseded by full state, merged into a thin change; None: documents wait their turn.
    replaces_with: State | None
    source_version: int
    #: Avro value as it lay on the topic.
    payload: bytes
    payload_digest: str
    mapping_in: str = ""
    origin: str = ""
    hops: int = 0
    traceparent: str = ""
    command_id: str = ""
    #: The replay that takes it once more: its command's id; empty: live.
    replay: str = ""
    amount: Decimal = ZERO
    currency: str = ""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of one effect at a target: with the connection, the idempotency key. Never an event id."""

    record: str
    #: The business document, as both sides can name it: the order's root key.
    business: str
    #: What is done to it: `create`, `update:<source version>:<number>`, `cancel`.
    operation: str

    def __str__(self) -> str:
        return f"{self.record}|{self.business}|{self.operation}"


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What will be sent, decided and stored before it is."""

    reference: Reference
    #: The target document in the sink's own encoding.
    body: bytes
    #: The target's number or key where it was taken beforehand.
    document_number: str = ""
    #: `id@version+digest` of the mapping that made the body.
    mapping: str = ""
    #: The call is only started if it can end within this time of the lease, which is made longer where it must be: so
    #: long are the keys held of a worker that dies in it.
    timeout_s: float = 15.0
    #: Nothing of it is there yet; for whoever tells what a try would come to.
    creates: bool = False
    #: How the other end's own documents will read once it is done, for whoever reads one before we settle.
    leaves: tuple["LastSeen", ...] = ()


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An event at work in a connection's store; the row is the event."""

    id: int
    queue: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    root: str
    root_key: str
    message_key: str
    record: str
    kind: Kind
    source_version: int
    state: State
    cause: ParkedFor | None
    #: Why the last try did not end it; empty before the first.
    code: str = ""
    attempts: int
    #: When it is to be tried next; None: it waits for a person.
    due: datetime | None
    lease_owner: str | None
    #: Of the lease of its key: what the owner may write, and nobody else.
    epoch: int
    #: The intent stored before sending, while the outcome is not known.
    intent: Intent | None
    reference: str | None
    document_number: str | None
    payload: bytes
    payload_digest: str
    mapping_in: str
    #: Mapping of the last intent.
    mapping_out: str
    command_id: str
    origin: str
    hops: int
    traceparent: str
    amount: Decimal
    currency: str
    taken_in_at: datetime
    #: The replay it is part of: its command's id; empty: live.
    replay: str = ""
    #: What it waits for, by name (`things.py`): the missing thing, or the document whose reading tells what became of
    #: what was sent.
    waits_for: str = ""
    #: Looks at the target that told nothing about what was sent.
    asked: int = 0
    #: So long the target may still be at work on what was sent: that it has it not, is not believed before.
    settles_in_s: float = 0.0
    #: It may have been sent by a store that was lost: it is looked for before it is sent.
    doubt: bool = False


class LastSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The last known content of a record at a connection, whoever made it, in that system's normal form."""

    record: str
    key: str
    digest: str
    source_version: int = 0


class KnownAs(msgspec.Struct, frozen=True, kw_only=True):
    """A cross reference to announce: the canonical record is known at the connection under this id."""

    canonical_id: str
    record: str
    id_there: str


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A record to put on a topic once the settle is committed; what a fetcher brings home."""

    topic: str
    #: Root key of the document, which is the message key.
    key: str
    document: Fetched
    #: Digest of the body: with root and route it makes the event id, so that two reads are two.
    body_digest: str


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How a row ended at the target: a code with values, and what to remember and to announce."""

    #: delivered, suppressed, superseded, merged or filtered.
    state: State
    #: Sentence catalogue code: `created`, `updated`, `equal`, `echo`.
    code: str
    values: dict[str, str] = {}
    document_number: str = ""
    last_seen: tuple[LastSeen, ...] = ()
    known_as: tuple[KnownAs, ...] = ()
    publications: tuple[Publication, ...] = ()
    #: Things that are surely there now, by name (`things.py`): whoever waits for one is woken. What is `known_as`
    #: something is one by itself.
    brings: tuple[str, ...] = ()
    mapping: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The effect is there; the settlement is what `deliver` would have answered."""

    settlement: Settlement


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """The effect surely is not there and will not appear any more: it may be sent."""


class Several(msgspec.Struct, frozen=True, kw_only=True):
    """The effect is there more than once; a person must look."""

    documents: tuple[str, ...]


class CannotTell(msgspec.Struct, frozen=True, kw_only=True):
    """The target could not be asked; ask again later."""

    reason: str


Finding = Found | Absent | Several | CannotTell


class Decoder(Protocol[T_co]):
    """Turns a row's payload into the record its topic carries."""

    def decode(self, data: bytes) -> T_co:
        """The record; DecodeError where it is none."""


class Memory(Protocol):
    """What a sink may ask the connection's store while it prepares."""

    async def last_seen(self, record: str, key: str) -> LastSeen | None:
        """The last known content there."""

    async def expected(self, record: str, root_key: str) -> frozenset[str]:
        """Digests the record may read as because of what is being sent, or may have been sent, for the key."""

    async def known_as(self, canonical_id: str, record: str) -> str | None:
        """The id a canonical record is known under at this connection."""


class Sink(Protocol):
    """One kind of document at one target.

    Order: the engine calls for one row of a key at a time. Repeats: a row may be prepared again after any failure;
    `deliver` is called again for the same reference only when `find` said Absent (then with the very intent that was
    stored) or the failure was a RetryableError. Failure is raised by kind (`errors.py`): RetryableError,
    UnknownOutcomeError, DependencyError, RejectedError, FatalError; anything else stops the worker.
    The sink neither loops nor sleeps, and wants no effect that matters before `deliver`.
    """

    @property
    def repeats(self) -> Repeats:
        """What a repeat of the same operation does there."""

    async def prepare(self, row: Row) -> Intent | Settlement:
        """Map the row and take the target's number where it gives one; a Settlement when there is nothing to send."""

    async def deliver(self, intent: Intent) -> Settlement:
        """The one call that has an effect."""

    async def find(self, intent: Intent) -> Finding:
        """Is the effect of this intent's reference there?"""


@runtime_checkable
class Rehearses(Protocol):
    """A sink that can ask its target whether it would take a document, without leaving one."""

    async def rehearse(self, intent: Intent) -> None:
        """All that `deliver` does, undone at once; raises as `deliver` would."""


@runtime_checkable
class Foresees(Protocol):
    """A sink whose `prepare` takes something from its target, and that can do without where nothing will be sent."""

    async def foresee(self, row: Row) -> Intent | Settlement:
        """As `prepare`, and nothing is used up; the intent is only rehearsed."""


class Identifies(Protocol):
    """A client of a system that can tell who it is, and that does nothing at any other.

    What it does not do raises StrangerError. Each new session is asked before it is used; `who` is always answered.
    """

    @property
    def known(self) -> Known | None:
        """Whom it expects, with the newest proof it has written there; None: nobody has said."""

    async def who(self) -> Seen:
        """Who is there now."""

    @property
    def refusals(self) -> int:
        """How often it was told, or found out by itself, that somebody else is there."""

    def expect(self, known: Known | None, refusals: int) -> bool:
        """Nothing is done at any other system from now on; None: at none before one is remembered.

        `refusals` are those from before it was found out that this is right: with one since, nothing changes, and the
        answer is False.
        """

    def refuse(self, why: Verdict) -> None:
        """Nothing at all is done until `expect`."""


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink asks of its target: for looking whether there is something to do, and for doing it."""

    look: int = 1
    write: int = 1


class OnlyReads:
    """The half of a sink that brings something home and sends nothing: `prepare` settles, so that it ends there."""

    repeats = Repeats.REPEATABLE

    async def deliver(self, intent: Intent) -> Settlement:
        """Never called."""
        raise FatalError("nothing_to_deliver", f"what only reads was asked to deliver {intent.reference}")

    async def find(self, intent: Intent) -> Finding:
        """Never called."""
        raise FatalError("nothing_to_find", f"what only reads was asked to find {intent.reference}")
