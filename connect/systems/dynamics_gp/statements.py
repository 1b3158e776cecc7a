"""The plain SQL the client speaks: one text for SQL Server and for the sandbox, values always as parameters."""

_HEADER = (
    '"SOPTYPE", "SOPNUMBE", "ORIGTYPE", "ORIGNUMB", "MSTRNUMB", "DOCID", "CUSTNMBR", "CSTPONBR", "SHIPMTHD", '
    '"DOCAMNT", "SOPSTATUS", "PSTGSTUS", "VOIDSTTS", "DOCDATE", "ACTLSHIP"'
)
_LINE = (
    '"LNITMSEQ", "CMPNTSEQ", "ITEMNMBR", "UOFM", "LOCNCODE", "QUANTITY", "ATYALLOC", "QTYFULFI", "QTYTBAOR", '
    '"QTYCANCE", "QTYPRINV", "QTYREMAI"'
)
_RECEIPT = '"reference", "operation", "document_type", "document_number", "digest"'

#: A document in work or history, by type and number.
HEADER_IN_WORK = f'SELECT {_HEADER} FROM dbo."SOP10100" WHERE "SOPTYPE" = ? AND "SOPNUMBE" = ?'  # noqa: S608
HEADER_IN_HISTORY = f'SELECT {_HEADER} FROM dbo."SOP30200" WHERE "SOPTYPE" = ? AND "SOPNUMBE" = ?'  # noqa: S608
#: What came of a document, second stages too, has its master number. GP has an index of it for work, and the script of
#: receipts makes one for history: asked in one with the origin, both tables would be read whole.
FAMILY_IN_WORK = f'SELECT {_HEADER} FROM dbo."SOP10100" WHERE "MSTRNUMB" = ?'  # noqa: S608
FAMILY_IN_HISTORY = f'SELECT {_HEADER} FROM dbo."SOP30200" WHERE "MSTRNUMB" = ?'  # noqa: S608
#: The same of a document that is gone, or has no master number.
CAME_OF_IN_WORK = f'SELECT {_HEADER} FROM dbo."SOP10100" WHERE "ORIGTYPE" = ? AND "ORIGNUMB" = ?'  # noqa: S608
CAME_OF_IN_HISTORY = f'SELECT {_HEADER} FROM dbo."SOP30200" WHERE "ORIGTYPE" = ? AND "ORIGNUMB" = ?'  # noqa: S608
LINES_IN_WORK = f'SELECT {_LINE} FROM dbo."SOP10200" WHERE "SOPTYPE" = ? AND "SOPNUMBE" = ? ORDER BY "LNITMSEQ"'  # noqa: S608
LINES_IN_HISTORY = f'SELECT {_LINE} FROM dbo."SOP30300" WHERE "SOPTYPE" = ? AND "SOPNUMBE" = ? ORDER BY "LNITMSEQ"'  # noqa: S608
TRACKING = 'SELECT "Tracking_Number" FROM dbo."SOP10107" WHERE "SOPTYPE" = ? AND "SOPNUMBE" = ? ORDER BY "DEX_ROW_ID"'

CUSTOMER = 'SELECT "CUSTNMBR" FROM dbo."RM00101" WHERE "CUSTNMBR" = ?'
LINES_MARKED = (
    'SELECT "LNITMSEQ" FROM dbo."SOP10200" '
    'WHERE "SOPTYPE" = ? AND "SOPNUMBE" = ? AND "CMPNTSEQ" = 0 AND "INTEGRATIONID" = ?'
)
TAX_ROWS = 'SELECT "LNITMSEQ", "TAXDTLID" FROM dbo."SOP10105" WHERE "SOPTYPE" = ? AND "SOPNUMBE" = ?'

RECEIPTS_OF_REFERENCE = f'SELECT {_RECEIPT} FROM towpath."receipts" WHERE "reference" = ? ORDER BY "id"'  # noqa: S608
#: The amount of a document in work, beside how many receipts there are of an operation.
WRITTEN = (
    'SELECT h."DOCAMNT", (SELECT count(*) FROM towpath."receipts" AS r WHERE r."reference" = ? AND r."operation" = ?) '
    'FROM dbo."SOP10100" AS h WHERE h."SOPTYPE" = ? AND h."SOPNUMBE" = ?'
)

#: Of the company's own tables, as both databases' catalogues tell them.
COLUMNS = (
    "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, "
    "IS_NULLABLE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'dbo' ORDER BY TABLE_NAME, ORDINAL_POSITION"
)
PRIMARY_KEYS = (
    "SELECT k.TABLE_NAME, k.COLUMN_NAME FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE k "
    "JOIN INFORMATION_SCHEMA.TABLE_CONSTRAINTS c "
    "ON c.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND c.CONSTRAINT_NAME = k.CONSTRAINT_NAME "
    "WHERE c.CONSTRAINT_TYPE = 'PRIMARY KEY' AND k.TABLE_SCHEMA = 'dbo' ORDER BY k.TABLE_NAME, k.ORDINAL_POSITION"
)


def headers_in_work(count: int) -> str:
    """Headers of one type, by `count` numbers."""
    return f'SELECT {_HEADER} FROM dbo."SOP10100" WHERE "SOPTYPE" = ? AND "SOPNUMBE" IN ({_values(count)})'  # noqa: S608


def headers_in_history(count: int) -> str:
    """Headers of one type, by `count` numbers."""
    return f'SELECT {_HEADER} FROM dbo."SOP30200" WHERE "SOPTYPE" = ? AND "SOPNUMBE" IN ({_values(count)})'  # noqa: S608


def receipts_of_documents(count: int) -> str:
    """Receipts of documents of one type, by `count` numbers, oldest first."""
    return (
        f'SELECT {_RECEIPT} FROM towpath."receipts" '  # noqa: S608
        f'WHERE "document_type" = ? AND "document_number" IN ({_values(count)}) ORDER BY "id"'
    )


def items(count: int) -> str:
    """Which of `count` items there are."""
    return f'SELECT "ITEMNMBR" FROM dbo."IV00101" WHERE "ITEMNMBR" IN ({_values(count)})'  # noqa: S608


def _values(count: int) -> str:
    return ", ".join("?" * count)
