-- taSopHdrIvcInsert and taSopUserDefined.

-- The tax rows a header must agree with: per line, or of the whole document when it says so.
CREATE FUNCTION engine.taxes_of(
  document_type smallint, number bpchar, header_level boolean, OUT sales numeric, OUT freight numeric, OUT misc numeric
) LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum("STAXAMNT") FILTER (WHERE ("LNITMSEQ" = 0) = header_level), 0),
    coalesce(sum("FRTTXAMT"), 0), coalesce(sum("MSCTXAMT"), 0)
  FROM dbo."SOP10105" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number
$$;

CREATE FUNCTION engine.discount_of(a engine."taSopHdrIvcInsert", customer dbo."RM00101") RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(
    a."I_vTRDISAMT", round(a."I_vSUBTOTAL" * coalesce(a."I_vTRADEPCT", customer."CUSTDISC" / 100.0, 0) / 100, 2)
  )
$$;

CREATE FUNCTION engine.header_errors(a engine."taSopHdrIvcInsert", customer dbo."RM00101") RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  errors integer[] := engine.unknown_names(
    a."I_vTAXSCHID", coalesce(a."I_vSHIPMTHD", ''), coalesce(a."I_vPYMTRMID", ''), a."I_vLOCNCODE",
    a."I_vPRCLEVEL", a."I_vCURNCYID"
  ) || engine.unknown_names(a."I_vFRTSCHID") || engine.unknown_names(a."I_vMSCSCHID");
BEGIN
  IF a."I_vSOPTYPE" NOT BETWEEN 1 AND 6 THEN
    RETURN errors || 90001;
  END IF;
  IF NOT EXISTS (
    SELECT FROM "SOP40200" WHERE "SOPTYPE" = engine.number_series(a."I_vSOPTYPE") AND "DOCID" = a."I_vDOCID"
  ) THEN
    errors := errors || 90002;
  END IF;
  IF engine.in_history(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || CASE WHEN a."I_vUpdateExisting" = 1 THEN 90009 ELSE 2221 END;
  ELSIF a."I_vUpdateExisting" = 0 AND engine.in_work(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2221;
  END IF;
  IF engine.being_edited(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2022;
  END IF;
  RETURN errors || engine.header_customer_errors(a, customer) || engine.header_total_errors(a, customer);
END
$$;

CREATE FUNCTION engine.header_customer_errors(a engine."taSopHdrIvcInsert", customer dbo."RM00101") RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  errors integer[] := '{}';
  given bpchar;
BEGIN
  IF customer."CUSTNMBR" IS NULL THEN
    RETURN ARRAY[90003];
  END IF;
  IF customer."INACTIVE" = 1 THEN
    errors := errors || 90004;
  END IF;
  IF customer."HOLD" = 1 AND a."I_vCKHOLD" = 1 THEN
    errors := errors || 90005;
  END IF;
  IF a."I_vCKCreditLimit" = 1
    AND (customer."CRLMTTYP" = 0 OR customer."CRLMTTYP" = 2 AND a."I_vDOCAMNT" > customer."CRLMTAMT") THEN
    errors := errors || 90006;
  END IF;
  IF customer."ADRSCODE" = '' THEN
    errors := errors || 90007;
  END IF;
  FOREACH given IN ARRAY ARRAY[a."I_vPRBTADCD", coalesce(a."I_vPRSTADCD", '')] LOOP
    IF given <> '' AND (engine.address(customer."CUSTNMBR", given))."ADRSCODE" IS NULL THEN
      errors := errors || 90014;
    END IF;
  END LOOP;
  RETURN errors;
END
$$;

-- The header is checked against the rows that came before it in the same transaction.
CREATE FUNCTION engine.header_total_errors(a engine."taSopHdrIvcInsert", customer dbo."RM00101") RETURNS integer[]
LANGUAGE plpgsql AS $$
DECLARE
  errors integer[] := '{}';
  header_level boolean := a."I_vUSINGHEADERLEVELTAXES" = 1;
  lines integer;
  subtotal numeric;
  without_currency integer;
  tax record;
  paid numeric;
BEGIN
  SELECT count(*), coalesce(sum("XTNDPRCE"), 0), count(*) FILTER (WHERE "CURRNIDX" = 0)
  INTO lines, subtotal, without_currency FROM "SOP10200"
  WHERE "SOPNUMBE" = a."I_vSOPNUMBE" AND "SOPTYPE" = a."I_vSOPTYPE" AND "CMPNTSEQ" = 0;
  IF lines = 0 THEN
    RETURN ARRAY[90010];
  END IF;
  IF subtotal <> a."I_vSUBTOTAL" THEN
    errors := errors || 67;
  END IF;
  IF a."I_vCURNCYID" <> '' AND without_currency > 0 THEN
    errors := errors || 9370;
  END IF;
  IF a."I_vCREATETAXES" = 1 THEN
    errors := errors || 90041;
  END IF;
  SELECT * INTO tax FROM engine.taxes_of(a."I_vSOPTYPE", a."I_vSOPNUMBE", header_level);
  IF tax.sales <> a."I_vTAXAMNT" OR tax.freight <> a."I_vFRTTXAMT" OR tax.misc <> a."I_vMSCTXAMT"
    OR header_level AND EXISTS (
      SELECT FROM "SOP10105" WHERE "SOPTYPE" = a."I_vSOPTYPE" AND "SOPNUMBE" = a."I_vSOPNUMBE" AND "LNITMSEQ" <> 0
    ) THEN
    errors := errors || 712;
  END IF;
  IF a."I_vDOCAMNT" <> a."I_vSUBTOTAL" + a."I_vFREIGHT" + a."I_vMISCAMNT" + a."I_vTAXAMNT" + a."I_vFRTTXAMT"
    + a."I_vMSCTXAMT" - engine.discount_of(a, customer) THEN
    errors := errors || 235;
  END IF;
  SELECT coalesce(sum("AMNTPAID"), 0) INTO paid FROM "SOP10103"
  WHERE "SOPTYPE" = a."I_vSOPTYPE" AND "SOPNUMBE" = a."I_vSOPNUMBE";
  IF paid <> a."I_vPYMTRCVD" THEN
    errors := errors || 90016;
  END IF;
  RETURN errors;
END
$$;

CREATE FUNCTION engine."body_taSopHdrIvcInsert"(a engine."taSopHdrIvcInsert", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  customer "RM00101" := engine.customer(a."I_vCUSTNMBR");
  old "SOP10100";
  h "SOP10100";
BEGIN
  errors := engine.header_errors(a, customer);
  IF errors <> '{}' THEN
    RETURN;
  END IF;
  SELECT * INTO old FROM "SOP10100" WHERE "SOPNUMBE" = a."I_vSOPNUMBE" AND "SOPTYPE" = a."I_vSOPTYPE" FOR UPDATE;
  h := CASE WHEN old."SOPNUMBE" IS NULL THEN engine."blank_SOP10100"() ELSE old END;
  h := engine.header_identity(a, customer, h);
  h := engine.header_ship_to(a, customer, h);
  h := engine.header_amounts(a, customer, h);
  h."NOTEINDX" := engine.keep_note(h."NOTEINDX", a."I_vNOTETEXT");
  IF old."SOPNUMBE" IS NULL THEN
    h."CREATDDT" := sandbox.today();
    h."MSTRNUMB" := coalesce(nullif(a."I_vMSTRNUMB", 0), nextval('sandbox.master_numbers'));
    PERFORM engine."add_SOP10100"(h);
    PERFORM engine.count_in_batch(h."BACHNUMB", 1, h."DOCAMNT", a."I_vBatchCHEKBKID");
  ELSE
    PERFORM engine."put_SOP10100"(h);
    IF old."BACHNUMB" <> h."BACHNUMB" THEN
      PERFORM engine.count_in_batch(old."BACHNUMB", -1, -old."DOCAMNT");
      PERFORM engine.count_in_batch(h."BACHNUMB", 1, h."DOCAMNT", a."I_vBatchCHEKBKID");
    ELSE
      PERFORM engine.count_in_batch(h."BACHNUMB", 0, h."DOCAMNT" - old."DOCAMNT");
    END IF;
  END IF;
  UPDATE "SOP10200" SET "CURRNIDX" = 1
  WHERE "SOPNUMBE" = h."SOPNUMBE" AND "SOPTYPE" = h."SOPTYPE" AND "CURRNIDX" <> 1;
  IF a."I_vUSINGHEADERLEVELTAXES" <> 1 THEN
    PERFORM engine.sum_taxes(h."SOPTYPE", h."SOPNUMBE");
  END IF;
  PERFORM engine.keep_document_comment(a);
  IF h."ALLOCABY" = 1 THEN
    PERFORM engine.allocate_document(h."SOPTYPE", h."SOPNUMBE");
  END IF;
END
$$;

CREATE FUNCTION engine.header_identity(a engine."taSopHdrIvcInsert", customer dbo."RM00101", h dbo."SOP10100")
RETURNS dbo."SOP10100" LANGUAGE plpgsql AS $$
DECLARE
  document_id "SOP40200";
BEGIN
  SELECT * INTO document_id FROM "SOP40200"
  WHERE "SOPTYPE" = engine.number_series(a."I_vSOPTYPE") AND "DOCID" = a."I_vDOCID";
  h."SOPTYPE" := a."I_vSOPTYPE";
  h."SOPNUMBE" := a."I_vSOPNUMBE";
  h."ORIGTYPE" := a."I_vORIGTYPE";
  h."ORIGNUMB" := a."I_vORIGNUMB";
  h."DOCID" := document_id."DOCID";
  h."DOCDATE" := a."I_vDOCDATE";
  h."GLPOSTDT" := a."I_vDOCDATE";
  h."ORDRDATE" := a."I_vORDRDATE";
  h."INVODATE" := a."I_vINVODATE";
  IF a."I_vSOPTYPE" = 2 AND h."ORDRDATE" = '1900-01-01' THEN
    h."ORDRDATE" := a."I_vDOCDATE";
  ELSIF a."I_vSOPTYPE" = 3 AND h."INVODATE" = '1900-01-01' THEN
    h."INVODATE" := a."I_vDOCDATE";
  END IF;
  h."QUOTEDAT" := a."I_vQUOTEDAT";
  h."QUOEXPDA" := a."I_vQUOEXPDA";
  h."BACKDATE" := a."I_vBACKDATE";
  h."RETUDATE" := a."I_vRETUDATE";
  h."ReqShipDate" := a."I_vReqShipDate";
  h."DISCDATE" := a."I_vDISCDATE";
  h."DUEDATE" := a."I_vDUEDATE";
  h."Tax_Date" := a."I_vDOCDATE";
  h."EXCHDATE" := a."I_vEXCHDATE";
  h."REPTING" := a."I_vREPTING";
  h."TRXFREQU" := a."I_vTRXFREQU";
  h."TIMETREP" := a."I_vTIMETREP";
  h."ALLOCABY" := document_id."ALLOCABY";
  h."USDOCID1" := document_id."USDOCID1";
  h."USDOCID2" := document_id."USDOCID2";
  h."SOPSTATUS" := CASE WHEN document_id."WORKFLOWENABLED" = 1 THEN 1 ELSE 0 END;
  h."BCHSOURC" := 'Sales Entry';
  h."BACHNUMB" := a."I_vBACHNUMB";
  h."CUSTNMBR" := customer."CUSTNMBR";
  h."CUSTNAME" := coalesce(nullif(a."I_vCUSTNAME", ''), customer."CUSTNAME");
  h."CSTPONBR" := a."I_vCSTPONBR";
  h."LOCNCODE" := a."I_vLOCNCODE";
  h."PRCLEVEL" := coalesce(nullif(a."I_vPRCLEVEL", ''), customer."PRCLEVEL");
  h."PYMTRMID" := coalesce(a."I_vPYMTRMID", customer."PYMTRMID");
  h."SHIPMTHD" := coalesce(a."I_vSHIPMTHD", customer."SHIPMTHD");
  h."SALSTERR" := coalesce(a."I_vSALSTERR", customer."SALSTERR");
  h."SLPRSNID" := coalesce(a."I_vSLPRSNID", customer."SLPRSNID");
  h."UPSZONE" := coalesce(a."I_vUPSZONE", customer."UPSZONE");
  h."TAXEXMT1" := coalesce(a."I_vTAXEXMT1", customer."TAXEXMT1");
  h."TAXEXMT2" := coalesce(a."I_vTAXEXMT2", customer."TAXEXMT2");
  h."TXRGNNUM" := coalesce(a."I_vTXRGNNUM", customer."TXRGNNUM");
  h."USER2ENT" := a."I_vUSER2ENT";
  h."REFRENCE" := a."I_vREFRENCE";
  h."COMMNTID" := coalesce(a."I_vCOMMNTID", '');
  h."GPSFOINTEGRATIONID" := a."I_vGPSFOINTEGRATIONID";
  h."INTEGRATIONSOURCE" := a."I_vINTEGRATIONSOURCE";
  h."INTEGRATIONID" := a."I_vINTEGRATIONID";
  h."SHIPCOMPLETE" := customer."SHIPCOMPLETE";
  h."CURNCYID" := coalesce(nullif(a."I_vCURNCYID", ''), nullif(customer."CURNCYID", ''), 'USD');
  h."CURRNIDX" := 1;
  h."XCHGRATE" := a."I_vXCHGRATE";
  h."RATETPID" := a."I_vRATETPID";
  h."MODIFDT" := sandbox.today();
  RETURN h;
END
$$;

-- The document keeps its own copy of the ship-to address: as given, else that of the address id.
CREATE FUNCTION engine.header_ship_to(a engine."taSopHdrIvcInsert", customer dbo."RM00101", h dbo."SOP10100")
RETURNS dbo."SOP10100" LANGUAGE plpgsql AS $$
DECLARE
  address "RM00102";
BEGIN
  h."PRBTADCD" := coalesce(nullif(a."I_vPRBTADCD", ''), nullif(customer."PRBTADCD", ''), customer."ADRSCODE");
  h."PRSTADCD" := coalesce(nullif(a."I_vPRSTADCD", ''), nullif(customer."PRSTADCD", ''), customer."ADRSCODE");
  h."Print_Phone_NumberGB" := coalesce(a."I_vPrint_Phone_NumberGB", 0);
  IF a."I_vADDRESS1" <> '' OR a."I_vCITY" <> '' OR a."I_vZIPCODE" <> '' THEN
    h."ShipToName" := coalesce(nullif(a."I_vShipToName", ''), h."CUSTNAME");
    h."CNTCPRSN" := a."I_vCNTCPRSN";
    h."ADDRESS1" := a."I_vADDRESS1"; h."ADDRESS2" := a."I_vADDRESS2"; h."ADDRESS3" := a."I_vADDRESS3";
    h."CITY" := a."I_vCITY";
    h."STATE" := a."I_vSTATE";
    h."ZIPCODE" := a."I_vZIPCODE";
    h."COUNTRY" := a."I_vCOUNTRY";
    h."PHNUMBR1" := a."I_vPHNUMBR1"; h."PHNUMBR2" := a."I_vPHNUMBR2"; h."PHONE3" := a."I_vPHNUMBR3";
    h."FAXNUMBR" := a."I_vFAXNUMBR";
    RETURN h;
  END IF;
  address := engine.address(customer."CUSTNMBR", h."PRSTADCD");
  h."ShipToName" := coalesce(nullif(a."I_vShipToName", ''), nullif(address."ShipToName", ''), h."CUSTNAME");
  h."CNTCPRSN" := coalesce(nullif(a."I_vCNTCPRSN", ''), address."CNTCPRSN", '');
  h."ADDRESS1" := coalesce(address."ADDRESS1", '');
  h."ADDRESS2" := coalesce(address."ADDRESS2", '');
  h."ADDRESS3" := coalesce(address."ADDRESS3", '');
  h."CITY" := coalesce(address."CITY", '');
  h."STATE" := coalesce(address."STATE", '');
  h."ZIPCODE" := coalesce(address."ZIP", '');
  h."CCode" := coalesce(address."CCode", '');
  h."COUNTRY" := coalesce(address."COUNTRY", '');
  h."PHNUMBR1" := coalesce(nullif(a."I_vPHNUMBR1", ''), address."PHONE1", '');
  h."PHNUMBR2" := coalesce(nullif(a."I_vPHNUMBR2", ''), address."PHONE2", '');
  h."PHONE3" := coalesce(nullif(a."I_vPHNUMBR3", ''), address."PHONE3", '');
  h."FAXNUMBR" := coalesce(nullif(a."I_vFAXNUMBR", ''), address."FAX", '');
  RETURN h;
END
$$;

CREATE FUNCTION engine.header_amounts(a engine."taSopHdrIvcInsert", customer dbo."RM00101", h dbo."SOP10100")
RETURNS dbo."SOP10100" LANGUAGE plpgsql AS $$
DECLARE
  deposits numeric;
BEGIN
  h."SUBTOTAL" := a."I_vSUBTOTAL";
  h."FRTAMNT" := a."I_vFREIGHT";
  h."MISCAMNT" := a."I_vMISCAMNT";
  h."TRDISAMT" := engine.discount_of(a, customer);
  h."TRDISPCT" := coalesce(a."I_vTRADEPCT" * 100, 0);
  h."MRKDNAMT" := a."I_vMRKDNAMT";
  h."TAXAMNT" := a."I_vTAXAMNT";
  h."FRTTXAMT" := a."I_vFRTTXAMT";
  h."MSCTXAMT" := a."I_vMSCTXAMT";
  h."DOCAMNT" := a."I_vDOCAMNT";
  h."DISTKNAM" := a."I_vDISTKNAM";
  h."DISAVAMT" := coalesce(a."I_vDISAVAMT", 0);
  h."COMMAMNT" := a."I_vCOMMAMNT";
  h."TAXSCHID" := a."I_vTAXSCHID";
  IF a."I_vDEFTAXSCHDS" = 1 AND h."TAXSCHID" = '' THEN
    h."TAXSCHID" := customer."TAXSCHID";
  END IF;
  h."FRTSCHID" := a."I_vFRTSCHID";
  h."MSCSCHID" := a."I_vMSCSCHID";
  h."FRGTTXBL" := a."I_vFREIGTBLE";
  h."MISCTXBL" := a."I_vMISCTBLE";
  SELECT coalesce(sum("AMNTPAID") FILTER (WHERE "PYMTTYPE" <= 3), 0) INTO deposits FROM "SOP10103"
  WHERE "SOPTYPE" = h."SOPTYPE" AND "SOPNUMBE" = h."SOPNUMBE";
  h."PYMTRCVD" := a."I_vPYMTRCVD";
  h."DEPRECVD" := deposits;
  h."REMSUBTO" := h."SUBTOTAL" - coalesce((
    SELECT sum("XTNDPRCE" - "REMPRICE") FROM "SOP10200"
    WHERE "SOPNUMBE" = h."SOPNUMBE" AND "SOPTYPE" = h."SOPTYPE" AND "QTYPRINV" > 0
  ), 0);
  SELECT coalesce(sum("EXTDCOST"), 0) INTO h."EXTDCOST" FROM "SOP10200"
  WHERE "SOPNUMBE" = h."SOPNUMBE" AND "SOPTYPE" = h."SOPTYPE";
  RETURN engine.with_originating(h);
END
$$;

-- The sandbox's company has one currency: every originating amount equals the functional one.
CREATE FUNCTION engine.with_originating(h dbo."SOP10100") RETURNS dbo."SOP10100" LANGUAGE plpgsql AS $$
BEGIN
  h."ACCTAMNT" := h."DOCAMNT" - h."PYMTRCVD";
  h."CODAMNT" := 0;
  h."ORSUBTOT" := h."SUBTOTAL"; h."OREMSUBT" := h."REMSUBTO"; h."OREXTCST" := h."EXTDCOST";
  h."ORFRTAMT" := h."FRTAMNT"; h."ORMISCAMT" := h."MISCAMNT"; h."ORTDISAM" := h."TRDISAMT";
  h."ORTAXAMT" := h."TAXAMNT"; h."ORFRTTAX" := h."FRTTXAMT"; h."ORMSCTAX" := h."MSCTXAMT";
  h."ORDOCAMT" := h."DOCAMNT"; h."ORPMTRVD" := h."PYMTRCVD"; h."ORDEPRVD" := h."DEPRECVD";
  h."ORACTAMT" := h."ACCTAMNT"; h."ORMRKDAM" := h."MRKDNAMT"; h."OCOMMAMT" := h."COMMAMNT";
  h."ORDISTKN" := h."DISTKNAM"; h."ORDAVAMT" := h."DISAVAMT";
  RETURN h;
END
$$;

-- Document rows (LNITMSEQ 0) are the sums of the lines' tax rows, beside freight and miscellaneous tax.
CREATE FUNCTION engine.sum_taxes(document_type smallint, number bpchar) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "SOP10105" (
    "SOPTYPE", "SOPNUMBE", "LNITMSEQ", "TAXDTLID", "STAXAMNT", "ORSLSTAX", "TAXDTSLS", "ORTOTSLS", "TDTTXSLS",
    "ORTXSLS", "TXDTOTTX", "OTTAXPON", "TXABLETX", "CURRNIDX"
  )
  SELECT document_type, number, 0, "TAXDTLID", sum("STAXAMNT"), sum("STAXAMNT"), sum("TAXDTSLS"), sum("TAXDTSLS"),
    sum("TDTTXSLS"), sum("TDTTXSLS"), sum("TXDTOTTX"), sum("TXDTOTTX"), 1, 1
  FROM "SOP10105" WHERE "SOPTYPE" = document_type AND "SOPNUMBE" = number AND "LNITMSEQ" <> 0
  GROUP BY "TAXDTLID"
  ON CONFLICT ("SOPTYPE", "SOPNUMBE", "LNITMSEQ", "TAXDTLID") DO UPDATE SET
    "STAXAMNT" = EXCLUDED."STAXAMNT", "ORSLSTAX" = EXCLUDED."ORSLSTAX",
    "TAXDTSLS" = EXCLUDED."TAXDTSLS", "ORTOTSLS" = EXCLUDED."ORTOTSLS",
    "TDTTXSLS" = EXCLUDED."TDTTXSLS", "ORTXSLS" = EXCLUDED."ORTXSLS",
    "TXDTOTTX" = EXCLUDED."STAXAMNT" + "SOP10105"."FRTTXAMT" + "SOP10105"."MSCTXAMT",
    "OTTAXPON" = EXCLUDED."STAXAMNT" + "SOP10105"."FRTTXAMT" + "SOP10105"."MSCTXAMT";
END
$$;

CREATE FUNCTION engine.keep_document_comment(a engine."taSopHdrIvcInsert") RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF a."I_vCOMMENT_1" = '' AND a."I_vCOMMENT_2" = '' AND a."I_vCOMMENT_3" = '' AND a."I_vCOMMENT_4" = ''
    AND a."I_vCMMTTEXT" = '' THEN
    RETURN;
  END IF;
  INSERT INTO "SOP10106" (
    "SOPTYPE", "SOPNUMBE", "COMMENT_1", "COMMENT_2", "COMMENT_3", "COMMENT_4", "CMMTTEXT"
  ) VALUES (
    a."I_vSOPTYPE", a."I_vSOPNUMBE", a."I_vCOMMENT_1", a."I_vCOMMENT_2", a."I_vCOMMENT_3", a."I_vCOMMENT_4",
    a."I_vCMMTTEXT"
  )
  ON CONFLICT ("SOPTYPE", "SOPNUMBE") DO UPDATE SET
    "COMMENT_1" = EXCLUDED."COMMENT_1", "COMMENT_2" = EXCLUDED."COMMENT_2", "COMMENT_3" = EXCLUDED."COMMENT_3",
    "COMMENT_4" = EXCLUDED."COMMENT_4", "CMMTTEXT" = EXCLUDED."CMMTTEXT";
END
$$;

CREATE FUNCTION engine."body_taSopUserDefined"(a engine."taSopUserDefined", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  r "SOP10106";
BEGIN
  errors := '{}';
  IF a."I_vSOPTYPE" NOT BETWEEN 1 AND 6 THEN
    errors := errors || 90001;
    RETURN;
  END IF;
  IF engine.being_edited(a."I_vSOPTYPE", a."I_vSOPNUMBE") THEN
    errors := errors || 2079;
    RETURN;
  END IF;
  SELECT * INTO r FROM "SOP10106" WHERE "SOPTYPE" = a."I_vSOPTYPE" AND "SOPNUMBE" = a."I_vSOPNUMBE" FOR UPDATE;
  IF NOT FOUND THEN
    r := engine."blank_SOP10106"();
    r."SOPTYPE" := a."I_vSOPTYPE";
    r."SOPNUMBE" := a."I_vSOPNUMBE";
  END IF;
  r."USRDAT01" := a."I_vUSRDAT01";
  r."USRDAT02" := a."I_vUSRDAT02";
  r."USRTAB01" := coalesce(a."I_vUSRTAB01", r."USRTAB01");
  r."USRTAB09" := coalesce(a."I_vUSRTAB09", r."USRTAB09");
  r."USRTAB03" := coalesce(a."I_vUSRTAB03", r."USRTAB03");
  r."USERDEF1" := coalesce(a."I_vUSERDEF1", r."USERDEF1");
  r."USERDEF2" := coalesce(a."I_vUSERDEF2", r."USERDEF2");
  r."USRDEF03" := coalesce(a."I_vUSRDEF03", r."USRDEF03");
  r."USRDEF04" := coalesce(a."I_vUSRDEF04", r."USRDEF04");
  r."USRDEF05" := coalesce(a."I_vUSRDEF05", r."USRDEF05");
  PERFORM engine."put_SOP10106"(r);
END
$$;
