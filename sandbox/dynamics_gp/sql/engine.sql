-- What every procedure leans on: argument check, injected faults, look-ups, numbers, stock, batches.

-- Refuses a call as SQL Server does (8145 unknown parameter, 201 missing one), then plays an injected fault,
-- then reports blanks where a value is required. An empty array means: go on.
CREATE FUNCTION engine.checked(procedure text, arguments jsonb, known text[], required text[]) RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  name text;
  errors integer[];
BEGIN
  IF jsonb_typeof(arguments) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION '201: procedure "%" expects its parameters as one JSON object', procedure USING ERRCODE = '42P02';
  END IF;
  IF arguments - known <> '{}'::jsonb THEN
    SELECT given INTO name FROM jsonb_object_keys(arguments - known) AS given LIMIT 1;
    RAISE EXCEPTION '8145: @% is not a parameter for procedure "%"', name, procedure USING ERRCODE = '42P02';
  END IF;
  IF NOT arguments ?& required THEN
    SELECT wanted INTO name FROM unnest(required) AS wanted WHERE NOT arguments ? wanted LIMIT 1;
    RAISE EXCEPTION '201: procedure "%" expects parameter "@%", which was not supplied', procedure, name
      USING ERRCODE = '42P02';
  END IF;
  errors := engine.injected(procedure);
  FOREACH name IN ARRAY required LOOP
    IF coalesce(trim(arguments ->> name), '') = '' THEN
      RETURN errors || 90008;
    END IF;
  END LOOP;
  RETURN errors;
END
$$;

CREATE FUNCTION engine.injected(called text) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
  fault sandbox.faults;
BEGIN
  IF NOT EXISTS (SELECT FROM sandbox.faults) THEN
    RETURN '{}';
  END IF;
  FOR fault IN SELECT * FROM sandbox.faults WHERE procedure = called ORDER BY id LOOP
    CONTINUE WHEN nextval(format('sandbox.fault_%s', fault.id)::regclass) > fault.times;
    CASE fault.kind
      WHEN 'error' THEN RETURN ARRAY[fault.value];
      WHEN 'wait' THEN PERFORM pg_sleep(fault.value / 1000.0);
      WHEN 'deadlock' THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
      WHEN 'serialization' THEN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
      WHEN 'terminate' THEN PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(5);  -- the signal ends us here
    END CASE;
  END LOOP;
  RETURN '{}';
END
$$;

-- Look-ups ---------------------------------------------------------------------------------------------------------
-- GP's collation ignores case: what a caller spells in another case is the same customer, item or site.

CREATE FUNCTION engine.customer(given bpchar) RETURNS "dbo"."RM00101" LANGUAGE sql STABLE AS $$
  SELECT * FROM dbo."RM00101" WHERE upper("CUSTNMBR"::text) = upper(given::text)
$$;

CREATE FUNCTION engine.item(given bpchar) RETURNS "dbo"."IV00101" LANGUAGE sql STABLE AS $$
  SELECT * FROM dbo."IV00101" WHERE upper("ITEMNMBR"::text) = upper(given::text)
$$;

CREATE FUNCTION engine.address(customer bpchar, given bpchar) RETURNS "dbo"."RM00102" LANGUAGE sql STABLE AS $$
  SELECT * FROM dbo."RM00102" WHERE "CUSTNMBR" = customer AND upper("ADRSCODE"::text) = upper(given::text)
$$;

-- The numbers of look-ups that failed, for names that may be left blank; a blank one costs no query.
CREATE FUNCTION engine.unknown_names(
  tax_schedule bpchar DEFAULT '', shipping_method bpchar DEFAULT '', terms bpchar DEFAULT '', site bpchar DEFAULT '',
  price_level bpchar DEFAULT '', currency bpchar DEFAULT ''
) RETURNS integer[] LANGUAGE plpgsql STABLE AS $$
DECLARE
  errors integer[] := '{}';
BEGIN
  IF tax_schedule <> '' THEN
    PERFORM FROM dbo."TX00101" WHERE "TAXSCHID" = tax_schedule;
    errors := CASE WHEN FOUND THEN errors ELSE errors || 7023 END;
  END IF;
  IF shipping_method <> '' THEN
    PERFORM FROM dbo."SY03000" WHERE "SHIPMTHD" = shipping_method;
    errors := CASE WHEN FOUND THEN errors ELSE errors || 90011 END;
  END IF;
  IF terms <> '' THEN
    PERFORM FROM dbo."SY03300" WHERE "PYMTRMID" = terms;
    errors := CASE WHEN FOUND THEN errors ELSE errors || 90012 END;
  END IF;
  IF site <> '' THEN
    PERFORM FROM dbo."IV40700" WHERE "LOCNCODE" = site;
    errors := CASE WHEN FOUND THEN errors ELSE errors || 90013 END;
  END IF;
  IF price_level <> '' THEN
    PERFORM FROM dbo."IV40800" WHERE "PRCLEVEL" = price_level;
    errors := CASE WHEN FOUND THEN errors ELSE errors || 90015 END;
  END IF;
  IF currency <> '' THEN
    PERFORM FROM "DYNAMICS"."MC40200" WHERE "CURNCYID" = currency;
    errors := CASE WHEN FOUND THEN errors ELSE errors || 483 END;
  END IF;
  RETURN errors;
END
$$;

CREATE FUNCTION engine.in_work(document_type smallint, number bpchar) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM dbo."SOP10100" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number)
$$;

CREATE FUNCTION engine.in_history(document_type smallint, number bpchar) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM dbo."SOP30200" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number)
$$;

CREATE FUNCTION engine.being_edited(document_type smallint, number bpchar) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM sandbox.edit_locks WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number)
$$;

-- Fulfilment orders (6) use the ids and numbers of invoices.
CREATE FUNCTION engine.number_series(document_type integer) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
  SELECT (CASE document_type WHEN 6 THEN 3 ELSE document_type END)::smallint
$$;

-- Numbers ----------------------------------------------------------------------------------------------------------

-- The last run of digits moves by `step` and keeps its width: ORD0000009 -> ORD0000010.
CREATE FUNCTION engine.stepped_number(number text, step integer) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  part text[] := regexp_match(rtrim(number), '^(.*\D|)(\d+)(\D*)$');
  counted text;
BEGIN
  IF part IS NULL THEN
    RETURN rtrim(number) || '1';
  END IF;
  counted := greatest(part[2]::numeric + step, 0)::text;
  RETURN part[1] || lpad(counted, greatest(length(part[2]), length(counted)), '0') || part[3];
END
$$;

-- Takes the next free number of a document id; the setup row stays locked until the caller's transaction ends.
CREATE FUNCTION engine.take_number(document_type smallint, document_id bpchar) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  series smallint := engine.number_series(document_type);
  from_id boolean := true;
  number text;
BEGIN
  SELECT rtrim("SOPNUMBE") INTO number FROM dbo."SOP40200"
  WHERE "SOPTYPE" = series AND "DOCID" = document_id FOR UPDATE;
  IF coalesce(number, '') = '' THEN
    from_id := false;
    SELECT rtrim("SOPNUMBE") INTO number FROM dbo."SOP40300" WHERE "SOPTYPE" = series FOR UPDATE;
  END IF;
  WHILE engine.in_work(document_type, number::bpchar) OR engine.in_history(document_type, number::bpchar) LOOP
    number := engine.stepped_number(number, 1);
  END LOOP;
  IF from_id THEN
    UPDATE dbo."SOP40200" SET "SOPNUMBE" = engine.stepped_number(number, 1)
    WHERE "SOPTYPE" = series AND "DOCID" = document_id;
  ELSE
    UPDATE dbo."SOP40300" SET "SOPNUMBE" = engine.stepped_number(number, 1) WHERE "SOPTYPE" = series;
  END IF;
  RETURN number;
END
$$;

-- Puts the last taken number back.
CREATE FUNCTION engine.put_number_back(document_type smallint, document_id bpchar) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  series smallint := engine.number_series(document_type);
  number text;
BEGIN
  UPDATE dbo."SOP40200" SET "SOPNUMBE" = engine.stepped_number("SOPNUMBE"::text, -1)
  WHERE "SOPTYPE" = series AND "DOCID" = document_id AND "SOPNUMBE" <> ''
  RETURNING rtrim("SOPNUMBE") INTO number;
  IF NOT FOUND THEN
    UPDATE dbo."SOP40300" SET "SOPNUMBE" = engine.stepped_number("SOPNUMBE"::text, -1) WHERE "SOPTYPE" = series
    RETURNING rtrim("SOPNUMBE") INTO number;
  END IF;
  RETURN number;
END
$$;

CREATE FUNCTION engine."body_taGetSopNumber"(
  a engine."taGetSopNumber", OUT errors integer[], OUT "O_vSopNumber" varchar
) LANGUAGE plpgsql AS $$
BEGIN
  errors := '{}';
  IF a."I_tSOPTYPE" IS NULL OR a."I_tSOPTYPE" NOT BETWEEN 1 AND 6 THEN
    errors := errors || 90001;
  ELSIF coalesce(a."I_cDOCID", '') <> '' AND NOT EXISTS (
    SELECT FROM "SOP40200" WHERE "SOPTYPE" = engine.number_series(a."I_tSOPTYPE") AND "DOCID" = a."I_cDOCID"
  ) THEN
    errors := errors || 90002;
  ELSIF coalesce(a."I_tInc_Dec", 1) = 1 THEN
    "O_vSopNumber" := engine.take_number(a."I_tSOPTYPE", coalesce(a."I_cDOCID", ''));
  ELSE
    "O_vSopNumber" := engine.put_number_back(a."I_tSOPTYPE", coalesce(a."I_cDOCID", ''));
  END IF;
END
$$;

-- Stock, in base units; the row of the site (RCRDTYPE 2) and the total of all sites (RCRDTYPE 1) move together -------

CREATE FUNCTION engine.change_stock(
  item bpchar, site bpchar, on_hand numeric, allocated numeric DEFAULT 0, sold numeric DEFAULT 0, back_ordered numeric DEFAULT 0
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF on_hand = 0 AND allocated = 0 AND sold = 0 AND back_ordered = 0 THEN
    RETURN;
  END IF;
  UPDATE dbo."IV00102" SET
    "QTYONHND" = "QTYONHND" + on_hand,
    "ATYALLOC" = greatest("ATYALLOC" + allocated, 0),
    "QTYSOLD" = "QTYSOLD" + sold,
    "QTYBKORD" = greatest("QTYBKORD" + back_ordered, 0)
  WHERE "ITEMNMBR" = item AND ("RCRDTYPE" = 1 OR "LOCNCODE" = site);
END
$$;

-- Free at the site; the row stays locked, so that nobody takes it in between.
CREATE FUNCTION engine.available(item bpchar, site bpchar) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  free numeric;
BEGIN
  SELECT greatest("QTYONHND" - "ATYALLOC", 0) INTO free FROM dbo."IV00102"
  WHERE "ITEMNMBR" = item AND "RCRDTYPE" = 2 AND "LOCNCODE" = site FOR UPDATE;
  RETURN coalesce(free, 0);
END
$$;

-- Misc charges, services and flat fees have no stock.
CREATE FUNCTION engine.is_stocked(line dbo."SOP10200") RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT line."NONINVEN" = 0 AND line."DROPSHIP" = 0
    AND EXISTS (SELECT FROM dbo."IV00101" WHERE "ITEMNMBR" = line."ITEMNMBR" AND "ITEMTYPE" <= 3)
$$;

-- Batches ----------------------------------------------------------------------------------------------------------

CREATE FUNCTION engine.count_in_batch(
  batch bpchar, documents integer, total numeric, checkbook bpchar DEFAULT ''
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO dbo."SY00500" (
    "BCHSOURC", "BACHNUMB", "SERIES", "NUMOFTRX", "BCHTOTAL", "CHEKBKID", "ORIGIN", "BACHFREQ", "POSTTOGL",
    "GLPOSTDT", "CREATDDT", "MODIFDT"
  ) VALUES (
    'Sales Entry', batch, 3, greatest(documents, 0), greatest(total, 0), checkbook, 1, 1, 1,
    sandbox.today(), sandbox.today(), sandbox.today()
  )
  ON CONFLICT ("BCHSOURC", "BACHNUMB") DO UPDATE SET
    "NUMOFTRX" = greatest("SY00500"."NUMOFTRX" + documents, 0),
    "BCHTOTAL" = greatest("SY00500"."BCHTOTAL" + total, 0),
    "MODIFDT" = sandbox.today();
END
$$;

-- A note of a record, and the index that leads to it.
CREATE FUNCTION engine.keep_note(note_index numeric, note text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  place numeric := CASE WHEN note_index = 0 THEN nextval('sandbox.note_indexes') ELSE note_index END;
BEGIN
  IF coalesce(note, '') <> '' THEN
    INSERT INTO dbo."SY03900" ("NOTEINDX", "DATE1", "TXTFIELD") VALUES (place, sandbox.today(), note)
    ON CONFLICT ("NOTEINDX") DO UPDATE SET "TXTFIELD" = EXCLUDED."TXTFIELD";
  END IF;
  RETURN place;
END
$$;
