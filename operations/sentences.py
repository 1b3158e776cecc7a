"""The sentence catalogue: what each code of an outcome or dead letter means to an operator, and what he can do.

One catalogue serves command line, desk, alerts and statements. A code that is not here still gets a sentence that
names it.
"""

import re
from collections.abc import Mapping

import msgspec

NOTHING = "Nothing to do."
PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\}")


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """What happened and what to do, as whole sentences."""

    happened: str
    to_do: str

    def __str__(self) -> str:
        return self.happened if self.to_do == NOTHING else f"{self.happened} {self.to_do}"


def _gp(happened: str, to_do: str) -> tuple[str, str]:
    return f"Dynamics GP refused the document: {happened}", to_do


_REDRIVE = "then redrive it"

#: Code to what happened and what to do; `{name}` stands for a value of the outcome.
CATALOGUE: Mapping[str, tuple[str, str]] = {
    # everywhere
    "undecodable": (
        "The bytes are not what the topic promises.",
        "Look at them with `towpath dead-letters show`; the sender or the schema must be corrected.",
    ),
    "mapping": (
        "The field {field} could not be turned into the target's: {reason}.",
        "Correct the record at its source, or the mapping or lookup table that names the field, then redrive it.",
    ),
    "dependency": (
        "It waits for {waits_for}, which is not there yet.",
        "Nothing to do if {waits_for} is on its way; else create it: what waits goes on by itself.",
    ),
    "configuration": (
        "The setting {setting} is missing or impossible.",
        "Correct {setting} in the deployment and start the process again.",
    ),
    "too_large": (
        "The record has {size_bytes} bytes; its topic takes {limit_bytes}.",
        "Make the document smaller at its source, or raise the topic's limit in schemas/topics.py, then redrive it.",
    ),
    "too_many_dead_letters": (
        "{most} events in a row could not be used, the last because of {last}, so the process stopped.",
        "Correct the mapping or schema they share, then start the process: it goes on where it stopped.",
    ),
    "tombstone": ("The record was empty: a deletion mark of the topic.", NOTHING),
    "mapped": ("It was turned into our record.", NOTHING),
    # ends at a target
    "created": ("It was created as {document_number}.", NOTHING),
    "updated": ("{document_number} was brought to what it should be.", NOTHING),
    "cancelled": ("{document_number} was cancelled.", NOTHING),
    "equal": ("The target already had exactly this.", NOTHING),
    "echo": ("It is our own write coming back.", NOTHING),
    "unchanged": ("Read again, it was the same as before.", NOTHING),
    "superseded": ("A newer state of the same record replaced it before it was sent.", NOTHING),
    "stale": ("A newer version had been delivered before.", NOTHING),
    "merged": ("A later event about the same document covers it.", NOTHING),
    "older": ("It is older than what is known already.", NOTHING),
    "fetched": ("The document was read whole from its system.", NOTHING),
    "nothing_to_tell": ("Nothing in it concerns anybody else.", NOTHING),
    "not_ours": ("The document did not come through the bus and carries no reference of ours.", NOTHING),
    # the gateway
    "gateway.unknown_connection": (
        "A webhook came for the connection {connection}, which does not exist or has no secret.",
        "Correct the address at the sender (`towpath info` prints it), or give the connection a webhook secret.",
    ),
    "gateway.bad_signature": (
        "A webhook for {connection} was signed with a secret we do not have.",
        "Compare the secret at the store with the connection's; two may be active while one is changed for the other.",
    ),
    "gateway.stale": (
        "A webhook for {connection} carried a time too far from ours.",
        "Check both clocks; a sender that repeats its first time stamp needs a wider `gateway.window_s`.",
    ),
    "gateway.malformed": (
        "A webhook for {connection} was signed rightly, but its body is not what was agreed.",
        "Compare the sender's body with schemas/systems; the poller still finds the change.",
    ),
    "gateway.unknown_event": (
        "A webhook for {connection} told of {event}, which nobody reads here.",
        "Nothing to do, or take the event off the store's list so that it is not sent.",
    ),
    "gateway.too_large": (
        "A webhook for {connection} was larger than {limit_bytes} bytes.",
        "Make the store send ids only; the poller still finds the change.",
    ),
    "gateway.too_many_requests": (
        "{connection} sent more webhooks in a minute than it may.",
        "Nothing to do if it was a burst: the sender repeats them. Else raise `gateway.requests_per_minute`.",
    ),
    "gateway.not_stored": (
        "A webhook for {connection} could not be stored, so its sender was told to repeat it.",
        "Look at Kafka with `towpath stack status`; the sender and the poller bring it again.",
    ),
    # from source topics to canonical records
    "streams.undecodable": (
        "A record of {topic} could not be decoded: {reason}.",
        "Look at its bytes with `towpath dead-letters show`; correct the sender or the reader, then redrive it.",
    ),
    "streams.too_large": (
        "The record made of it has {size_bytes} bytes, more than its topic takes.",
        "Make the document smaller at its source; its next version comes by itself.",
    ),
    "streams.mapping": (
        "The field {field} could not be mapped: {reason}.",
        "Correct the record at its source (its next version comes by itself), or the mapping, then redrive it.",
    ),
    "streams.totals_differ": (
        "The order's parts add up to {sum}, its total says {total}.",
        "Correct the order at the store; its next version comes by itself.",
    ),
    # reading documents whole
    "fetch.gone": (
        "{id} is not at {connection} any more.",
        "Nothing to do if it was deleted there; else look why {connection} does not show it to our user.",
    ),
    "fetch.unreadable": (
        "{connection} answered with something that is no {record}: {reason}.",
        "Ask whoever runs {connection} what changed there, then redrive it.",
    ),
    "fetch.forbidden": (
        "{connection} does not let our user read {record} {id}.",
        "Give the user the right to read it, then redrive it.",
    ),
    # Dynamics GP: our own findings
    "gp.document_in_use": (
        "A user of GP has the document open.",
        "Nothing to do: it is tried again. If it stays, ask who left it open and close it.",
    ),
    "gp.away": (
        "The GP database does not answer.",
        "Check that the SQL Server runs and is reachable; everything waits in order and goes on by itself.",
    ),
    "gp.commit_unknown": (
        "The answer to a commit was lost, so it is not known whether the document stands.",
        "Nothing to do: our receipt in the company database is looked for before anything is sent again.",
    ),
    "gp.receipt_exists": (
        "The company database already has our receipt for this operation.",
        "Nothing to do: the document it names is looked up and taken as the answer.",
    ),
    "gp.no_number": (
        "GP gave no next number for the document id {document_id}.",
        "Check the document id in GP's Sales Order Processing set-up and the connection's option `document_id`.",
    ),
    "gp.no_answer": (
        "The procedure {procedure} gave no result.",
        "Check that eConnect is installed in the company database and our user may execute it (role DYNGRP).",
    ),
    "gp.unknown_customer": (
        "GP has no customer {customer}.",
        "Create the customer in GP, or correct the lookup row that leads to it: what waits goes on by itself.",
    ),
    "gp.unknown_item": (
        "GP has no item {item}.",
        "Create the item in GP, or add a lookup row for the store's SKU, then redrive it.",
    ),
    "gp.too_late": (
        "GP's document {document_number} can no longer be changed: it was posted, transferred or voided.",
        "Correct it in GP by hand (credit or new order), then discard this.",
    ),
    # Dynamics GP: eConnect's error numbers
    "gp.67": _gp(
        "the subtotal is not the sum of its lines (67).",
        "Compare the order's lines at the store and in the mapping; report it, " + _REDRIVE + ".",
    ),
    "gp.235": _gp(
        "the document's amount is not the sum of its parts (235).",
        "Compare tax, freight and discount at the store and in the mapping, " + _REDRIVE + ".",
    ),
    "gp.712": _gp(
        "the tax is not the sum of its tax details (712).",
        "Check the options `tax_schedule` and `tax_detail` of the connection, " + _REDRIVE + ".",
    ),
    "gp.722": _gp(
        "a line's extended price is not its price times quantity (722).",
        "Compare the line at the store with the mapping's rounding, " + _REDRIVE + ".",
    ),
    "gp.2221": _gp(
        "the document number is used already (2221).", "Check GP's next number for the document id, " + _REDRIVE + "."
    ),
    "gp.2022": _gp(
        "somebody is editing it (2022).",
        "Nothing to do: it is tried again. If it stays, have the document closed in GP.",
    ),
    "gp.2079": _gp(
        "somebody is editing it (2079).",
        "Nothing to do: it is tried again. If it stays, have the document closed in GP.",
    ),
    "gp.2902": _gp(
        "a line's item differs from the one already on that line (2902).",
        "Correct the line in GP or at the store so that both name one item, " + _REDRIVE + ".",
    ),
    "gp.2905": _gp(
        "more was fulfilled than is allocated (2905).", "Allocate the missing quantity in GP, " + _REDRIVE + "."
    ),
    "gp.3551": _gp("a serial number is missing (3551).", "Enter the serial number in GP, " + _REDRIVE + "."),
    "gp.1526": _gp("a serial number was sold already (1526).", "Choose another serial number in GP, " + _REDRIVE + "."),
    "gp.4776": _gp(
        "an item does not allow back orders (4776).",
        "Allow back orders on the item's card or bring stock in, " + _REDRIVE + ".",
    ),
    "gp.7023": _gp(
        "the tax schedule is unknown (7023).",
        "Create it in GP or correct the option `tax_schedule` of the connection, " + _REDRIVE + ".",
    ),
    "gp.9370": _gp(
        "the currency stands on the document but not on a line (9370).",
        "Report it: the mapping must give both the same currency, " + _REDRIVE + ".",
    ),
    "gp.9539": _gp(
        "the salesperson is inactive (9539).",
        "Activate the salesperson or change the customer's in GP, " + _REDRIVE + ".",
    ),
    "gp.190": _gp(
        "the receivables number exists already (190).",
        "Check the next number in GP's receivables set-up, " + _REDRIVE + ".",
    ),
    "gp.221": _gp("the customer is unknown (221).", "Create the customer in GP, " + _REDRIVE + "."),
    "gp.621": _gp(
        "the receivables amount is wrong (621).", "Compare the payment's amounts with the order's, " + _REDRIVE + "."
    ),
    "gp.483": _gp(
        "the currency is unknown (483).",
        "Set the currency up in GP or correct the connection's `currency`, " + _REDRIVE + ".",
    ),
    "gp.716": _gp(
        "a general ledger account is unknown (716).",
        "Create the account in GP or correct the lookup row that names it, " + _REDRIVE + ".",
    ),
    "gp.7738": _gp(
        "two journal lines carry one sequence number (7738).",
        "Report it: the mapping must number the lines, " + _REDRIVE + ".",
    ),
    "gp.3250": _gp(
        "an item is unknown (3250).", "Create the item in GP or add a lookup row for the store's SKU, " + _REDRIVE + "."
    ),
    # Clarity
    "clarity.away": (
        "The store does not answer.",
        "Check that the site is up; everything waits in order and goes on by itself.",
    ),
    "clarity.throttled": ("The store asked us to slow down.", "Nothing to do: it is tried again when the store said."),
    "clarity.refused": (
        "The store refused the change: {message}.",
        "Correct the order at the store or discard this.",
    ),
    "clarity.unknown_order": (
        "The store has no order {id}.",
        "Check whether it was deleted there; then discard this.",
    ),
    "clarity.credentials": (
        "The store does not accept our user and password.",
        "Correct the connection's credentials, then start the processes again.",
    ),
    # the delivery engine
    "delivery.waiting": ("It is tried again after a pause.", NOTHING),
    "delivery.unknown": (
        "It is not known whether the target has it.",
        "Nothing to do: the target is asked before anything is sent again.",
    ),
    "delivery.several": (
        "The target has it more than once: {documents}.",
        "Keep one of them and void the others there, then discard this.",
    ),
    "delivery.circuit_open": (
        "{connection} fails for several documents at once, so nothing is sent there.",
        "Check {connection}; a probe finds out when it is back, and all goes on in order.",
    ),
    "delivery.circuit_closed": ("{connection} answers again.", NOTHING),
    "delivery.loop": (
        "It went round between systems more than three times.",
        "Find out which two write each other's field, then release or discard it.",
    ),
    "delivery.counts": ("The counts of the connection's store.", NOTHING),
}


def sentence(code: str, values: Mapping[str, str]) -> Sentence:
    """The sentence of a code with its values; a value that is missing shows as a question mark."""
    found = find(code)
    if found is None:
        return _fallback(code, values)
    happened, to_do = found
    return Sentence(happened=_filled(happened, values), to_do=_filled(to_do, values))


def find(code: str) -> tuple[str, str] | None:
    """The catalogue's entry."""
    return CATALOGUE.get(code)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values.get(match.group(1)) or "?", text)


def _fallback(code: str, values: Mapping[str, str]) -> Sentence:
    """Names code and values, so that whoever is asked has both."""
    listed = ", ".join(f"{name}={value}" for name, value in sorted(values.items()))
    happened = f"{code} ({listed})." if listed else f"{code}."
    if code.startswith("gp.") and code[3:].isdigit():
        to_do = f"Look {code[3:]} up in GP's table DYNAMICS..taErrorCode, correct what it names, then redrive it."
    else:
        to_do = "Show it whole with `towpath dead-letters show` or `towpath trace`, then ask whoever keeps the bus."
    return Sentence(happened=happened, to_do=to_do)
