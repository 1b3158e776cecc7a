-- All documents, and what only documents and callers brought, is deleted; DELETE and not TRUNCATE, so that change data
-- capture sees each row go. Number series are left alone. The product's receipts belong to the documents and go with them.

DELETE FROM "SOP10200"; DELETE FROM "SOP10100"; DELETE FROM "SOP30300"; DELETE FROM "SOP30200";
DELETE FROM "SOP10102"; DELETE FROM "SOP10103"; DELETE FROM "SOP10104"; DELETE FROM "SOP10105";
DELETE FROM "SOP10106"; DELETE FROM "SOP10107"; DELETE FROM "SOP10202";
DELETE FROM "RM20101"; DELETE FROM "RM00401"; DELETE FROM "SY00500"; DELETE FROM "SY03900";
DELETE FROM "DYNAMICS"."SY00800";
DELETE FROM sandbox.edit_locks;
UPDATE sandbox.clock SET ahead = '0';
DO $$
DECLARE
  fault record;
BEGIN
  FOR fault IN DELETE FROM sandbox.faults RETURNING id LOOP
    EXECUTE format('DROP SEQUENCE sandbox.fault_%s', fault.id);
  END LOOP;
  IF to_regclass('towpath.receipts') IS NOT NULL THEN
    EXECUTE 'DELETE FROM towpath.receipts';
  END IF;
END
$$;
