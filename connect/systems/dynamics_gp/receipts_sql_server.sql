-- Towpath's receipts in a GP company database: one row for each effect, written in the document's own transaction.
-- For the database administrator; the bus itself has no right to create tables here.
CREATE SCHEMA towpath;
GO
CREATE TABLE towpath.receipts (
    id              bigint IDENTITY(1,1) NOT NULL CONSTRAINT PK_towpath_receipts PRIMARY KEY,
    reference       nvarchar(200) NOT NULL,
    operation       varchar(100)  NOT NULL,
    record          varchar(40)   NOT NULL,
    document_type   smallint      NOT NULL,
    document_number varchar(21)   NOT NULL,
    digest          varchar(64)   NOT NULL,
    created_at      datetime2(3)  NOT NULL CONSTRAINT DF_towpath_receipts DEFAULT SYSUTCDATETIME(),
    CONSTRAINT UQ_towpath_receipts UNIQUE (reference, operation)
);
CREATE INDEX receipts_document ON towpath.receipts (document_type, document_number);
-- Invoices of an order are looked for by its master number; GP has this index for work (SOP10100), not for history.
-- Without it each changed order reads all of SOP30200; nothing else depends on it.
CREATE INDEX towpath_family ON dbo.SOP30200 (MSTRNUMB);
GRANT SELECT, INSERT ON towpath.receipts TO DYNGRP;
GO
