-- taSopLineIvcInsert, taSopLineIvcTaxInsert, taSopLineDelete.

-- What is asked for and what the master data make of it, before anything is written.
CREATE TYPE engine.line_facts AS (
  customer bpchar, item "dbo"."IV00101", unit bpchar, units numeric, site bpchar, price numeric, extended numeric
);

CREATE FUNCTION engine.line_facts(a engine."taSopLineIvcInsert") RETURNS engine.line_facts LANGUAGE plpgsql AS $$
DECLARE
  f engine.line_facts;
BEGIN
  f.customer := (engine.customer(a."I_vCUSTNMBR"))."CUSTNMBR";
  f.price := a."I_vUNITPRCE";
  f.units := 1;
  IF a."I_vNONINVEN" = 1 THEN
    f.unit := a."I_vUOFM";
    f.site := a."I_vLOCNCODE";
  ELSE
    f.item := engine.item(a."I_vITEMNMBR");
    f.unit := coalesce(nullif(a."I_vUOFM", ''), nullif((f.item)."SELNGUOM", ''), (
      SELECT "BASEUOFM" FROM "IV40201" WHERE "UOMSCHDL" = (f.item)."UOMSCHDL"
    ));
    SELECT "UOFM", "QTYBSUOM" INTO f.unit, f.units FROM "IV00106"
    WHERE "ITEMNMBR" = (f.item)."ITEMNMBR" AND upper("UOFM"::text) = upper(f.unit::text);
    f.site := coalesce(nullif(a."I_vLOCNCODE", ''), (f.item)."LOCNCODE");
    SELECT "LOCNCODE" INTO f.site FROM "IV40700" WHERE upper("LOCNCODE"::text) = upper(f.site::text) AND f.site <> '';
    IF a."I_vDEFPRICING" = 1 THEN
      SELECT round("LISTPRCE" * f.units, 2) INTO f.price FROM "IV00105" WHERE "ITEMNMBR" = (f.item)."ITEMNMBR";
    END IF;
  END IF;
  f.extended := a."I_vXTNDPRCE";
  IF a."I_vDEFPRICING" = 1 OR a."I_vDEFEXTPRICE" = 1 THEN
    f.extended := round((f.price - coalesce(a."I_vMRKDNAMT", 0)) * a."I_vQUANTITY", 2);
  END IF;
  RETURN f;
END
$$;

CREATE FUNCTION engine.line_errors(a engine."taSopLineIvcInsert", f engine.line_facts, old dbo."SOP10200")
RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
  errors integer[] := engine.unknown_names(
    coalesce(a."I_vTAXSCHID", ''), coalesce(a."I_vSHIPMTHD", ''),
    price_level => a."I_vPRCLEVEL", currency => a."I_vCURNCYID"
  ) || engine.unknown_names(coalesce(a."I_vITMTSHID", ''));
  discount numeric := coalesce(a."I_vMRKDNAMT", 0);
BEGIN
  IF a."I_vSOPTYPE" NOT BETWEEN 1 AND 6 THEN
    errors := errors || 90001;
  END IF;
  IF f.customer IS NULL THEN
    errors := errors || 90003;
  ELSIF coalesce(a."I_vPRSTADCD", '') <> '' AND (engine.address(f.customer, a."I_vPRSTADCD"))."ADRSCODE" IS NULL THEN
    errors := errors || 90014;
  END IF;
  IF engine.in_history(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2221;
  END IF;
  IF engine.being_edited(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2079;
  END IF;
  errors := errors || engine.line_item_errors(a, f);
  IF a."I_vQUANTITY" <= 0 OR a."I_vQTYTBAOR" < 0 OR a."I_vQTYCANCE" < 0
    OR a."I_vQTYTBAOR" + a."I_vQTYCANCE" > a."I_vQUANTITY" THEN
    errors := errors || 90022;
  END IF;
  -- half a cent of difference is rounding, whichever way the caller rounds
  IF abs((f.price - discount) * a."I_vQUANTITY" - f.extended) > 0.005 OR f.extended <> round(f.extended, 2) THEN
    errors := errors || 722;
  END IF;
  IF old."ITEMNMBR" IS NOT NULL THEN
    IF a."I_vUpdateIfExists" <> 1 THEN
      errors := errors || 90019;
    ELSIF upper(old."ITEMNMBR"::text) <> upper(a."I_vITEMNMBR"::text) THEN
      errors := errors || 2902;
    ELSIF a."I_vQUANTITY" - a."I_vQTYCANCE" < old."QTYPRINV" THEN
      errors := errors || 90020;
    END IF;
  END IF;
  RETURN errors;
END
$$;

CREATE FUNCTION engine.line_item_errors(a engine."taSopLineIvcInsert", f engine.line_facts) RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  errors integer[] := '{}';
BEGIN
  IF a."I_vNONINVEN" = 1 THEN
    RETURN CASE WHEN a."I_vITEMDESC" = '' THEN ARRAY[90038] ELSE '{}' END;
  END IF;
  IF (f.item)."ITEMNMBR" IS NULL THEN
    RETURN ARRAY[90023];
  END IF;
  IF (f.item)."INACTIVE" = 1 THEN
    errors := errors || 90024;
  END IF;
  IF f.unit IS NULL THEN
    errors := errors || 90026;
  END IF;
  IF f.site IS NULL THEN
    errors := errors || CASE WHEN a."I_vLOCNCODE" = '' THEN 90018 ELSE 90013 END;
  ELSIF NOT EXISTS (
    SELECT FROM "IV00102" WHERE "ITEMNMBR" = (f.item)."ITEMNMBR" AND "RCRDTYPE" = 2 AND "LOCNCODE" = f.site
  ) THEN
    errors := errors || 90025;
  END IF;
  -- DECPLQTY 1 is no decimals, 2 is one, ... 6 is five
  IF a."I_vQUANTITY" <> round(a."I_vQUANTITY", (f.item)."DECPLQTY" - 1) THEN
    errors := errors || 90021;
  END IF;
  IF (f.item)."ALWBKORD" = 0 AND (a."I_vQTYTBAOR" > 0 OR a."I_vQtyShrtOpt" IN (3, 4)) THEN
    errors := errors || 4776;
  END IF;
  RETURN errors;
END
$$;

CREATE FUNCTION engine."body_taSopLineIvcInsert"(a engine."taSopLineIvcInsert", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  f engine.line_facts := engine.line_facts(a);
  old "SOP10200";
  line "SOP10200";
  held numeric;
BEGIN
  IF a."I_vLNITMSEQ" <> 0 THEN
    SELECT * INTO old FROM "SOP10200"
    WHERE "SOPNUMBE" = a."I_vSOPNUMBE" AND "SOPTYPE" = a."I_vSOPTYPE" AND "CMPNTSEQ" = 0
      AND "LNITMSEQ" = a."I_vLNITMSEQ" FOR UPDATE;
  END IF;
  errors := engine.line_errors(a, f, old);
  IF errors <> '{}' THEN
    RETURN;
  END IF;

  line := CASE WHEN old."ITEMNMBR" IS NULL THEN engine."blank_SOP10200"() ELSE old END;
  held := line."ATYALLOC";
  line := engine.line_from(a, f, line);
  IF line."LNITMSEQ" = 0 THEN
    SELECT coalesce(max("LNITMSEQ"), 0) + 16384 INTO line."LNITMSEQ" FROM "SOP10200"
    WHERE "SOPNUMBE" = line."SOPNUMBE" AND "SOPTYPE" = line."SOPTYPE";
  END IF;
  line := engine.allocated_at_entry(a, line, held);
  IF coalesce(a."I_vQTYFULFI", 0) > line."ATYALLOC" THEN
    errors := errors || 2905;
    RETURN;
  END IF;
  line."QTYFULFI" := least(coalesce(a."I_vQTYFULFI", line."QTYFULFI"), line."ATYALLOC");

  IF old."ITEMNMBR" IS NULL THEN
    PERFORM engine."add_SOP10200"(line);
  ELSE
    PERFORM engine."put_SOP10200"(line);
  END IF;
  IF engine.is_stocked(line) THEN
    PERFORM engine.change_stock(
      line."ITEMNMBR", line."LOCNCODE", 0, (line."ATYALLOC" - held) * line."QTYBSUOM",
      back_ordered => (line."QTYTBAOR" - coalesce(old."QTYTBAOR", 0)) * line."QTYBSUOM"
    );
  END IF;
  PERFORM engine.keep_line_comment(a, line."LNITMSEQ");
END
$$;

CREATE FUNCTION engine.line_from(a engine."taSopLineIvcInsert", f engine.line_facts, line dbo."SOP10200")
RETURNS dbo."SOP10200" LANGUAGE plpgsql AS $$
DECLARE
  customer "RM00101" := engine.customer(f.customer);
BEGIN
  line."SOPTYPE" := a."I_vSOPTYPE";
  line."SOPNUMBE" := a."I_vSOPNUMBE";
  line."LNITMSEQ" := a."I_vLNITMSEQ";
  line."ITEMNMBR" := coalesce((f.item)."ITEMNMBR", a."I_vITEMNMBR");
  line."ITEMDESC" := coalesce(nullif(a."I_vITEMDESC", ''), (f.item)."ITEMDESC", '');
  line."NONINVEN" := a."I_vNONINVEN";
  line."DROPSHIP" := a."I_vDROPSHIP";
  line."UOFM" := coalesce(f.unit, '');
  line."QTYBSUOM" := f.units;
  line."LOCNCODE" := coalesce(f.site, '');
  line."UNITCOST" := coalesce(a."I_vUNITCOST", (f.item)."CURRCOST" * f.units, 0);
  line."ORUNTCST" := line."UNITCOST";
  line."UNITPRCE" := f.price;
  line."ORUNTPRC" := f.price;
  line."XTNDPRCE" := f.extended;
  line."OXTNDPRC" := f.extended;
  line."REMPRICE" := f.extended;
  line."OREPRICE" := f.extended;
  line."EXTDCOST" := round(line."UNITCOST" * a."I_vQUANTITY", 2);
  line."OREXTCST" := line."EXTDCOST";
  line."MRKDNAMT" := coalesce(a."I_vMRKDNAMT", 0);
  line."ORMRKDAM" := line."MRKDNAMT";
  line."MRKDNPCT" := coalesce(a."I_vMRKDNPCT", 0) * 100;
  line."MRKDNTYP" := CASE WHEN a."I_vMRKDNPCT" IS NULL THEN 1 ELSE 0 END;
  line."ITMTSHID" := coalesce(a."I_vITMTSHID", (f.item)."ITMTSHID", '');
  line."IVITMTXB" := coalesce(nullif(a."I_vIVITMTXB", 0), (f.item)."TAXOPTNS", 0);
  line."TAXAMNT" := a."I_vTAXAMNT";
  line."ORTAXAMT" := a."I_vTAXAMNT";
  line."TAXSCHID" := coalesce(a."I_vTAXSCHID", '');
  line."QUANTITY" := a."I_vQUANTITY";
  line."QTYTBAOR" := a."I_vQTYTBAOR";
  line."QTYCANCE" := a."I_vQTYCANCE";
  line."QTYREMAI" := a."I_vQUANTITY" - a."I_vQTYCANCE" - line."QTYPRINV";
  line."QTYTOINV" := line."QTYREMAI" - a."I_vQTYTBAOR";
  line."QTYREMBO" := a."I_vQTYTBAOR";
  line."QTYONHND" := a."I_vQTYONHND";
  line."QTYRTRND" := a."I_vQTYRTRND";
  line."QTYINUSE" := a."I_vQTYINUSE";
  line."QTYINSVC" := a."I_vQTYINSVC";
  line."QTYDMGED" := a."I_vQTYDMGED";
  line."ReqShipDate" := a."I_vReqShipDate";
  line."FUFILDAT" := a."I_vFUFILDAT";
  line."ACTLSHIP" := a."I_vACTLSHIP";
  line."SHIPMTHD" := coalesce(a."I_vSHIPMTHD", customer."SHIPMTHD");
  line."SALSTERR" := coalesce(a."I_vSALSTERR", customer."SALSTERR");
  line."SLPRSNID" := coalesce(a."I_vSLPRSNID", customer."SLPRSNID");
  line."PRCLEVEL" := coalesce(nullif(a."I_vPRCLEVEL", ''), nullif(customer."PRCLEVEL", ''), (f.item)."PRCLEVEL", '');
  line."COMMNTID" := a."I_vCOMMNTID";
  line."CURRNIDX" := CASE WHEN a."I_vCURNCYID" = '' THEN 0 ELSE 1 END;
  line."DECPLQTY" := coalesce((f.item)."DECPLQTY", 3);
  line."DECPLCUR" := coalesce((f.item)."DECPLCUR", 3);
  line."ODECPLCU" := line."DECPLCUR";
  line."PURCHSTAT" := 1;
  line."EXCEPTIONALDEMAND" := a."I_vEXCEPTIONALDEMAND";
  line."PRSTADCD" := coalesce(nullif(a."I_vPRSTADCD", ''), customer."PRSTADCD");
  line."ShipToName" := a."I_vShipToName";
  line."CNTCPRSN" := a."I_vCNTCPRSN";
  line."ADDRESS1" := a."I_vADDRESS1";
  line."ADDRESS2" := a."I_vADDRESS2";
  line."ADDRESS3" := a."I_vADDRESS3";
  line."CITY" := a."I_vCITY";
  line."STATE" := a."I_vSTATE";
  line."ZIPCODE" := a."I_vZIPCODE";
  line."COUNTRY" := a."I_vCOUNTRY";
  line."PHONE1" := a."I_vPHONE1";
  line."PHONE2" := a."I_vPHONE2";
  line."PHONE3" := a."I_vPHONE3";
  line."FAXNUMBR" := a."I_vFAXNUMBR";
  line."Print_Phone_NumberGB" := coalesce(a."I_vPrint_Phone_NumberGB", 0);
  line."GPSFOINTEGRATIONID" := a."I_vGPSFOINTEGRATIONID";
  line."INTEGRATIONSOURCE" := a."I_vINTEGRATIONSOURCE";
  line."INTEGRATIONID" := a."I_vINTEGRATIONID";
  RETURN line;
END
$$;

-- Allocation when the line is entered: asked for by ALLOCATE, or because the document id allocates by line.
CREATE FUNCTION engine.allocated_at_entry(a engine."taSopLineIvcInsert", line dbo."SOP10200", held numeric)
RETURNS dbo."SOP10200" LANGUAGE plpgsql AS $$
DECLARE
  wanted numeric := line."QTYREMAI" - line."QTYTBAOR";
  possible numeric;
BEGIN
  line."ATYALLOC" := least(held, wanted);
  IF NOT engine.is_stocked(line) OR (a."I_vALLOCATE" <> 1 AND NOT EXISTS (
    SELECT FROM "SOP40200" WHERE "SOPTYPE" = engine.number_series(a."I_vSOPTYPE") AND "DOCID" = a."I_vDOCID"
      AND "ALLOCABY" = 1
  )) THEN
    RETURN line;
  END IF;
  possible := held + trunc(
    engine.available(line."ITEMNMBR", line."LOCNCODE") / line."QTYBSUOM", line."DECPLQTY" - 1
  );
  IF possible >= wanted OR a."I_vQtyShrtOpt" = 2 THEN
    line."ATYALLOC" := wanted;
    RETURN line;
  END IF;
  CASE a."I_vQtyShrtOpt"
    WHEN 3 THEN possible := 0; line."QTYTBAOR" := line."QTYTBAOR" + wanted;
    WHEN 4 THEN line."QTYTBAOR" := line."QTYTBAOR" + wanted - possible;
    WHEN 5 THEN possible := 0; line."QTYCANCE" := line."QTYCANCE" + wanted;
    WHEN 6 THEN line."QTYCANCE" := line."QTYCANCE" + wanted - possible;
    ELSE NULL;  -- 1, sell the balance: what is there is allocated, the rest waits
  END CASE;
  line."ATYALLOC" := possible;
  line."QTYREMAI" := line."QUANTITY" - line."QTYCANCE" - line."QTYPRINV";
  line."QTYTOINV" := line."QTYREMAI" - line."QTYTBAOR";
  line."QTYREMBO" := line."QTYTBAOR";
  RETURN line;
END
$$;

CREATE FUNCTION engine.keep_line_comment(a engine."taSopLineIvcInsert", line_number integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  r "SOP10202";
BEGIN
  IF a."I_vCOMMENT_1" = '' AND a."I_vCOMMENT_2" = '' AND a."I_vCOMMENT_3" = '' AND a."I_vCOMMENT_4" = ''
    AND a."I_vCMMTTEXT" = '' THEN
    RETURN;
  END IF;
  r := engine."blank_SOP10202"();
  r."SOPTYPE" := a."I_vSOPTYPE";
  r."SOPNUMBE" := a."I_vSOPNUMBE";
  r."LNITMSEQ" := line_number;
  r."COMMENT_1" := a."I_vCOMMENT_1"; r."COMMENT_2" := a."I_vCOMMENT_2";
  r."COMMENT_3" := a."I_vCOMMENT_3"; r."COMMENT_4" := a."I_vCOMMENT_4";
  r."CMMTTEXT" := a."I_vCMMTTEXT";
  PERFORM engine."put_SOP10202"(r);
END
$$;

CREATE FUNCTION engine."body_taSopLineIvcTaxInsert"(a engine."taSopLineIvcTaxInsert", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  r "SOP10105";
BEGIN
  errors := '{}';
  IF a."I_vSOPTYPE" NOT BETWEEN 1 AND 6 THEN
    errors := errors || 90001;
  END IF;
  IF (engine.customer(a."I_vCUSTNMBR"))."CUSTNMBR" IS NULL THEN
    errors := errors || 90003;
  END IF;
  IF engine.in_history(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2221;
  END IF;
  IF engine.being_edited(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2079;
  END IF;
  IF NOT EXISTS (SELECT FROM "TX00201" WHERE "TAXDTLID" = a."I_vTAXDTLID") THEN
    errors := errors || 90037;
  END IF;
  IF a."I_vLNITMSEQ" <> 0 AND NOT EXISTS (
    SELECT FROM "SOP10200" WHERE "SOPNUMBE" = a."I_vSOPNUMBE" AND "SOPTYPE" = a."I_vSOPTYPE" AND "CMPNTSEQ" = 0
      AND "LNITMSEQ" = a."I_vLNITMSEQ"
  ) THEN
    errors := errors || 90027;
  END IF;
  IF errors <> '{}' THEN
    RETURN;
  END IF;
  SELECT * INTO r FROM "SOP10105" WHERE "SOPTYPE" = a."I_vSOPTYPE" AND "SOPNUMBE" = a."I_vSOPNUMBE"
    AND "LNITMSEQ" = a."I_vLNITMSEQ" AND "TAXDTLID" = a."I_vTAXDTLID";
  IF NOT FOUND THEN
    r := engine."blank_SOP10105"();
  END IF;
  r."SOPTYPE" := a."I_vSOPTYPE";
  r."SOPNUMBE" := a."I_vSOPNUMBE";
  r."LNITMSEQ" := a."I_vLNITMSEQ";
  r."TAXDTLID" := a."I_vTAXDTLID";
  r."ACTINDX" := a."I_vACTINDX";
  -- one row holds regular, freight and miscellaneous tax of a detail; a call speaks of one of them
  IF a."I_vTAXTYPE" = 0 THEN
    r."STAXAMNT" := a."I_vSTAXAMNT";
    r."TAXDTSLS" := a."I_vSALESAMT";
    r."TDTTXSLS" := coalesce(a."I_vTDTTXSLS", a."I_vSALESAMT");
  END IF;
  IF a."I_vTAXTYPE" = 1 OR a."I_vFRTTXAMT" <> 0 THEN
    r."FRTTXAMT" := a."I_vFRTTXAMT";
  END IF;
  IF a."I_vTAXTYPE" = 2 OR a."I_vMSCTXAMT" <> 0 THEN
    r."MSCTXAMT" := a."I_vMSCTXAMT";
  END IF;
  r."TXDTOTTX" := coalesce(a."I_vTXDTOTTX", r."STAXAMNT" + r."FRTTXAMT" + r."MSCTXAMT");
  r."ORSLSTAX" := r."STAXAMNT"; r."ORFRTTAX" := r."FRTTXAMT"; r."ORMSCTAX" := r."MSCTXAMT";
  r."ORTOTSLS" := r."TAXDTSLS"; r."ORTXSLS" := r."TDTTXSLS"; r."OTTAXPON" := r."TXDTOTTX";
  r."TXABLETX" := 1;
  PERFORM engine."put_SOP10105"(r);
END
$$;

-- DeleteType 1 takes the line LNITMSEQ, 2 every line of the item.
CREATE FUNCTION engine."body_taSopLineDelete"(a engine."taSopLineDelete", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  line "SOP10200";
  found_any boolean := false;
BEGIN
  errors := '{}';
  IF engine.being_edited(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2079;
  END IF;
  IF engine.in_history(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 90009;
  END IF;
  IF errors <> '{}' THEN
    RETURN;
  END IF;
  FOR line IN
    SELECT * FROM "SOP10200" WHERE "SOPNUMBE" = a."I_vSOPNUMBE" AND "SOPTYPE" = a."I_vSOPTYPE"
      AND "CMPNTSEQ" = a."I_vCMPNTSEQ"
      AND CASE WHEN a."I_vDeleteType" = 2 THEN upper("ITEMNMBR"::text) = upper(a."I_vITEMNMBR"::text)
               ELSE "LNITMSEQ" = a."I_vLNITMSEQ" END
    ORDER BY "LNITMSEQ" FOR UPDATE
  LOOP
    found_any := true;
    IF upper(line."ITEMNMBR"::text) <> upper(a."I_vITEMNMBR"::text) THEN
      errors := errors || 2902;
    ELSIF line."QTYPRINV" > 0 THEN
      errors := errors || 90020;
    END IF;
    IF errors <> '{}' THEN
      RETURN;
    END IF;
    PERFORM engine.remove_line(line);
  END LOOP;
  IF NOT found_any THEN
    errors := errors || 90027;
  END IF;
END
$$;

CREATE FUNCTION engine.remove_line(line dbo."SOP10200") RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM engine.release_line(line);
  DELETE FROM "SOP10105" WHERE "SOPTYPE" = line."SOPTYPE" AND "SOPNUMBE" = line."SOPNUMBE"
    AND "LNITMSEQ" = line."LNITMSEQ";
  DELETE FROM "SOP10202" WHERE "SOPNUMBE" = line."SOPNUMBE" AND "SOPTYPE" = line."SOPTYPE"
    AND "CMPNTSEQ" = line."CMPNTSEQ" AND "LNITMSEQ" = line."LNITMSEQ";
  DELETE FROM "SOP10200" WHERE "SOPNUMBE" = line."SOPNUMBE" AND "SOPTYPE" = line."SOPTYPE"
    AND "CMPNTSEQ" = line."CMPNTSEQ" AND "LNITMSEQ" = line."LNITMSEQ";
END
$$;

CREATE FUNCTION engine.release_line(line dbo."SOP10200") RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF engine.is_stocked(line) THEN
    PERFORM engine.change_stock(
      line."ITEMNMBR", line."LOCNCODE", 0, -line."ATYALLOC" * line."QTYBSUOM",
      back_ordered => -line."QTYTBAOR" * line."QTYBSUOM"
    );
  END IF;
END
$$;
