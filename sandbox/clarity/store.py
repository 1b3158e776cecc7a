"""The simulated store's memory: one SQLite file in its data folder; for the shop and the webhook sender.

WAL with synchronous=NORMAL: what was committed is in the operating system's hands before the answer goes out, so a
killed and restarted process has lost nothing.  Only a power cut could cost the last commits, and no test pulls the plug
of the machine; FULL would pay for that with a disk flush per order.  Statements are short and run on the event loop
itself, so there is one writer and no lock to wait for.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Row = TypeVar("Row", bound=tuple[Any, ...])

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, updated INTEGER NOT NULL, created INTEGER NOT NULL,
    status TEXT NOT NULL, account TEXT, document BLOB NOT NULL, terms BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS orders_updated ON orders (updated, id);
CREATE TABLE IF NOT EXISTS shipments (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, order_id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entities (
    kind TEXT NOT NULL, key TEXT NOT NULL, id INTEGER NOT NULL, updated INTEGER NOT NULL, document BLOB NOT NULL,
    PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stock (
    key TEXT PRIMARY KEY, id INTEGER NOT NULL, sku TEXT NOT NULL, section TEXT NOT NULL, quantity TEXT NOT NULL,
    allocated TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stock_sku ON stock (sku, section);
CREATE TABLE IF NOT EXISTS webhooks (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, subject INTEGER NOT NULL,
    key TEXT NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL, copies INTEGER NOT NULL, attempts INTEGER NOT NULL,
    due REAL NOT NULL, first_due REAL NOT NULL, last_status INTEGER, last_error TEXT, last_timestamp INTEGER,
    created TEXT NOT NULL, settled TEXT);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS writes (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, method TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL,
    changed TEXT NOT NULL, succeeded INTEGER NOT NULL, message TEXT);
CREATE TABLE IF NOT EXISTS emails (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, order_id INTEGER NOT NULL, kind TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS emails_order ON emails (order_id);
"""

#: SQLite's largest number.
_LAST = 2**63 - 1
#: What a reset empties; settings stay.
_CONTENTS = ("orders", "shipments", "entities", "stock", "webhooks", "writes", "emails")


class StoredOrder(NamedTuple):
    id: int
    key: str
    updated: int
    created: int
    status: str
    account: str | None
    document: bytes
    terms: bytes


class StoredStock(NamedTuple):
    key: str
    id: int
    sku: str
    section: str
    quantity: str
    allocated: str
    created: int
    updated: int


class StoredWebhook(NamedTuple):
    number: int
    id: str
    type: str
    subject: int
    key: str
    body: bytes
    #: pending | sent | dropped
    state: str
    copies: int
    attempts: int
    due: float
    first_due: float
    last_status: int | None
    last_error: str | None
    #: the webhook-timestamp of the last attempt
    last_timestamp: int | None
    created: str
    settled: str | None


class StoredWrite(NamedTuple):
    id: int
    at: str
    method: str
    route: str
    key: str
    changed: str
    succeeded: int
    message: str | None


class StoredEmail(NamedTuple):
    id: int
    at: str
    order_id: int
    kind: str


class Page(NamedTuple):
    """Which part of a list: `number` from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size


class Store:
    """The file and everything read from or written to it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The test client and the server may live in different threads; only one of them ever runs at a time.
        self._db = sqlite3.connect(folder / "clarity.sqlite3", isolation_level=None, check_same_thread=False, timeout=5)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or none; never spans an await, so nothing else can get in between."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # settings and counters

    def setting(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_setting(self, name: str, value: str | None) -> None:
        if value is None:
            self._db.execute("DELETE FROM settings WHERE name = ?", (name,))
        else:
            self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def next_number(self, counter: str, first: int) -> int:
        """The next of a rising series, never given twice."""
        number = int(self.setting(counter) or first)
        self.set_setting(counter, str(number + 1))
        return number

    def next_tick(self, now: int) -> int:
        """A moment later than any this store has given before, and not before `now`."""
        return self.next_ticks(now, 1)[0]

    def next_ticks(self, now: int, count: int) -> range:
        """Several such moments, one after the other."""
        first = max(int(self.setting("last tick") or 0) + 1, now)
        self.set_setting("last tick", str(first + count - 1))
        return range(first, first + count)

    def empty(self) -> None:
        for table in _CONTENTS:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 -- the names are the constants above

    # orders

    def put_order(self, order: StoredOrder) -> None:
        self._db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", order)

    def order(self, order_id: int) -> StoredOrder | None:
        return _one(StoredOrder, self._db.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone())

    def order_by_key(self, key: str) -> StoredOrder | None:
        return _one(StoredOrder, self._db.execute("SELECT * FROM orders WHERE key = ?", (key,)).fetchone())

    def orders_after(self, order_id: int, limit: int) -> list[StoredOrder]:
        rows = self._db.execute("SELECT * FROM orders WHERE id > ? ORDER BY id LIMIT ?", (order_id, limit))
        return [StoredOrder(*row) for row in rows]

    def order_count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM orders").fetchone()[0])

    def search_orders(
        self, since: int, status: str | None, account: str | None, order_by: Sequence[str], page: Page
    ) -> tuple[list[StoredOrder], int]:
        """One page of the orders updated at or after `since`, and how many there are in all."""
        where, values = ["updated >= ?"], [since, *(value for value in (status, account) if value is not None)]
        where += [f"{column} = ?" for column, value in (("status", status), ("account", account)) if value is not None]
        condition = " AND ".join(where)
        total = self._db.execute(f"SELECT count(*) FROM orders WHERE {condition}", values).fetchone()[0]  # noqa: S608 -- column names only
        rows = self._db.execute(
            f"SELECT * FROM orders WHERE {condition} ORDER BY {', '.join(order_by)} LIMIT ? OFFSET ?",  # noqa: S608 -- column names only
            [*values, page.size, page.offset],
        )
        return [StoredOrder(*row) for row in rows], int(total)

    # shipments: their content stands in the order, here is only where to find it

    def put_shipment(self, shipment_id: int, key: str, order_id: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO shipments VALUES (?, ?, ?)", (shipment_id, key, order_id))

    def shipment_order(self, key: str) -> int | None:
        row = self._db.execute("SELECT order_id FROM shipments WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    # products and accounts

    def put_entity(self, kind: str, key: str, entity_id: int, updated: int, document: bytes) -> None:
        row = (kind, key, entity_id, updated, document)
        self._db.execute("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?)", row)

    def entity(self, kind: str, key: str) -> bytes | None:
        row = self._db.execute("SELECT document FROM entities WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if row is None else bytes(row[0])

    def entities(self, kind: str) -> list[bytes]:
        rows = self._db.execute("SELECT document FROM entities WHERE kind = ? ORDER BY id", (kind,))
        return [bytes(row[0]) for row in rows]

    def search_entities(self, kind: str, since: int, page: Page) -> tuple[list[bytes], int]:
        found = "FROM entities WHERE kind = ? AND updated >= ?"
        total = self._db.execute(f"SELECT count(*) {found}", (kind, since)).fetchone()[0]
        rows = self._db.execute(
            f"SELECT document {found} ORDER BY updated, id LIMIT ? OFFSET ?",
            (kind, since, page.size, page.offset),
        )
        return [bytes(row[0]) for row in rows], int(total)

    # stock

    def put_stock(self, stock: StoredStock) -> None:
        self._db.execute("INSERT OR REPLACE INTO stock VALUES (?, ?, ?, ?, ?, ?, ?, ?)", stock)

    def stock(self, key: str) -> StoredStock | None:
        return _one(StoredStock, self._db.execute("SELECT * FROM stock WHERE key = ?", (key,)).fetchone())

    def all_stock(self) -> list[StoredStock]:
        return [StoredStock(*row) for row in self._db.execute("SELECT * FROM stock ORDER BY sku, section")]

    def search_stock(self, sku: str | None, since: int, page: Page) -> tuple[list[StoredStock], int]:
        found = "FROM stock WHERE updated >= :since AND (:sku IS NULL OR sku = :sku)"
        values = {"since": since, "sku": sku, "size": page.size, "offset": page.offset}
        total = self._db.execute(f"SELECT count(*) {found}", values).fetchone()[0]
        rows = self._db.execute(
            f"SELECT * {found} ORDER BY updated, id LIMIT :size OFFSET :offset",
            values,
        )
        return [StoredStock(*row) for row in rows], int(total)

    # webhooks waiting and sent

    def add_webhook(self, webhook: StoredWebhook) -> None:
        marks = ", ".join("?" * (len(webhook) - 1))
        self._db.execute(f"INSERT INTO webhooks VALUES (NULL, {marks})", webhook[1:])  # noqa: S608 -- question marks

    def put_webhook(self, webhook: StoredWebhook) -> None:
        marks = ", ".join("?" * len(webhook))
        self._db.execute(f"INSERT OR REPLACE INTO webhooks VALUES ({marks})", webhook)  # noqa: S608 -- question marks

    def webhook(self, webhook_id: str) -> StoredWebhook | None:
        return _one(StoredWebhook, self._db.execute("SELECT * FROM webhooks WHERE id = ?", (webhook_id,)).fetchone())

    def last_sent_webhook(self) -> StoredWebhook | None:
        row = self._db.execute("SELECT * FROM webhooks WHERE state = 'sent' ORDER BY number DESC LIMIT 1").fetchone()
        return _one(StoredWebhook, row)

    def due_webhooks(self, now: float, limit: int) -> list[StoredWebhook]:
        rows = self._db.execute(
            "SELECT * FROM webhooks WHERE state = 'pending' AND due <= ? ORDER BY due, number LIMIT ?", (now, limit)
        )
        return [StoredWebhook(*row) for row in rows]

    def next_due(self, after: float) -> float | None:
        row = self._db.execute("SELECT min(due) FROM webhooks WHERE state = 'pending' AND due > ?", (after,)).fetchone()
        return None if row[0] is None else float(row[0])

    def search_webhooks(self, since: int, limit: int, state: str | None, subject: int | None) -> list[StoredWebhook]:
        rows = self._db.execute(
            "SELECT * FROM webhooks WHERE number > :since AND (:state IS NULL OR state = :state)"
            " AND (:subject IS NULL OR (subject = :subject AND type LIKE 'order.%')) ORDER BY number LIMIT :limit",
            {"since": since, "state": state, "subject": subject, "limit": limit},
        )
        return [StoredWebhook(*row) for row in rows]

    def webhook_counts(self) -> dict[str, int]:
        rows = self._db.execute("SELECT state, count(*) FROM webhooks GROUP BY state")
        return {"pending": 0, "sent": 0, "dropped": 0} | {str(state): int(count) for state, count in rows}

    # what clients wrote, and the e-mails that went out

    def add_write(self, write: StoredWrite) -> None:
        self._db.execute("INSERT INTO writes VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", write[1:])

    def writes_after(self, write_id: int, limit: int) -> list[StoredWrite]:
        rows = self._db.execute("SELECT * FROM writes WHERE id > ? ORDER BY id LIMIT ?", (write_id, limit))
        return [StoredWrite(*row) for row in rows]

    def add_email(self, email: StoredEmail) -> None:
        self._db.execute("INSERT INTO emails VALUES (NULL, ?, ?, ?)", email[1:])

    def emails(self, order_id: int | None, limit: int) -> list[StoredEmail]:
        rows = self._db.execute(
            "SELECT * FROM emails WHERE order_id BETWEEN :first AND :last ORDER BY id LIMIT :limit",
            {**_orders(order_id), "limit": limit},
        )
        return [StoredEmail(*row) for row in rows]

    def email_counts(self, order_id: int | None) -> dict[int, dict[str, int]]:
        """How many e-mails of each kind each order's customer got."""
        rows = self._db.execute(
            "SELECT order_id, kind, count(*) FROM emails WHERE order_id BETWEEN :first AND :last"
            " GROUP BY order_id, kind ORDER BY order_id, kind",
            _orders(order_id),
        )
        counts: dict[int, dict[str, int]] = {}
        for order, kind, count in rows:
            counts.setdefault(int(order), {})[str(kind)] = int(count)
        return counts


def _orders(order_id: int | None) -> dict[str, int]:
    """One order, or all; as a range, which an index serves where an OR is read from end to end."""
    return {"first": order_id, "last": order_id} if order_id is not None else {"first": 0, "last": _LAST}


def _one(kind: type[Row], row: tuple[Any, ...] | None) -> Row | None:
    return None if row is None else kind(*row)
