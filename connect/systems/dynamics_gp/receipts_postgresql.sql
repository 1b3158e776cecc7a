-- Towpath's receipts in a sandbox company database: one row for each effect, written in the document's own transaction.
-- For the database administrator; the bus itself has no right to create tables here.
CREATE SCHEMA IF NOT EXISTS towpath;
CREATE TABLE IF NOT EXISTS towpath."receipts" (
    "id"              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "reference"       varchar(200) NOT NULL,
    "operation"       varchar(100) NOT NULL,
    "record"          varchar(40)  NOT NULL,
    "document_type"   smallint     NOT NULL,
    "document_number" varchar(21)  NOT NULL,
    "digest"          varchar(64)  NOT NULL,
    "created_at"      timestamp    NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
    UNIQUE ("reference", "operation")
);
CREATE INDEX IF NOT EXISTS "receipts_document" ON towpath."receipts" ("document_type", "document_number");
-- Invoices of an order are looked for by its master number; GP has this index for work (SOP10100), not for history.
CREATE INDEX IF NOT EXISTS "towpath_family" ON dbo."SOP30200" ("MSTRNUMB");
GRANT USAGE ON SCHEMA towpath TO towpath;
GRANT SELECT, INSERT ON towpath."receipts" TO towpath;
