-- What the simulator itself remembers: clock, edit locks, injected faults, customer classes, counters.
-- Kept when the code is installed anew; the procedures of the company database read it.

CREATE SCHEMA sandbox;

CREATE TABLE sandbox.clock (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  ahead interval NOT NULL DEFAULT '0'
);
INSERT INTO sandbox.clock DEFAULT VALUES;

CREATE FUNCTION sandbox.now_utc() RETURNS timestamp LANGUAGE sql VOLATILE SECURITY DEFINER AS $$
  SELECT clock_timestamp() AT TIME ZONE 'utc' + ahead FROM sandbox.clock
$$;

CREATE FUNCTION sandbox.today() RETURNS timestamp LANGUAGE sql VOLATILE AS $$
  SELECT date_trunc('day', sandbox.now_utc())
$$;

CREATE TABLE sandbox.edit_locks (
  "SOPTYPE" smallint NOT NULL,
  "SOPNUMBE" char(21) NOT NULL,
  PRIMARY KEY ("SOPTYPE", "SOPNUMBE")
);

-- The calls a fault has left are counted by a sequence of its own: a count in the row would come back
-- when the caller rolls back, which is just what callers do after a fault.
CREATE TABLE sandbox.faults (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  procedure text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('error', 'wait', 'deadlock', 'serialization', 'terminate')),
  value integer NOT NULL DEFAULT 0,
  times integer NOT NULL
);
CREATE INDEX ON sandbox.faults (procedure);

CREATE TABLE sandbox.customer_classes (
  "CUSTCLAS" char(15) PRIMARY KEY,
  "SHIPMTHD" char(15) NOT NULL,
  "PYMTRMID" char(21) NOT NULL,
  "TAXSCHID" char(15) NOT NULL,
  "PRCLEVEL" char(11) NOT NULL,
  "CURNCYID" char(15) NOT NULL,
  "CRLMTTYP" smallint NOT NULL
);

CREATE SEQUENCE sandbox.master_numbers START 1001;
CREATE SEQUENCE sandbox.note_indexes START 1001;
CREATE SEQUENCE sandbox.payment_numbers;
CREATE SEQUENCE sandbox.audit_trails;

-- a change of stock stamps the item, as GP's zDT_IV00102C/U/D do
CREATE FUNCTION sandbox."zDT_IV00102"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE dbo."IV00101" SET "DEX_ROW_TS" = sandbox.now_utc()
  WHERE "ITEMNMBR" = CASE TG_OP WHEN 'DELETE' THEN OLD."ITEMNMBR" ELSE NEW."ITEMNMBR" END;
  RETURN NULL;
END
$$;
