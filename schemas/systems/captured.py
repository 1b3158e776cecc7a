"""A change of one row of a captured table, as change data capture tells it; what routes of captured topics read."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

R = TypeVar("R")


class Captured(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """One row before and after, in the words of the captured table's own record."""

    #: None for an insert, and where the table does not keep old rows.
    before: R | None
    #: None for a deletion.
    after: R | None
    #: `c` created, `u` updated, `d` deleted, `r` read in a snapshot.
    op: str
    #: The connection whose database it is.
    connection: str
    table: str
    #: When it happened there: at the commit in PostgreSQL, at the transaction's begin in SQL Server; never an order.
    at: datetime
    #: Read in a snapshot, not from the log.
    snapshot: bool = False
    #: Position in the log, as text; to compare with the database's own.
    lsn: str = ""
    #: The database's name for the transaction; the same for all its rows, in every table, and again after long.
    transaction: str = ""

    @property
    def row(self) -> R | None:
        """The row as it is now, or as it last was."""
        return self.after if self.after is not None else self.before
