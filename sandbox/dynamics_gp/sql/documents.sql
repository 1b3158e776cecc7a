-- What happens to whole documents: payments, tracking, void, delete, and the move from work to history.

CREATE FUNCTION engine."body_taCreateSopPaymentInsertRecord"(
  a engine."taCreateSopPaymentInsertRecord", OUT errors integer[]
) LANGUAGE plpgsql AS $$
DECLARE
  action smallint := coalesce(a."I_vAction", 1);
  r "SOP10103";
BEGIN
  errors := '{}';
  IF a."I_vSOPTYPE" NOT BETWEEN 2 AND 6 THEN
    errors := errors || 90001;
  END IF;
  IF (engine.customer(a."I_vCUSTNMBR"))."CUSTNMBR" IS NULL THEN
    errors := errors || 90003;
  END IF;
  IF engine.in_history(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 90009;
  END IF;
  IF engine.being_edited(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2022;
  END IF;
  -- deposits (1-3) belong to orders, payments (4-6) to invoices and returns
  IF a."I_vPYMTTYPE" NOT BETWEEN 1 AND 6 OR (a."I_vSOPTYPE" IN (3, 4)) <> (a."I_vPYMTTYPE" >= 4) THEN
    errors := errors || 90031;
  END IF;
  IF a."I_vPYMTTYPE" IN (3, 6) AND a."I_vCARDNAME" = '' THEN
    errors := errors || 90032;
  END IF;
  IF action <> 1 THEN
    SELECT * INTO r FROM "SOP10103" WHERE "SOPTYPE" = a."I_vSOPTYPE" AND "SOPNUMBE" = a."I_vSOPNUMBE"
      AND ("SEQNUMBR" = a."I_vSEQNUMBR" OR a."I_vDOCNUMBR" <> '' AND "DOCNUMBR" = a."I_vDOCNUMBR") FOR UPDATE;
    IF NOT FOUND THEN
      errors := errors || 90039;
    END IF;
  END IF;
  IF errors <> '{}' THEN
    RETURN;
  END IF;
  IF action = 2 THEN
    DELETE FROM "SOP10103" WHERE "SOPTYPE" = r."SOPTYPE" AND "SOPNUMBE" = r."SOPNUMBE" AND "SEQNUMBR" = r."SEQNUMBR";
    RETURN;
  ELSIF action = 1 THEN
    r := engine."blank_SOP10103"();
    r."SOPTYPE" := a."I_vSOPTYPE";
    r."SOPNUMBE" := a."I_vSOPNUMBE";
    SELECT coalesce(max("SEQNUMBR"), 0) + 16384 INTO r."SEQNUMBR" FROM "SOP10103"
    WHERE "SOPTYPE" = r."SOPTYPE" AND "SOPNUMBE" = r."SOPNUMBE";
    r."DOCNUMBR" := coalesce(
      nullif(a."I_vDOCNUMBR", ''), 'PYMNT' || lpad(nextval('sandbox.payment_numbers')::text, 12, '0')
    );
  END IF;
  r."PYMTTYPE" := a."I_vPYMTTYPE";
  r."RMDTYPAL" := 9;
  r."CHEKBKID" := a."I_vCHEKBKID";
  r."CHEKNMBR" := a."I_vCHEKNMBR";
  r."CARDNAME" := a."I_vCARDNAME";
  r."RCTNCCRD" := a."I_vRCTNCCRD";
  r."AUTHCODE" := a."I_vAUTHCODE";
  r."AMNTPAID" := a."I_vDOCAMNT"; r."OAMTPAID" := a."I_vDOCAMNT";
  r."AMNTREMA" := a."I_vDOCAMNT"; r."OAMNTREM" := a."I_vDOCAMNT";
  r."DOCDATE" := a."I_vDOCDATE";
  r."GLPOSTDT" := a."I_vDOCDATE";
  r."EXPNDATE" := a."I_vEXPNDATE";
  r."CURNCYID" := 'USD';
  r."CURRNIDX" := 1;
  r."EFTFLAG" := a."I_vPROCESSELECTRONICALLY";
  PERFORM engine."put_SOP10103"(r);
END
$$;

CREATE FUNCTION engine."body_taSopTrackingNum"(a engine."taSopTrackingNum", OUT errors integer[])
LANGUAGE plpgsql AS $$
BEGIN
  errors := '{}';
  IF NOT engine.in_work(a."I_vSOPTYPE", a."I_vSOPNUMBE") AND NOT engine.in_history(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 90028;
  ELSIF EXISTS (
    SELECT FROM "SOP10107" WHERE "SOPNUMBE" = a."I_vSOPNUMBE" AND "SOPTYPE" = a."I_vSOPTYPE"
      AND "Tracking_Number" = a."I_vTracking_Number"
  ) THEN
    errors := errors || 90030;
  ELSE
    INSERT INTO "SOP10107" ("SOPNUMBE", "SOPTYPE", "Tracking_Number")
    VALUES (a."I_vSOPNUMBE", a."I_vSOPTYPE", a."I_vTracking_Number");
  END IF;
END
$$;

-- Reasons why a document cannot be taken away.
CREATE FUNCTION engine.removal_errors(document_type smallint, number bpchar) RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  h "SOP10100";
BEGIN
  SELECT * INTO h FROM "SOP10100" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type FOR UPDATE;
  IF NOT FOUND THEN
    RETURN ARRAY[CASE WHEN engine.in_history(document_type, number) THEN 90009 ELSE 90028 END];
  END IF;
  IF engine.being_edited(document_type, number) THEN
    RETURN ARRAY[2022];
  END IF;
  IF EXISTS (
    SELECT FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "QTYPRINV" > 0
  ) THEN
    RETURN ARRAY[90029];
  END IF;
  RETURN '{}';
END
$$;

CREATE FUNCTION engine."body_taSopVoidDocument"(a engine."taSopVoidDocument", OUT errors integer[])
LANGUAGE plpgsql AS $$
BEGIN
  errors := engine.removal_errors(a."I_vSOPTYPE", a."I_vSOPNUMBE");
  IF errors = '{}' THEN
    PERFORM engine.void_document(a."I_vSOPTYPE", a."I_vSOPNUMBE", a."I_vRemovePayments" = 1);
  END IF;
END
$$;

CREATE FUNCTION engine."body_taSopDeleteDocument"(a engine."taSopDeleteDocument", OUT errors integer[])
LANGUAGE plpgsql AS $$
BEGIN
  errors := engine.removal_errors(a."I_vSOPTYPE", a."I_vSOPNUMBE");
  IF errors = '{}' THEN
    PERFORM engine.delete_document(a."I_vSOPTYPE", a."I_vSOPNUMBE");
  END IF;
END
$$;

CREATE FUNCTION engine.void_document(document_type smallint, number bpchar, remove_payments boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.give_up_lines(document_type, number);
  IF remove_payments THEN
    DELETE FROM "SOP10103" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number;
  END IF;
  PERFORM engine.move_to_history(document_type, number);
  UPDATE "SOP30200" SET "VOIDSTTS" = 1 WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
END
$$;

CREATE FUNCTION engine.delete_document(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.give_up_lines(document_type, number);
  PERFORM engine.leave_batch(document_type, number);
  DELETE FROM "SOP10103" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number;
  DELETE FROM "SOP10105" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number;
  DELETE FROM "SOP10106" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number;
  DELETE FROM "SOP10107" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  DELETE FROM "SOP10202" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  DELETE FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  DELETE FROM "SOP10100" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
END
$$;

-- Frees what the lines hold; an invoice that came from an order still in work gives the quantities back to it.
CREATE FUNCTION engine.give_up_lines(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  h "SOP10100";
  line "SOP10200";
BEGIN
  SELECT * INTO h FROM "SOP10100" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  FOR line IN
    SELECT * FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type ORDER BY "ITEMNMBR", "LNITMSEQ"
  LOOP
    PERFORM engine.release_line(line);
    IF h."ORIGTYPE" = 2 THEN
      UPDATE "SOP10200" SET "QTYPRINV" = "QTYPRINV" - line."QUANTITY", "QTYREMAI" = "QTYREMAI" + line."QUANTITY",
        "QTYTOINV" = "QTYTOINV" + line."QUANTITY", "REMPRICE" = "REMPRICE" + line."XTNDPRCE",
        "OREPRICE" = "OREPRICE" + line."XTNDPRCE"
      WHERE "SOPNUMBE" = h."ORIGNUMB" AND "SOPTYPE" = 2 AND "CMPNTSEQ" = 0 AND "LNITMSEQ" = line."ORGSEQNM";
    END IF;
  END LOOP;
  UPDATE "SOP10200" SET "ATYALLOC" = 0, "QTYFULFI" = 0 WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type
    AND ("ATYALLOC" <> 0 OR "QTYFULFI" <> 0);
END
$$;

CREATE FUNCTION engine.leave_batch(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  h "SOP10100";
BEGIN
  SELECT * INTO h FROM "SOP10100" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  PERFORM engine.count_in_batch(h."BACHNUMB", -1, -h."DOCAMNT");
END
$$;

-- Deleted in work and inserted in history, in the caller's transaction; that is how GP posts, transfers and voids.
CREATE FUNCTION engine.move_to_history(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.leave_batch(document_type, number);
  PERFORM engine."copy_SOP10100_to_SOP30200"(document_type, number);
  PERFORM engine."copy_SOP10200_to_SOP30300"(document_type, number);
  DELETE FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  DELETE FROM "SOP10100" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  DELETE FROM sandbox.edit_locks WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
END
$$;

-- Allocates what the site has for every line that still waits; answers what is left short.
CREATE FUNCTION engine.allocate_document(document_type smallint, number bpchar) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  line "SOP10200";
  wanted numeric;
  possible numeric;
  short numeric := 0;
BEGIN
  FOR line IN
    SELECT * FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "CMPNTSEQ" = 0
    ORDER BY "ITEMNMBR", "LNITMSEQ" FOR UPDATE
  LOOP
    wanted := line."QUANTITY" - line."QTYCANCE" - line."QTYPRINV" - line."ATYALLOC";
    CONTINUE WHEN wanted <= 0 OR NOT engine.is_stocked(line);
    possible := least(wanted, trunc(
      engine.available(line."ITEMNMBR", line."LOCNCODE") / line."QTYBSUOM", line."DECPLQTY" - 1
    ));
    short := short + wanted - possible;
    CONTINUE WHEN possible <= 0;
    PERFORM engine.allocate_line(line, possible);
  END LOOP;
  RETURN short;
END
$$;

CREATE FUNCTION engine.allocate_line(line dbo."SOP10200", amount numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  -- what was put on back order is served last, once the rest of the line is allocated
  unserved numeric := line."QTYREMAI" - line."ATYALLOC" - amount;
  still_back_ordered numeric := least(line."QTYTBAOR", unserved);
BEGIN
  UPDATE "SOP10200" SET "ATYALLOC" = "ATYALLOC" + amount, "QTYTBAOR" = still_back_ordered,
    "QTYREMBO" = still_back_ordered, "QTYTOINV" = "QTYREMAI" - still_back_ordered
  WHERE "SOPNUMBE" = line."SOPNUMBE" AND "SOPTYPE" = line."SOPTYPE" AND "CMPNTSEQ" = line."CMPNTSEQ"
    AND "LNITMSEQ" = line."LNITMSEQ";
  PERFORM engine.change_stock(
    line."ITEMNMBR", line."LOCNCODE", 0, amount * line."QTYBSUOM",
    back_ordered => (still_back_ordered - line."QTYTBAOR") * line."QTYBSUOM"
  );
END
$$;
