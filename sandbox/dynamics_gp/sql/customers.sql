-- taUpdateCreateCustomerRcd, taCreateCustomerAddress, taCreateInternetAddresses.

CREATE FUNCTION engine."body_taUpdateCreateCustomerRcd"(a engine."taUpdateCreateCustomerRcd", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  customer "RM00101" := engine.customer(a."I_vCUSTNMBR");
  class sandbox.customer_classes;
  is_new boolean := customer."CUSTNMBR" IS NULL;
  address "RM00102";
BEGIN
  errors := engine.unknown_names(
    coalesce(a."I_vTAXSCHID", ''), coalesce(a."I_vSHIPMTHD", ''), coalesce(a."I_vPYMTRMID", ''),
    price_level => coalesce(a."I_vPRCLEVEL", ''), currency => coalesce(a."I_vCURNCYID", '')
  );
  IF is_new AND coalesce(a."I_vCUSTNAME", '') = '' THEN
    errors := errors || 90034;
  ELSIF NOT is_new AND a."I_vUpdateIfExists" = 0 THEN
    errors := errors || 90033;
  END IF;
  IF coalesce(a."I_vCUSTCLAS", '') <> '' THEN
    SELECT * INTO class FROM sandbox.customer_classes WHERE "CUSTCLAS" = a."I_vCUSTCLAS";
    IF NOT FOUND THEN
      errors := errors || 90035;
    END IF;
  END IF;
  IF errors <> '{}' THEN
    RETURN;
  END IF;

  IF is_new THEN
    customer := engine."blank_RM00101"();
    customer."CUSTNMBR" := a."I_vCUSTNMBR";
    customer."CREATDDT" := sandbox.today();
    customer."FRSTINDT" := sandbox.today();
    customer."CRLMTTYP" := 1;
    customer."CURNCYID" := 'USD';
    customer."KPCALHST" := 1; customer."KPERHIST" := 1; customer."KPTRXHST" := 1; customer."KPDSTHST" := 1;
  END IF;
  IF class."CUSTCLAS" IS NOT NULL THEN
    customer."CUSTCLAS" := class."CUSTCLAS";
    IF is_new AND a."I_vUseCustomerClass" = 1 THEN
      customer."SHIPMTHD" := class."SHIPMTHD";
      customer."PYMTRMID" := class."PYMTRMID";
      customer."TAXSCHID" := class."TAXSCHID";
      customer."PRCLEVEL" := class."PRCLEVEL";
      customer."CURNCYID" := class."CURNCYID";
      customer."CRLMTTYP" := class."CRLMTTYP";
    END IF;
  END IF;
  customer := engine.with_given(customer, a);
  customer."NOTEINDX" := engine.keep_note(customer."NOTEINDX", a."I_vNOTETEXT");
  customer."MODIFDT" := sandbox.today();
  IF is_new THEN
    customer."SHRTNAME" := coalesce(a."I_vSHRTNAME", left(customer."CUSTNAME", 15));
    customer."STMTNAME" := coalesce(a."I_vSTMTNAME", customer."CUSTNAME");
    customer."PRBTADCD" := coalesce(a."I_vPRBTADCD", customer."ADRSCODE");
    customer."PRSTADCD" := coalesce(a."I_vPRSTADCD", customer."ADRSCODE");
    customer."STADDRCD" := coalesce(a."I_vSTADDRCD", customer."ADRSCODE");
    PERFORM engine."add_RM00101"(customer);
  ELSE
    PERFORM engine."put_RM00101"(customer);
  END IF;

  IF a."I_vCreateAddress" = 1 AND coalesce(a."I_vADRSCODE", '') <> '' THEN
    address := engine.address(customer."CUSTNMBR", a."I_vADRSCODE");
    IF address."ADRSCODE" IS NULL THEN
      address := engine."blank_RM00102"();
      address."CUSTNMBR" := customer."CUSTNMBR";
      address."ADRSCODE" := a."I_vADRSCODE";
      address."CREATDDT" := sandbox.today();
      address."ShipToName" := customer."CUSTNAME";
    END IF;
    address."CNTCPRSN" := coalesce(a."I_vCNTCPRSN", address."CNTCPRSN");
    address."ADDRESS1" := coalesce(a."I_vADDRESS1", address."ADDRESS1");
    address."ADDRESS2" := coalesce(a."I_vADDRESS2", address."ADDRESS2");
    address."ADDRESS3" := coalesce(a."I_vADDRESS3", address."ADDRESS3");
    address."CITY" := coalesce(a."I_vCITY", address."CITY");
    address."STATE" := coalesce(a."I_vSTATE", address."STATE");
    address."ZIP" := coalesce(a."I_vZIPCODE", address."ZIP");
    address."CCode" := coalesce(a."I_vCCode", address."CCode");
    address."COUNTRY" := coalesce(a."I_vCOUNTRY", address."COUNTRY");
    address."PHONE1" := coalesce(a."I_vPHNUMBR1", address."PHONE1");
    address."PHONE2" := coalesce(a."I_vPHNUMBR2", address."PHONE2");
    address."PHONE3" := coalesce(a."I_vPHNUMBR3", address."PHONE3");
    address."FAX" := coalesce(a."I_vFAX", address."FAX");
    address."SHIPMTHD" := coalesce(a."I_vSHIPMTHD", nullif(address."SHIPMTHD", ''), customer."SHIPMTHD");
    address."TAXSCHID" := coalesce(a."I_vTAXSCHID", nullif(address."TAXSCHID", ''), customer."TAXSCHID");
    address."MODIFDT" := sandbox.today();
    PERFORM engine."put_RM00102"(address);
  END IF;
END
$$;

-- The customer with every value that was supplied; NULL means "leave as it is".
CREATE FUNCTION engine.with_given(c dbo."RM00101", a engine."taUpdateCreateCustomerRcd") RETURNS dbo."RM00101"
LANGUAGE plpgsql AS $$
BEGIN
  c."HOLD" := coalesce(a."I_vHOLD", c."HOLD");
  c."INACTIVE" := coalesce(a."I_vINACTIVE", c."INACTIVE");
  c."CUSTNAME" := coalesce(a."I_vCUSTNAME", c."CUSTNAME");
  c."SHRTNAME" := coalesce(a."I_vSHRTNAME", c."SHRTNAME");
  c."STMTNAME" := coalesce(a."I_vSTMTNAME", c."STMTNAME");
  c."CUSTPRIORITY" := coalesce(a."I_vCUSTPRIORITY", c."CUSTPRIORITY");
  c."ADRSCODE" := coalesce(a."I_vADRSCODE", c."ADRSCODE");
  c."CNTCPRSN" := coalesce(a."I_vCNTCPRSN", c."CNTCPRSN");
  c."ADDRESS1" := coalesce(a."I_vADDRESS1", c."ADDRESS1");
  c."ADDRESS2" := coalesce(a."I_vADDRESS2", c."ADDRESS2");
  c."ADDRESS3" := coalesce(a."I_vADDRESS3", c."ADDRESS3");
  c."CITY" := coalesce(a."I_vCITY", c."CITY");
  c."STATE" := coalesce(a."I_vSTATE", c."STATE");
  c."ZIP" := coalesce(a."I_vZIPCODE", c."ZIP");
  c."CCode" := coalesce(a."I_vCCode", c."CCode");
  c."COUNTRY" := coalesce(a."I_vCOUNTRY", c."COUNTRY");
  c."PHONE1" := coalesce(a."I_vPHNUMBR1", c."PHONE1");
  c."PHONE2" := coalesce(a."I_vPHNUMBR2", c."PHONE2");
  c."PHONE3" := coalesce(a."I_vPHNUMBR3", c."PHONE3");
  c."FAX" := coalesce(a."I_vFAX", c."FAX");
  c."UPSZONE" := coalesce(a."I_vUPSZONE", c."UPSZONE");
  c."SHIPMTHD" := coalesce(a."I_vSHIPMTHD", c."SHIPMTHD");
  c."TAXSCHID" := coalesce(a."I_vTAXSCHID", c."TAXSCHID");
  c."SHIPCOMPLETE" := coalesce(a."I_vSHIPCOMPLETE", c."SHIPCOMPLETE");
  c."PRSTADCD" := coalesce(a."I_vPRSTADCD", c."PRSTADCD");
  c."PRBTADCD" := coalesce(a."I_vPRBTADCD", c."PRBTADCD");
  c."STADDRCD" := coalesce(a."I_vSTADDRCD", c."STADDRCD");
  c."SLPRSNID" := coalesce(a."I_vSLPRSNID", c."SLPRSNID");
  c."SALSTERR" := coalesce(a."I_vSALSTERR", c."SALSTERR");
  c."USERDEF1" := coalesce(a."I_vUSERDEF1", c."USERDEF1");
  c."USERDEF2" := coalesce(a."I_vUSERDEF2", c."USERDEF2");
  c."COMMENT1" := coalesce(a."I_vCOMMENT1", c."COMMENT1");
  c."COMMENT2" := coalesce(a."I_vCOMMENT2", c."COMMENT2");
  c."CUSTDISC" := coalesce(a."I_vCUSTDISC" * 100, c."CUSTDISC");
  c."PYMTRMID" := coalesce(a."I_vPYMTRMID", c."PYMTRMID");
  c."DISGRPER" := coalesce(a."I_vDISGRPER", c."DISGRPER");
  c."DUEGRPER" := coalesce(a."I_vDUEGRPER", c."DUEGRPER");
  c."PRCLEVEL" := coalesce(a."I_vPRCLEVEL", c."PRCLEVEL");
  c."BALNCTYP" := coalesce(a."I_vBALNCTYP", c."BALNCTYP");
  c."CRLMTTYP" := coalesce(a."I_vCRLMTTYP", c."CRLMTTYP");
  c."CRLMTAMT" := coalesce(a."I_vCRLMTAMT", c."CRLMTAMT");
  c."CRLMTPER" := coalesce(a."I_vCRLMTPER", c."CRLMTPER");
  c."CRLMTPAM" := coalesce(a."I_vCRLMTPAM", c."CRLMTPAM");
  c."FNCHATYP" := coalesce(a."I_vFNCHATYP", c."FNCHATYP");
  c."FNCHPCNT" := coalesce(a."I_vFNCHPCNT" * 100, c."FNCHPCNT");
  c."FINCHDLR" := coalesce(a."I_vFINCHDLR", c."FINCHDLR");
  c."MINPYTYP" := coalesce(a."I_vMINPYTYP", c."MINPYTYP");
  c."MINPYPCT" := coalesce(a."I_vMINPYPCT" * 100, c."MINPYPCT");
  c."MINPYDLR" := coalesce(a."I_vMINPYDLR", c."MINPYDLR");
  c."MXWOFTYP" := coalesce(a."I_vMXWOFTYP", c."MXWOFTYP");
  c."MXWROFAM" := coalesce(a."I_vMXWROFAM", c."MXWROFAM");
  c."Revalue_Customer" := coalesce(a."I_vRevalue_Customer", c."Revalue_Customer");
  c."Post_Results_To" := coalesce(a."I_vPost_Results_To", c."Post_Results_To");
  c."ORDERFULFILLDEFAULT" := coalesce(a."I_vORDERFULFILLDEFAULT", c."ORDERFULFILLDEFAULT");
  c."INCLUDEINDP" := coalesce(a."I_vINCLUDEINDP", c."INCLUDEINDP");
  c."CRCARDID" := coalesce(a."I_vCRCARDID", c."CRCARDID");
  c."CRCRDNUM" := coalesce(a."I_vCRCRDNUM", c."CRCRDNUM");
  c."CCRDXPDT" := coalesce(a."I_vCCRDXPDT", c."CCRDXPDT");
  c."BANKNAME" := coalesce(a."I_vBANKNAME", c."BANKNAME");
  c."BNKBRNCH" := coalesce(a."I_vBNKBRNCH", c."BNKBRNCH");
  c."USERLANG" := coalesce(a."I_vUSERLANG", c."USERLANG");
  c."TAXEXMT1" := coalesce(a."I_vTAXEXMT1", c."TAXEXMT1");
  c."TAXEXMT2" := coalesce(a."I_vTAXEXMT2", c."TAXEXMT2");
  c."TXRGNNUM" := coalesce(a."I_vTXRGNNUM", c."TXRGNNUM");
  c."CURNCYID" := coalesce(a."I_vCURNCYID", c."CURNCYID");
  c."RATETPID" := coalesce(a."I_vRATETPID", c."RATETPID");
  c."STMTCYCL" := coalesce(a."I_vSTMTCYCL", c."STMTCYCL");
  c."KPCALHST" := coalesce(a."I_vKPCALHST", c."KPCALHST");
  c."KPERHIST" := coalesce(a."I_vKPERHIST", c."KPERHIST");
  c."KPTRXHST" := coalesce(a."I_vKPTRXHST", c."KPTRXHST");
  c."KPDSTHST" := coalesce(a."I_vKPDSTHST", c."KPDSTHST");
  c."Send_Email_Statements" := coalesce(a."I_vSend_Email_Statements", c."Send_Email_Statements");
  c."CHEKBKID" := coalesce(a."I_vCHEKBKID", c."CHEKBKID");
  c."DEFCACTY" := coalesce(a."I_vDEFCACTY", c."DEFCACTY");
  c."GPSFOINTEGRATIONID" := coalesce(nullif(a."I_vGPSFOINTEGRATIONID", ''), c."GPSFOINTEGRATIONID");
  c."INTEGRATIONSOURCE" := coalesce(nullif(a."I_vINTEGRATIONSOURCE", 0), c."INTEGRATIONSOURCE");
  c."INTEGRATIONID" := coalesce(nullif(a."I_vINTEGRATIONID", ''), c."INTEGRATIONID");
  RETURN c;
END
$$;

CREATE FUNCTION engine."body_taCreateCustomerAddress"(a engine."taCreateCustomerAddress", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  customer "RM00101" := engine.customer(a."I_vCUSTNMBR");
  address "RM00102";
BEGIN
  errors := engine.unknown_names(
    coalesce(a."I_vTAXSCHID", ''), coalesce(a."I_vSHIPMTHD", ''), site => coalesce(a."I_vLOCNCODE", '')
  );
  IF customer."CUSTNMBR" IS NULL THEN
    errors := errors || 90003;
    RETURN;
  END IF;
  address := engine.address(customer."CUSTNMBR", a."I_vADRSCODE");
  IF address."ADRSCODE" IS NOT NULL AND a."I_vUpdateIfExists" = 0 THEN
    errors := errors || 90033;
  END IF;
  IF errors <> '{}' THEN
    RETURN;
  END IF;
  IF address."ADRSCODE" IS NULL THEN
    address := engine."blank_RM00102"();
    address."CUSTNMBR" := customer."CUSTNMBR";
    address."ADRSCODE" := a."I_vADRSCODE";
    address."CREATDDT" := sandbox.today();
  END IF;
  address."SLPRSNID" := coalesce(a."I_vSLPRSNID", address."SLPRSNID");
  address."UPSZONE" := coalesce(a."I_vUPSZONE", address."UPSZONE");
  address."SHIPMTHD" := coalesce(a."I_vSHIPMTHD", nullif(address."SHIPMTHD", ''), customer."SHIPMTHD");
  address."TAXSCHID" := coalesce(a."I_vTAXSCHID", nullif(address."TAXSCHID", ''), customer."TAXSCHID");
  address."CNTCPRSN" := coalesce(a."I_vCNTCPRSN", address."CNTCPRSN");
  address."ADDRESS1" := coalesce(a."I_vADDRESS1", address."ADDRESS1");
  address."ADDRESS2" := coalesce(a."I_vADDRESS2", address."ADDRESS2");
  address."ADDRESS3" := coalesce(a."I_vADDRESS3", address."ADDRESS3");
  address."COUNTRY" := coalesce(a."I_vCOUNTRY", address."COUNTRY");
  address."CITY" := coalesce(a."I_vCITY", address."CITY");
  address."STATE" := coalesce(a."I_vSTATE", address."STATE");
  address."ZIP" := coalesce(a."I_vZIPCODE", address."ZIP");
  address."PHONE1" := coalesce(a."I_vPHNUMBR1", address."PHONE1");
  address."PHONE2" := coalesce(a."I_vPHNUMBR2", address."PHONE2");
  address."PHONE3" := coalesce(a."I_vPHNUMBR3", address."PHONE3");
  address."FAX" := coalesce(a."I_vFAX", address."FAX");
  address."GPSFOINTEGRATIONID" := coalesce(a."I_vGPSFOINTEGRATIONID", address."GPSFOINTEGRATIONID");
  address."INTEGRATIONSOURCE" := coalesce(a."I_vINTEGRATIONSOURCE", address."INTEGRATIONSOURCE");
  address."INTEGRATIONID" := coalesce(a."I_vINTEGRATIONID", address."INTEGRATIONID");
  address."CCode" := coalesce(a."I_vCCode", address."CCode");
  address."LOCNCODE" := coalesce(a."I_vLOCNCODE", address."LOCNCODE");
  address."SALSTERR" := coalesce(a."I_vSALSTERR", address."SALSTERR");
  address."ShipToName" := coalesce(a."I_vShipToName", address."ShipToName");
  address."Print_Phone_NumberGB" := coalesce(a."I_vPrint_Phone_NumberGB", address."Print_Phone_NumberGB");
  address."USERDEF1" := coalesce(a."I_vUSERDEF1", address."USERDEF1");
  address."USERDEF2" := coalesce(a."I_vUSERDEF2", address."USERDEF2");
  address."MODIFDT" := sandbox.today();
  PERFORM engine."put_RM00102"(address);
  -- the first address of a customer becomes his main one, without which he cannot be sold to
  IF customer."ADRSCODE" = '' THEN
    UPDATE "RM00101" SET "ADRSCODE" = address."ADRSCODE",
      "PRBTADCD" = coalesce(nullif("PRBTADCD", ''), address."ADRSCODE"),
      "PRSTADCD" = coalesce(nullif("PRSTADCD", ''), address."ADRSCODE"),
      "STADDRCD" = coalesce(nullif("STADDRCD", ''), address."ADRSCODE")
    WHERE "CUSTNMBR" = customer."CUSTNMBR";
  END IF;
END
$$;

CREATE FUNCTION engine."body_taCreateInternetAddresses"(a engine."taCreateInternetAddresses", OUT errors integer[])
LANGUAGE plpgsql AS $$
DECLARE
  r "SY01200";
  customer "RM00101";
BEGIN
  errors := '{}';
  IF a."I_vMaster_Type" NOT IN ('CUS', 'ITM', 'VEN', 'CMP', 'SLP', 'EMP') THEN
    errors := errors || 90036;
  ELSIF a."I_vMaster_Type" = 'CUS' THEN
    customer := engine.customer(a."I_vMaster_ID");
    IF customer."CUSTNMBR" IS NULL THEN
      errors := errors || 90003;
    ELSIF a."I_vADRSCODE" <> ''
      AND (engine.address(customer."CUSTNMBR", a."I_vADRSCODE"))."ADRSCODE" IS NULL THEN
      errors := errors || 90014;
    END IF;
  END IF;
  IF errors <> '{}' THEN
    RETURN;
  END IF;
  r := engine."blank_SY01200"();
  r."Master_Type" := a."I_vMaster_Type";
  r."Master_ID" := coalesce(customer."CUSTNMBR", a."I_vMaster_ID");
  r."ADRSCODE" := a."I_vADRSCODE";
  r."INET1" := a."I_vINET1"; r."INET2" := a."I_vINET2"; r."INET3" := a."I_vINET3"; r."INET4" := a."I_vINET4";
  r."INET5" := a."I_vINET5"; r."INET6" := a."I_vINET6"; r."INET7" := a."I_vINET7"; r."INET8" := a."I_vINET8";
  r."Messenger_Address" := a."I_vMessenger_Address";
  r."INETINFO" := a."I_vINETINFO";
  r."EmailToAddress" := a."I_vEmailToAddress";
  r."EmailCcAddress" := a."I_vEmailCcAddress";
  r."EmailBccAddress" := a."I_vEmailBccAddress";
  PERFORM engine."put_SY01200"(r);
END
$$;
