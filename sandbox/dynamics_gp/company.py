"""The company database as the GP user works in it: one method per thing a person does, each a transaction."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from sandbox.dynamics_gp.database import Installation, seed_again
from sandbox.dynamics_gp.errors import ControlError
from sandbox.dynamics_gp.requests import (
    AllocationRequest,
    CustomerRequest,
    FulfilRequest,
    PriceRequest,
    ProcedureFault,
    ShipRequest,
    StockRequest,
    TransferRequest,
)

#: SOP40200.ALLOCABY; which number means what is not confirmed by the reference
ALLOCATE_BY = {"line": 1, "document": 2, "none": 3}
_TRIES = 5
#: Connections kept open; a new one costs the server a process and both sides a key derivation.
_KEPT = 8
#: a person who finds a document locked by a running transaction gives up after a while
_SETTINGS = "-c search_path=dbo,engine,sandbox,pg_temp -c lock_timeout=10s"

Wire = psycopg.AsyncConnection[DictRow]


class Company:
    """Keeps a few connections, each asked before it is used: a restart of PostgreSQL is over once it answers."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._as_user = make_conninfo(installation.user_dsn, options=_SETTINGS, connect_timeout=5)
        self._as_superuser = make_conninfo(installation.superuser_dsn, options=_SETTINGS, connect_timeout=5)
        self._idle: list[Wire] = []

    async def close(self) -> None:
        """Hang up."""
        while self._idle:
            await self._idle.pop().close()

    async def query(self, text: LiteralString, values: Mapping[str, Any] | None = None) -> list[DictRow]:
        """Rows of one statement in a transaction of its own, tried again after a deadlock as a person would."""
        for attempt in range(_TRIES):
            try:
                return await self._once(text, values or {})
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(0.05 * (attempt + 1))
        raise AssertionError

    async def _once(self, text: LiteralString, values: Mapping[str, Any]) -> list[DictRow]:
        wire = await self._living() or await self._connected()
        try:
            async with wire.transaction(), wire.cursor() as cursor:
                await cursor.execute(text, values)
                return await cursor.fetchall() if cursor.description else []
        finally:
            if wire.closed or len(self._idle) >= _KEPT:
                await wire.close()
            else:
                self._idle.append(wire)

    async def _connected(self) -> Wire:
        # statements are not prepared: a table made anew would make them fail
        return await psycopg.AsyncConnection.connect(
            self._as_user, row_factory=dict_row, autocommit=True, prepare_threshold=None
        )

    async def _living(self) -> Wire | None:
        """A kept connection whose server still answers, if there is one."""
        while self._idle:
            wire = self._idle.pop()
            try:
                await wire.execute("SELECT 1")
            except psycopg.OperationalError:
                await wire.close()
            else:
                return wire
        return None

    async def allocate(self, document_type: int, number: str) -> Decimal:
        """Allocate what the sites have; answers how much is left short."""
        rows = await self.query(
            "SELECT user_allocate(%(type)s::smallint, %(number)s) AS short", {"type": document_type, "number": number}
        )
        return Decimal(rows[0]["short"])

    async def fulfil(self, asked: FulfilRequest) -> None:
        await self.query(
            "SELECT user_fulfil(%(type)s::smallint, %(number)s, %(lines)s::jsonb, %(shortage)s)",
            {"type": asked.type, "number": asked.number, "lines": _lines(asked.lines), "shortage": asked.shortage},
        )

    async def track(self, document_type: int, number: str, tracking: Sequence[str]) -> int:
        rows = await self.query(
            "SELECT user_track(%(type)s::smallint, %(number)s, %(tracking)s::text[]) AS added",
            {"type": document_type, "number": number, "tracking": list(tracking)},
        )
        return int(rows[0]["added"])

    async def transfer(self, asked: TransferRequest, tracking: Sequence[str]) -> str:
        """The number of the new invoice."""
        rows = await self.query(
            "SELECT user_transfer(%(number)s, %(lines)s::jsonb, %(tracking)s::text[], %(rest)s) AS invoice",
            {
                "number": asked.number,
                "lines": _lines(asked.lines),
                "tracking": list(tracking),
                "rest": asked.back_order,
            },
        )
        return str(rows[0]["invoice"])

    async def post(self, number: str) -> None:
        await self.query("SELECT user_post(%(number)s)", {"number": number})

    async def ship(self, asked: ShipRequest) -> str:
        """Allocate, fulfil, transfer, track, post: each a transaction, as a person works; answers the invoice."""
        if asked.lines is None:
            await self.allocate(2, asked.number)
        await self.fulfil(FulfilRequest(number=asked.number, lines=asked.lines, shortage=asked.shortage))
        invoice = await self.transfer(asked, [])
        if asked.tracking:
            await self.track(3, invoice, asked.tracking)
        await self.post(invoice)
        return invoice

    async def void(self, document_type: int, number: str) -> None:
        await self.query("SELECT user_void(%(type)s::smallint, %(number)s)", {"type": document_type, "number": number})

    async def delete(self, document_type: int, number: str) -> None:
        await self.query(
            "SELECT user_delete(%(type)s::smallint, %(number)s)", {"type": document_type, "number": number}
        )

    async def cancel_line(self, number: str, item: str, quantity: Decimal) -> None:
        await self.query(
            "SELECT user_cancel_line(%(number)s, %(item)s, %(quantity)s)",
            {"number": number, "item": item, "quantity": quantity},
        )

    async def edit_lock(self, document_type: int, number: str, *, locked: bool) -> None:
        """Have a document open in a window, or close it."""
        values = {"type": document_type, "number": number}
        known = await self.query(
            "SELECT in_work(%(type)s::smallint, %(number)s) OR in_history(%(type)s::smallint, %(number)s) AS known",
            values,
        )
        if not known[0]["known"]:
            raise ControlError(404, f"no document {number} of type {document_type}", "number")
        if locked:
            await self.query("INSERT INTO edit_locks VALUES (%(type)s, %(number)s) ON CONFLICT DO NOTHING", values)
        else:
            await self.query(
                'DELETE FROM edit_locks WHERE "SOPTYPE" = %(type)s AND "SOPNUMBE" = %(number)s::bpchar', values
            )

    async def stock(self, asked: StockRequest) -> Decimal:
        rows = await self.query(
            "SELECT user_stock(%(item)s, %(site)s, %(on_hand)s, %(delta)s) AS on_hand", msgspec.structs.asdict(asked)
        )
        return Decimal(rows[0]["on_hand"])

    async def price(self, asked: PriceRequest) -> None:
        """A new list price, and the price of each unit with it."""
        rows = await self.query(
            """
            WITH lists AS (
              UPDATE "IV00108" SET "UOMPRICE" = %(price)s * "QTYBSUOM" WHERE "ITEMNMBR" = %(item)s::bpchar
            )
            UPDATE "IV00105" SET "LISTPRCE" = %(price)s WHERE "ITEMNMBR" = %(item)s::bpchar RETURNING "ITEMNMBR"
            """,
            msgspec.structs.asdict(asked),
        )
        if not rows:
            raise ControlError(404, f"no item {asked.item}", "item")

    async def block_customer(self, number: str, *, hold: bool) -> None:
        rows = await self.query(
            'UPDATE "RM00101" SET "HOLD" = %(hold)s WHERE "CUSTNMBR" = %(number)s::bpchar RETURNING "CUSTNMBR"',
            {"number": number, "hold": int(hold)},
        )
        if not rows:
            raise ControlError(404, f"no customer {number}", "number")

    async def create_customer(self, asked: CustomerRequest) -> None:
        """A customer typed in by hand, with one address and its e-mail."""
        given = {
            "I_vCUSTNMBR": asked.number, "I_vCUSTNAME": asked.name, "I_vCUSTCLAS": "WEB", "I_vUseCustomerClass": 1,
            "I_vADRSCODE": "PRIMARY", "I_vCNTCPRSN": asked.contact, "I_vADDRESS1": asked.street1,
            "I_vADDRESS2": asked.street2, "I_vADDRESS3": asked.street3, "I_vCITY": asked.city,
            "I_vSTATE": asked.region, "I_vZIPCODE": asked.postal_code, "I_vCOUNTRY": asked.country,
            "I_vPHNUMBR1": asked.phone, "I_vUpdateIfExists": 0,
        }  # fmt: skip
        mail = {
            "I_vMaster_Type": "CUS",
            "I_vMaster_ID": asked.number,
            "I_vADRSCODE": "PRIMARY",
            "I_vINET1": asked.email,
        }
        rows = await self.query(
            """
            SELECT "body_taUpdateCreateCustomerRcd"("read_taUpdateCreateCustomerRcd"(%(customer)s::jsonb)) AS errors
            """,
            {"customer": msgspec.json.encode(given).decode()},
        )
        if rows[0]["errors"]:
            raise ControlError(409, f"customer {asked.number} exists", "number")
        if asked.email:
            await self.query(
                """
                SELECT "body_taCreateInternetAddresses"("read_taCreateInternetAddresses"(%(mail)s::jsonb))
                """,
                {"mail": msgspec.json.encode(mail).decode()},
            )

    async def allocate_by(self, document_type: int, document_id: str, asked: AllocationRequest) -> None:
        rows = await self.query(
            """
            UPDATE "SOP40200" SET "ALLOCABY" = %(value)s
            WHERE "SOPTYPE" = %(type)s AND "DOCID" = %(id)s::bpchar RETURNING "DOCID"
            """,
            {"value": ALLOCATE_BY[asked.allocate_by], "type": document_type, "id": document_id},
        )
        if not rows:
            raise ControlError(404, f"no document id {document_id} of type {document_type}")

    async def now(self) -> tuple[datetime, float]:
        """The company's clock and how far it is ahead, in seconds."""
        rows = await self.query("SELECT now_utc() AS now, extract(epoch FROM ahead) AS ahead FROM clock")
        return rows[0]["now"], float(rows[0]["ahead"])

    async def set_clock(self, offset_s: float) -> None:
        await self.query("UPDATE clock SET ahead = make_interval(secs => %(offset)s)", {"offset": offset_s})

    async def faults(self) -> list[dict[str, Any]]:
        """The procedure faults, with the calls each has left."""
        return [
            {**fault, "left": max(fault["times"] - await self._played(fault.pop("id")), 0)}
            for fault in await self.query("SELECT id, procedure, kind, value, times FROM faults ORDER BY id")
        ]

    async def _played(self, fault: int) -> int:
        rows = await self.query(
            "SELECT coalesce(pg_sequence_last_value(%(name)s::regclass), 0) AS played",
            {"name": f"sandbox.fault_{fault}"},
        )
        return int(rows[0]["played"])

    async def set_faults(self, faults: Sequence[ProcedureFault]) -> None:
        """These faults and no others."""
        connection = await psycopg.AsyncConnection.connect(self._as_superuser, row_factory=dict_row)
        async with connection, connection.cursor() as cursor:
            await cursor.execute("DELETE FROM faults RETURNING id")
            for row in await cursor.fetchall():
                await cursor.execute(sql.SQL("DROP SEQUENCE {}").format(_sequence(row["id"])))
            for fault in faults:
                await cursor.execute(
                    """
                    INSERT INTO faults (procedure, kind, value, times)
                    VALUES (%(procedure)s, %(kind)s, %(value)s, %(times)s) RETURNING id
                    """,
                    msgspec.structs.asdict(fault),
                )
                created = await cursor.fetchone()
                assert created is not None
                name = _sequence(created["id"])
                await cursor.execute(sql.SQL("CREATE SEQUENCE {}").format(name))
                user = sql.Identifier(self._installation.roles[2][0])
                await cursor.execute(sql.SQL("GRANT SELECT ON SEQUENCE {} TO {}").format(name, user))

    async def reset(self) -> None:
        """All documents gone, seeds back."""
        await asyncio.to_thread(self._reset)

    def _reset(self) -> None:
        with psycopg.connect(self._as_superuser) as company:
            seed_again(company, self._installation.catalogue)


def _sequence(fault: int) -> sql.Identifier:
    return sql.Identifier("sandbox", f"fault_{fault}")


def _lines(lines: Mapping[str, Decimal] | None) -> str | None:
    return None if lines is None else msgspec.json.encode(dict(lines)).decode()
