-- What a person does in GP's windows: allocate, fulfil, transfer, post, void, cancel, correct stock.
-- SQLSTATE GP400, GP404 and GP409 say what the person would read in a message box.

CREATE FUNCTION engine.refuse(kind text, message text, field text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', message USING ERRCODE = kind, COLUMN = field;
END
$$;

-- The header in work, locked; a person cannot work on what another one has open.
CREATE FUNCTION engine.opened(document_type smallint, number bpchar) RETURNS dbo."SOP10100" LANGUAGE plpgsql AS $$
DECLARE
  h "SOP10100";
BEGIN
  SELECT * INTO h FROM "SOP10100" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type FOR UPDATE;
  IF NOT FOUND THEN
    IF engine.in_history(document_type, number) THEN
      PERFORM engine.refuse('GP409', format('document %s is in history', rtrim(number)), 'number');
    END IF;
    PERFORM engine.refuse('GP404', format('no document %s of type %s in work', rtrim(number), document_type), 'number');
  END IF;
  IF engine.being_edited(document_type, number) THEN
    PERFORM engine.refuse('GP409', format('document %s is being edited', rtrim(number)), 'number');
  END IF;
  RETURN h;
END
$$;

CREATE FUNCTION engine.user_allocate(document_type smallint, number bpchar) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.opened(document_type, number);
  RETURN engine.allocate_document(document_type, number);
END
$$;

-- {"item": quantity} spread over the lines of the item; what is more than they still ask for is refused.
CREATE FUNCTION engine.spread(document_type smallint, number bpchar, quantities jsonb)
RETURNS TABLE (line_number integer, amount numeric) LANGUAGE plpgsql AS $$
DECLARE
  wanted record;
  line "SOP10200";
  open_amount numeric;
BEGIN
  FOR wanted IN SELECT key AS item, value::numeric AS amount FROM jsonb_each_text(quantities) ORDER BY key LOOP
    IF NOT EXISTS (
      SELECT FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "ITEMNMBR" = wanted.item::bpchar
    ) THEN
      PERFORM engine.refuse('GP404', format('no line of item %s on document %s', wanted.item, rtrim(number)), 'lines');
    END IF;
    FOR line IN
      SELECT * FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "CMPNTSEQ" = 0
        AND "ITEMNMBR" = wanted.item::bpchar ORDER BY "LNITMSEQ"
    LOOP
      open_amount := least(line."QTYREMAI", wanted.amount);
      CONTINUE WHEN open_amount <= 0;
      wanted.amount := wanted.amount - open_amount;
      line_number := line."LNITMSEQ";
      amount := open_amount;
      RETURN NEXT;
    END LOOP;
    IF wanted.amount > 0 THEN
      PERFORM engine.refuse('GP409', format('%s more of item %s than is left to ship', wanted.amount, wanted.item), 'lines');
    END IF;
  END LOOP;
END
$$;

-- Lines given: exactly these amounts, allocated first if need be; `override` ships what the shelf does not show.
CREATE FUNCTION engine.user_fulfil(document_type smallint, number bpchar, quantities jsonb, shortage text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  chosen record;
  line "SOP10200";
  missing numeric;
BEGIN
  PERFORM engine.opened(document_type, number);
  IF quantities IS NULL THEN
    UPDATE "SOP10200" SET "QTYFULFI" = "ATYALLOC", "FUFILDAT" = sandbox.today(), "ACTLSHIP" = sandbox.today()
    WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "QTYFULFI" <> "ATYALLOC";
  ELSE
    FOR chosen IN SELECT * FROM engine.spread(document_type, number, quantities) LOOP
      SELECT * INTO line FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "CMPNTSEQ" = 0
        AND "LNITMSEQ" = chosen.line_number FOR UPDATE;
      missing := chosen.amount - line."ATYALLOC";
      IF missing > 0 AND engine.is_stocked(line) THEN
        IF shortage <> 'override'
          AND engine.available(line."ITEMNMBR", line."LOCNCODE") < missing * line."QTYBSUOM" THEN
          PERFORM engine.refuse('GP409', format('item %s is short at site %s', rtrim(line."ITEMNMBR"),
            rtrim(line."LOCNCODE")), 'lines');
        END IF;
        PERFORM engine.allocate_line(line, missing);
      END IF;
      UPDATE "SOP10200" SET "QTYFULFI" = chosen.amount, "FUFILDAT" = sandbox.today(), "ACTLSHIP" = sandbox.today()
      WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "CMPNTSEQ" = 0 AND "LNITMSEQ" = chosen.line_number;
    END LOOP;
  END IF;
  UPDATE "SOP10100" SET "FUFILDAT" = sandbox.today(), "ACTLSHIP" = sandbox.today()
  WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
END
$$;

CREATE FUNCTION engine.user_track(document_type smallint, number bpchar, tracking text[]) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  added integer;
BEGIN
  IF NOT engine.in_work(document_type, number) AND NOT engine.in_history(document_type, number) THEN
    PERFORM engine.refuse('GP404', format('no document %s of type %s', rtrim(number), document_type), 'number');
  END IF;
  INSERT INTO "SOP10107" ("SOPNUMBE", "SOPTYPE", "Tracking_Number")
  SELECT number, document_type, left(given, 40) FROM unnest(tracking) AS given
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  RETURN added;
END
$$;

-- Order -> invoice. ------------------------------------------------------------------------------------------------

-- What these windows and the control API look documents up by; no statement of a client may lean on them.
CREATE INDEX IF NOT EXISTS "sandbox_work_origin" ON dbo."SOP10100" ("ORIGNUMB");
CREATE INDEX IF NOT EXISTS "sandbox_history_origin" ON dbo."SOP30200" ("ORIGNUMB");
CREATE INDEX IF NOT EXISTS "sandbox_work_reference" ON dbo."SOP10100" ("CSTPONBR");
CREATE INDEX IF NOT EXISTS "sandbox_history_reference" ON dbo."SOP30200" ("CSTPONBR");
CREATE INDEX IF NOT EXISTS "sandbox_user_defined" ON dbo."SOP10106" ("USERDEF1");

-- What an order's invoices have taken of it so far, voided ones apart.
CREATE FUNCTION engine.invoiced(order_number bpchar, OUT invoices bigint, OUT subtotal numeric, OUT discount numeric)
LANGUAGE sql STABLE AS $$
  SELECT count(*), coalesce(sum("SUBTOTAL"), 0), coalesce(sum("TRDISAMT"), 0) FROM (
    SELECT "SUBTOTAL", "TRDISAMT" FROM dbo."SOP10100"
    WHERE "SOPTYPE" = 3 AND "ORIGTYPE" = 2 AND "ORIGNUMB" = order_number AND "VOIDSTTS" = 0
    UNION ALL
    SELECT "SUBTOTAL", "TRDISAMT" FROM dbo."SOP30200"
    WHERE "SOPTYPE" = 3 AND "ORIGTYPE" = 2 AND "ORIGNUMB" = order_number AND "VOIDSTTS" = 0
  ) AS invoice
$$;

-- The part of an amount that quantities (done, done + now] of `whole` carry; parts of all shipments add up exactly.
CREATE FUNCTION engine.share(amount numeric, whole numeric, done numeric, now numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN whole = 0 THEN 0
    ELSE round(amount * (done + now) / whole, 2) - round(amount * done / whole, 2) END
$$;

CREATE FUNCTION engine.user_transfer(order_number bpchar, quantities jsonb, tracking text[], back_order text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  h "SOP10100" := engine.opened(2::smallint, order_number);
  -- settled before the first line changes what is left of the others
  chosen jsonb := (
    SELECT jsonb_object_agg(s.line_number::text, s.amount) FROM engine.spread(2::smallint, order_number, quantities) AS s
  );
  line "SOP10200";
  amount numeric;
  invoice text;
BEGIN
  FOR line IN
    SELECT * FROM "SOP10200" WHERE "SOPNUMBE" = order_number AND "SOPTYPE" = 2 AND "CMPNTSEQ" = 0
    ORDER BY "ITEMNMBR", "LNITMSEQ" FOR UPDATE
  LOOP
    IF quantities IS NULL THEN
      amount := CASE WHEN engine.is_stocked(line) THEN line."ATYALLOC" ELSE line."QTYREMAI" END;
    ELSE
      amount := coalesce((chosen ->> line."LNITMSEQ"::text)::numeric, 0);
    END IF;
    CONTINUE WHEN amount <= 0;
    invoice := coalesce(invoice, engine.take_number(3::smallint, 'STDINV'));
    PERFORM engine.transfer_line(line, amount, invoice);
  END LOOP;
  IF invoice IS NULL THEN
    PERFORM engine.refuse('GP409', format('nothing of order %s is allocated', rtrim(order_number)), 'lines');
  END IF;
  PERFORM engine.transfer_header(h, invoice);
  INSERT INTO "SOP10107" ("SOPNUMBE", "SOPTYPE", "Tracking_Number")
  SELECT invoice, 3, number FROM (
    SELECT left(given, 40)::bpchar AS number FROM unnest(tracking) AS given
    UNION
    SELECT t."Tracking_Number" FROM "SOP10107" AS t WHERE t."SOPNUMBE" = order_number AND t."SOPTYPE" = 2
      AND NOT EXISTS (  -- a parcel of an earlier invoice stays with that one
        SELECT FROM "SOP10107" AS other WHERE other."Tracking_Number" = t."Tracking_Number" AND other."SOPTYPE" = 3
      )
  ) AS numbers ON CONFLICT DO NOTHING;
  PERFORM engine.close_order(order_number, back_order);
  RETURN invoice;
END
$$;

CREATE FUNCTION engine.transfer_line(line dbo."SOP10200", amount numeric, invoice text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  whole numeric := line."QUANTITY" - line."QTYCANCE";
  held numeric := least(line."ATYALLOC", amount);
  price numeric := engine.share(line."XTNDPRCE", whole, line."QTYPRINV", amount);
  tax numeric := engine.share(line."TAXAMNT", whole, line."QTYPRINV", amount);
  n "SOP10200" := line;
BEGIN
  IF engine.is_stocked(line) AND amount > held THEN
    PERFORM engine.allocate_line(line, amount - held);
  END IF;
  n."SOPTYPE" := 3; n."SOPNUMBE" := invoice; n."ORGSEQNM" := line."LNITMSEQ";
  n."QUANTITY" := amount; n."ATYALLOC" := amount; n."QTYFULFI" := amount;
  n."QTYREMAI" := amount; n."QTYTOINV" := amount; n."QTYPRINV" := 0;
  n."QTYCANCE" := 0; n."QTYTBAOR" := 0; n."QTYREMBO" := 0;
  n."XTNDPRCE" := price; n."OXTNDPRC" := price; n."REMPRICE" := price; n."OREPRICE" := price;
  n."TAXAMNT" := tax; n."ORTAXAMT" := tax;
  n."EXTDCOST" := round(line."UNITCOST" * amount, 2); n."OREXTCST" := n."EXTDCOST";
  n."FUFILDAT" := sandbox.today(); n."ACTLSHIP" := sandbox.today();
  PERFORM engine."add_SOP10200"(n);
  INSERT INTO "SOP10105" (
    "SOPTYPE", "SOPNUMBE", "LNITMSEQ", "TAXDTLID", "ACTINDX", "STAXAMNT", "ORSLSTAX", "TAXDTSLS", "ORTOTSLS",
    "TDTTXSLS", "ORTXSLS", "TXDTOTTX", "OTTAXPON", "TXABLETX", "CURRNIDX"
  )
  SELECT 3, invoice, "LNITMSEQ", "TAXDTLID", "ACTINDX", part, part, price, price, price, price, part, part, 1, 1
  FROM (
    SELECT *, engine.share("STAXAMNT", whole, line."QTYPRINV", amount) AS part FROM "SOP10105"
    WHERE "SOPTYPE" = 2 AND "SOPNUMBE" = line."SOPNUMBE" AND "LNITMSEQ" = line."LNITMSEQ"
  ) AS taxes;
  UPDATE "SOP10200" SET
    "QTYPRINV" = "QTYPRINV" + amount, "QTYREMAI" = "QTYREMAI" - amount,
    "QTYTOINV" = greatest("QTYTOINV" - amount, 0),
    "ATYALLOC" = CASE WHEN engine.is_stocked(line) THEN "ATYALLOC" - amount ELSE 0 END,
    "QTYFULFI" = greatest("QTYFULFI" - amount, 0),
    "REMPRICE" = "REMPRICE" - price, "OREPRICE" = "OREPRICE" - price
  WHERE "SOPNUMBE" = line."SOPNUMBE" AND "SOPTYPE" = 2 AND "CMPNTSEQ" = 0 AND "LNITMSEQ" = line."LNITMSEQ";
END
$$;

-- Freight and miscellaneous charge go over with the first invoice, the discount in proportion.
CREATE FUNCTION engine.transfer_header(h dbo."SOP10100", invoice text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  i "SOP10100" := h;
  before record;
  tax record;
BEGIN
  SELECT * INTO before FROM engine.invoiced(h."SOPNUMBE");
  i."SOPTYPE" := 3; i."SOPNUMBE" := invoice; i."DOCID" := 'STDINV';
  i."ORIGTYPE" := 2; i."ORIGNUMB" := h."SOPNUMBE";
  i."DOCDATE" := sandbox.today(); i."INVODATE" := sandbox.today(); i."GLPOSTDT" := sandbox.today();
  i."ACTLSHIP" := sandbox.today(); i."FUFILDAT" := sandbox.today();
  i."CREATDDT" := sandbox.today(); i."MODIFDT" := sandbox.today();
  i."DUEDATE" := sandbox.today() + make_interval(days => coalesce((
    SELECT "DUEDTDS" FROM "SY03300" WHERE "PYMTRMID" = h."PYMTRMID"
  ), 0));
  i."PYMTRCVD" := 0; i."DEPRECVD" := 0;
  SELECT sum("XTNDPRCE"), sum("EXTDCOST") INTO i."SUBTOTAL", i."EXTDCOST" FROM "SOP10200"
  WHERE "SOPNUMBE" = i."SOPNUMBE" AND "SOPTYPE" = 3;
  i."REMSUBTO" := i."SUBTOTAL";
  i."TRDISAMT" := engine.share(h."TRDISAMT", h."SUBTOTAL", before.subtotal, i."SUBTOTAL");
  IF before.invoices > 0 THEN
    i."FRTAMNT" := 0; i."FRTTXAMT" := 0; i."MISCAMNT" := 0; i."MSCTXAMT" := 0;
  END IF;
  PERFORM engine.transfer_document_taxes(h, i, before.invoices = 0, before.subtotal);
  SELECT * INTO tax FROM engine.taxes_of(3::smallint, i."SOPNUMBE", true);
  i."TAXAMNT" := tax.sales;
  i."DOCAMNT" := i."SUBTOTAL" + i."FRTAMNT" + i."MISCAMNT" + i."TAXAMNT" + i."FRTTXAMT" + i."MSCTXAMT" - i."TRDISAMT";
  PERFORM engine."add_SOP10100"(engine.with_originating(i));
  PERFORM engine.count_in_batch(i."BACHNUMB", 1, i."DOCAMNT");
  INSERT INTO "SOP10106" (
    "SOPTYPE", "SOPNUMBE", "USRDAT01", "USRDAT02", "USRTAB01", "USRTAB09", "USRTAB03", "USERDEF1", "USERDEF2",
    "USRDEF03", "USRDEF04", "USRDEF05", "COMMENT_1", "COMMENT_2", "COMMENT_3", "COMMENT_4", "CMMTTEXT"
  )
  SELECT 3, invoice, "USRDAT01", "USRDAT02", "USRTAB01", "USRTAB09", "USRTAB03", "USERDEF1", "USERDEF2",
    "USRDEF03", "USRDEF04", "USRDEF05", "COMMENT_1", "COMMENT_2", "COMMENT_3", "COMMENT_4", "CMMTTEXT"
  FROM "SOP10106" WHERE "SOPTYPE" = 2 AND "SOPNUMBE" = h."SOPNUMBE";
  UPDATE "SOP10100" SET "REMSUBTO" = "REMSUBTO" - i."SUBTOTAL", "OREMSUBT" = "OREMSUBT" - i."SUBTOTAL"
  WHERE "SOPNUMBE" = h."SOPNUMBE" AND "SOPTYPE" = 2;
END
$$;

-- The invoice's document rows: sums of its lines' taxes, or its part of taxes the order has on the document only.
CREATE FUNCTION engine.transfer_document_taxes(h dbo."SOP10100", i dbo."SOP10100", first boolean, done numeric)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.sum_taxes(3::smallint, i."SOPNUMBE");
  INSERT INTO "SOP10105" (
    "SOPTYPE", "SOPNUMBE", "LNITMSEQ", "TAXDTLID", "ACTINDX", "STAXAMNT", "ORSLSTAX", "FRTTXAMT", "ORFRTTAX",
    "MSCTXAMT", "ORMSCTAX", "TAXDTSLS", "ORTOTSLS", "TDTTXSLS", "ORTXSLS", "TXDTOTTX", "OTTAXPON", "TXABLETX", "CURRNIDX"
  )
  SELECT 3, i."SOPNUMBE", 0, d."TAXDTLID", d."ACTINDX", part, part, freight, freight, misc, misc,
    i."SUBTOTAL", i."SUBTOTAL", i."SUBTOTAL", i."SUBTOTAL", part + freight + misc, part + freight + misc, 1, 1
  FROM (
    SELECT o.*,
      CASE WHEN EXISTS (
        SELECT FROM "SOP10105" AS l WHERE l."SOPTYPE" = 2 AND l."SOPNUMBE" = h."SOPNUMBE" AND l."LNITMSEQ" <> 0
      ) THEN 0 ELSE engine.share(o."STAXAMNT", h."SUBTOTAL", done, i."SUBTOTAL") END AS part,
      CASE WHEN first THEN o."FRTTXAMT" ELSE 0 END AS freight,
      CASE WHEN first THEN o."MSCTXAMT" ELSE 0 END AS misc
    FROM "SOP10105" AS o WHERE o."SOPTYPE" = 2 AND o."SOPNUMBE" = h."SOPNUMBE" AND o."LNITMSEQ" = 0
  ) AS d
  WHERE part <> 0 OR freight <> 0 OR misc <> 0
  ON CONFLICT ("SOPTYPE", "SOPNUMBE", "LNITMSEQ", "TAXDTLID") DO UPDATE SET
    "FRTTXAMT" = EXCLUDED."FRTTXAMT", "ORFRTTAX" = EXCLUDED."ORFRTTAX",
    "MSCTXAMT" = EXCLUDED."MSCTXAMT", "ORMSCTAX" = EXCLUDED."ORMSCTAX",
    "TXDTOTTX" = "SOP10105"."STAXAMNT" + EXCLUDED."FRTTXAMT" + EXCLUDED."MSCTXAMT",
    "OTTAXPON" = "SOP10105"."STAXAMNT" + EXCLUDED."FRTTXAMT" + EXCLUDED."MSCTXAMT";
END
$$;

-- An order of which nothing is left goes to history; `cancel` leaves nothing.
CREATE FUNCTION engine.close_order(order_number bpchar, back_order text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  line "SOP10200";
BEGIN
  IF back_order = 'cancel' THEN
    FOR line IN
      SELECT * FROM "SOP10200" WHERE "SOPNUMBE" = order_number AND "SOPTYPE" = 2 AND "QTYREMAI" > 0
      ORDER BY "ITEMNMBR", "LNITMSEQ"
    LOOP
      PERFORM engine.cancel_on_line(line, line."QTYREMAI");
    END LOOP;
    PERFORM engine.recompute_document(2::smallint, order_number);
  END IF;
  IF NOT EXISTS (SELECT FROM "SOP10200" WHERE "SOPNUMBE" = order_number AND "SOPTYPE" = 2 AND "QTYREMAI" > 0) THEN
    PERFORM engine.move_to_history(2::smallint, order_number);
  END IF;
END
$$;

-- Cancelling. -------------------------------------------------------------------------------------------------------

CREATE FUNCTION engine.cancel_on_line(line dbo."SOP10200", amount numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  whole numeric := line."QUANTITY" - line."QTYCANCE";
  price numeric := engine.share(line."XTNDPRCE", whole, 0, whole - amount);
  tax numeric := engine.share(line."TAXAMNT", whole, 0, whole - amount);
  left_open numeric := line."QTYREMAI" - amount;
  released numeric := greatest(line."ATYALLOC" - left_open, 0);
  still_back_ordered numeric := least(line."QTYTBAOR", left_open);
BEGIN
  IF engine.is_stocked(line) THEN
    PERFORM engine.change_stock(
      line."ITEMNMBR", line."LOCNCODE", 0, -released * line."QTYBSUOM",
      back_ordered => (still_back_ordered - line."QTYTBAOR") * line."QTYBSUOM"
    );
  END IF;
  UPDATE "SOP10105" SET
    "STAXAMNT" = engine.share("STAXAMNT", whole, 0, whole - amount),
    "ORSLSTAX" = engine.share("ORSLSTAX", whole, 0, whole - amount),
    "TXDTOTTX" = engine.share("TXDTOTTX", whole, 0, whole - amount),
    "OTTAXPON" = engine.share("OTTAXPON", whole, 0, whole - amount),
    "TAXDTSLS" = price, "ORTOTSLS" = price, "TDTTXSLS" = price, "ORTXSLS" = price
  WHERE "SOPTYPE" = line."SOPTYPE" AND "SOPNUMBE" = line."SOPNUMBE" AND "LNITMSEQ" = line."LNITMSEQ";
  UPDATE "SOP10200" SET
    "QTYCANCE" = "QTYCANCE" + amount, "QTYREMAI" = left_open, "QTYTBAOR" = still_back_ordered,
    "QTYREMBO" = still_back_ordered, "QTYTOINV" = left_open - still_back_ordered,
    "ATYALLOC" = "ATYALLOC" - released, "QTYFULFI" = least("QTYFULFI", "ATYALLOC" - released),
    "REMPRICE" = "REMPRICE" - ("XTNDPRCE" - price), "OREPRICE" = "OREPRICE" - ("OXTNDPRC" - price),
    "XTNDPRCE" = price, "OXTNDPRC" = price, "TAXAMNT" = tax, "ORTAXAMT" = tax
  WHERE "SOPNUMBE" = line."SOPNUMBE" AND "SOPTYPE" = line."SOPTYPE" AND "CMPNTSEQ" = line."CMPNTSEQ"
    AND "LNITMSEQ" = line."LNITMSEQ";
END
$$;

CREATE FUNCTION engine.recompute_document(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  h "SOP10100";
  before numeric;
  was numeric;
  tax record;
BEGIN
  SELECT * INTO h FROM "SOP10100" WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type;
  before := h."DOCAMNT";
  was := h."SUBTOTAL";
  SELECT sum("XTNDPRCE"), sum("REMPRICE") INTO h."SUBTOTAL", h."REMSUBTO" FROM "SOP10200"
  WHERE "SOPNUMBE" = number AND "SOPTYPE" = document_type AND "CMPNTSEQ" = 0;
  IF EXISTS (
    SELECT FROM "SOP10105" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number AND "LNITMSEQ" <> 0
  ) THEN
    PERFORM engine.sum_taxes(document_type, number);
  ELSE
    UPDATE "SOP10105" SET "STAXAMNT" = engine.share("STAXAMNT", was, 0, h."SUBTOTAL"),
      "ORSLSTAX" = engine.share("STAXAMNT", was, 0, h."SUBTOTAL")
    WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number;
  END IF;
  SELECT * INTO tax FROM engine.taxes_of(document_type, number, true);
  h."TAXAMNT" := tax.sales;
  h."TRDISAMT" := engine.share(h."TRDISAMT", was, 0, h."SUBTOTAL");
  h."DOCAMNT" := h."SUBTOTAL" + h."FRTAMNT" + h."MISCAMNT" + h."TAXAMNT" + h."FRTTXAMT" + h."MSCTXAMT" - h."TRDISAMT";
  h."MODIFDT" := sandbox.today();
  PERFORM engine."put_SOP10100"(engine.with_originating(h));
  PERFORM engine.count_in_batch(h."BACHNUMB", 0, h."DOCAMNT" - before);
END
$$;

CREATE FUNCTION engine.user_cancel_line(order_number bpchar, item text, quantity numeric) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  chosen record;
  line "SOP10200";
BEGIN
  PERFORM engine.opened(2::smallint, order_number);
  FOR chosen IN SELECT * FROM engine.spread(2::smallint, order_number, jsonb_build_object(item, quantity)) LOOP
    SELECT * INTO line FROM "SOP10200" WHERE "SOPNUMBE" = order_number AND "SOPTYPE" = 2 AND "CMPNTSEQ" = 0
      AND "LNITMSEQ" = chosen.line_number FOR UPDATE;
    PERFORM engine.cancel_on_line(line, chosen.amount);
  END LOOP;
  PERFORM engine.recompute_document(2::smallint, order_number);
  -- a partly invoiced order of which the rest is cancelled is done
  IF (SELECT sum("QTYREMAI") = 0 AND sum("QTYPRINV") > 0 FROM "SOP10200"
      WHERE "SOPNUMBE" = order_number AND "SOPTYPE" = 2) THEN
    PERFORM engine.move_to_history(2::smallint, order_number);
  END IF;
END
$$;

CREATE FUNCTION engine.refuse_removal(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.opened(document_type, number);
  IF engine.removal_errors(document_type, number) <> '{}' THEN
    PERFORM engine.refuse('GP409', format('document %s is transferred in part', rtrim(number)), 'number');
  END IF;
END
$$;

CREATE FUNCTION engine.user_void(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.refuse_removal(document_type, number);
  PERFORM engine.void_document(document_type, number, true);
END
$$;

CREATE FUNCTION engine.user_delete(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.refuse_removal(document_type, number);
  PERFORM engine.delete_document(document_type, number);
END
$$;

-- Posting. ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION engine.user_post(number bpchar) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  h "SOP10100" := engine.opened(3::smallint, number);
  line "SOP10200";
  audit_trail text := 'SLSTE' || lpad(nextval('sandbox.audit_trails')::text, 8, '0');
BEGIN
  IF EXISTS (
    SELECT FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = 3 AND engine.is_stocked("SOP10200")
      AND "QTYFULFI" < "QUANTITY" - "QTYCANCE" - "QTYTBAOR"
  ) THEN
    PERFORM engine.refuse('GP409', format('invoice %s is not fulfilled', rtrim(number)), 'number');
  END IF;
  FOR line IN
    SELECT * FROM "SOP10200" WHERE "SOPNUMBE" = number AND "SOPTYPE" = 3 ORDER BY "ITEMNMBR", "LNITMSEQ"
  LOOP
    IF engine.is_stocked(line) THEN
      PERFORM engine.change_stock(
        line."ITEMNMBR", line."LOCNCODE", -line."QTYFULFI" * line."QTYBSUOM", -line."ATYALLOC" * line."QTYBSUOM",
        line."QTYFULFI" * line."QTYBSUOM"
      );
    END IF;
  END LOOP;
  PERFORM engine.move_to_history(3::smallint, number);
  UPDATE "SOP30200" SET "PSTGSTUS" = 2, "POSTEDDT" = sandbox.today(), "PTDUSRID" = 'gpuser', "TRXSORCE" = audit_trail,
    "SOPSTATUS" = CASE WHEN "SOPSTATUS" = 0 THEN 0 ELSE 9 END
  WHERE "SOPNUMBE" = number AND "SOPTYPE" = 3;
  UPDATE "SOP30300" SET "TRXSORCE" = audit_trail WHERE "SOPNUMBE" = number AND "SOPTYPE" = 3;
  PERFORM engine.open_receivable(h, audit_trail);
  DELETE FROM "SY00500" WHERE "BCHSOURC" = 'Sales Entry' AND "BACHNUMB" = h."BACHNUMB" AND "NUMOFTRX" = 0;
END
$$;

CREATE FUNCTION engine.open_receivable(h dbo."SOP10100", audit_trail text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r "RM20101" := engine."blank_RM20101"();
BEGIN
  r."CUSTNMBR" := h."CUSTNMBR"; r."DOCNUMBR" := h."SOPNUMBE"; r."RMDTYPAL" := 1;
  r."BACHNUMB" := h."BACHNUMB"; r."BCHSOURC" := h."BCHSOURC"; r."TRXSORCE" := audit_trail;
  r."DUEDATE" := h."DUEDATE"; r."DOCDATE" := h."DOCDATE"; r."POSTDATE" := sandbox.today();
  r."GLPOSTDT" := h."GLPOSTDT"; r."PSTUSRID" := 'gpuser'; r."LSTUSRED" := 'gpuser';
  r."LSTEDTDT" := sandbox.today();
  r."ORTRXAMT" := h."DOCAMNT"; r."CURTRXAM" := h."ACCTAMNT";
  r."SLSAMNT" := h."SUBTOTAL"; r."COSTAMNT" := h."EXTDCOST"; r."FRTAMNT" := h."FRTAMNT";
  r."MISCAMNT" := h."MISCAMNT"; r."TAXAMNT" := h."TAXAMNT" + h."FRTTXAMT" + h."MSCTXAMT";
  r."TRDISAMT" := h."TRDISAMT"; r."CSPORNBR" := h."CSTPONBR"; r."PYMTRMID" := h."PYMTRMID";
  r."SHIPMTHD" := h."SHIPMTHD"; r."TAXSCHID" := h."TAXSCHID"; r."CURNCYID" := h."CURNCYID";
  r."SLPRSNID" := h."SLPRSNID"; r."ADRSCODE" := h."PRBTADCD"; r."Tax_Date" := h."Tax_Date";
  PERFORM engine."add_RM20101"(r);
  INSERT INTO "RM00401" ("DOCNUMBR", "RMDTYPAL", "DCSTATUS", "BCHSOURC", "TRXSORCE", "CUSTNMBR", "DOCDATE")
  VALUES (h."SOPNUMBE", 1, 2, h."BCHSOURC", audit_trail, h."CUSTNMBR", h."DOCDATE");
END
$$;

-- Master data. ------------------------------------------------------------------------------------------------------

-- A count or an adjustment of one item at one site; answers the new quantity on hand.
CREATE FUNCTION engine.user_stock(given_item bpchar, given_site bpchar, count_to numeric, change_by numeric)
RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  was numeric;
BEGIN
  SELECT "QTYONHND" INTO was FROM "IV00102"
  WHERE "ITEMNMBR" = given_item AND "RCRDTYPE" = 2 AND "LOCNCODE" = given_site FOR UPDATE;
  IF NOT FOUND THEN
    PERFORM engine.refuse('GP404', format('no item %s at site %s', rtrim(given_item), rtrim(given_site)), 'item');
  END IF;
  PERFORM engine.change_stock(given_item, given_site, coalesce(count_to - was, change_by, 0));
  RETURN coalesce(count_to, was + change_by);
END
$$;
