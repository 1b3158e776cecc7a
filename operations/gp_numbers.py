"""What eConnect refuses a document for, by its own numbers; for whoever knows GP better than the bus."""

from collections.abc import Mapping

#: What eConnect says by number, and what to do. Above 90000 the number is the simulator's own: a real company database
#: has others, which the table DYNAMICS..taErrorCode there tells.
GP_NUMBERS: Mapping[int, tuple[str, str]] = {
    67: (
        "the subtotal is not the sum of its lines",
        "Compare the order's lines at the store with the mapping, then redrive it.",
    ),
    235: (
        "the document's amount is not the sum of its parts",
        "Compare tax, freight and discount at the store with the mapping, then redrive it.",
    ),
    712: (
        "the tax is not the sum of its tax details",
        "Check the options `tax_schedule` and `tax_detail` of the connection, then redrive it.",
    ),
    722: (
        "a line's extended price is not its price times its quantity",
        "Compare the line at the store with the mapping's rounding, then redrive it.",
    ),
    2221: ("the document number is used already", "Check GP's next number for the document id, then redrive it."),
    2022: (
        "somebody is editing it",
        "Nothing to do: it is tried again. If it stays, have the document closed in GP.",
    ),
    2079: (
        "somebody is editing it",
        "Nothing to do: it is tried again. If it stays, have the document closed in GP.",
    ),
    2902: (
        "a line's item differs from the one already on that line",
        "Make both name one item, in GP or at the store, then redrive it.",
    ),
    2905: ("more was fulfilled than is allocated", "Allocate the missing quantity in GP, then redrive it."),
    3551: ("a serial number is missing", "Enter the serial number in GP, then redrive it."),
    1526: ("a serial number was sold already", "Choose another serial number in GP, then redrive it."),
    4776: (
        "an item does not allow back orders",
        "Allow them on the item's card, or bring stock in, then redrive it.",
    ),
    7023: (
        "the tax schedule is unknown",
        "Create it in GP, or correct the connection's option `tax_schedule`, then redrive it.",
    ),
    9370: (
        "the currency stands on the document but not on a line",
        "Correct the mapping so that both carry one currency, then redrive it.",
    ),
    9539: (
        "the salesperson is inactive",
        "Activate the salesperson, or change the customer's in GP, then redrive it.",
    ),
    190: (
        "the receivables number exists already",
        "Check the next number in GP's receivables set-up, then redrive it.",
    ),
    221: ("the customer is unknown", "Create the customer in GP, then redrive it."),
    621: ("the receivables amount is wrong", "Compare the payment's amounts with the order's, then redrive it."),
    483: (
        "the currency is unknown",
        "Set it up in GP, or correct the lookup table `gp_currencies`, then redrive it.",
    ),
    716: (
        "a general ledger account is unknown",
        "Create the account in GP, or correct the lookup row that names it, then redrive it.",
    ),
    7738: (
        "two journal lines carry one sequence number",
        "Correct the mapping that numbers the lines, then redrive it.",
    ),
    3250: (
        "an item is unknown",
        "Create the item in GP, or add a row for it to the lookup table `gp_items`, then redrive it.",
    ),
    90001: ("the document type is none of GP's", "Correct the mapping, then redrive it."),
    90002: (
        "the document id is not set up for orders",
        "Set it up in GP, or correct the connection's option `document_id`, then redrive it.",
    ),
    90003: ("the customer is unknown", "Create the customer in GP, then redrive it."),
    90004: ("the customer is inactive", "Activate the customer in GP, then redrive it."),
    90005: ("the customer is on hold", "Take the hold off in GP, then redrive it."),
    90006: (
        "the document is over the customer's credit limit",
        "Raise the limit in GP, or collect first, then redrive it.",
    ),
    90007: ("the customer has no address", "Enter an address for the customer in GP, then redrive it."),
    90008: (
        "a value that is needed is blank",
        "Fill it in at the store, or give it a default in the mapping, then redrive it.",
    ),
    90009: ("the document is in history and cannot be changed", "Correct it in GP by hand, then discard this."),
    90010: (
        "the document has no lines",
        "Correct the order at the store, then skip this: its next version waits behind it.",
    ),
    90011: (
        "the shipping method is unknown",
        "Create it in GP, or correct the lookup table `gp_ship_methods`, then redrive it.",
    ),
    90012: ("the payment terms are unknown", "Create them in GP, or correct the mapping, then redrive it."),
    90013: ("the site is unknown", "Create the site in GP, or correct the lookup table `gp_sites`, then redrive it."),
    90014: ("the customer has no address of that id", "Enter the address in GP, then redrive it."),
    90015: ("the price level is unknown", "Create it in GP, or correct the customer's, then redrive it."),
    90016: (
        "the payment received is not the sum of its payments",
        "Compare the payments at the store with the mapping, then redrive it.",
    ),
    90018: (
        "neither line nor item names a site",
        "Set the connection's option `site`, or the item's in GP, then redrive it.",
    ),
    90019: (
        "the line exists already",
        "Look at the document in GP: somebody added the line by hand; then redrive it.",
    ),
    90020: (
        "the line is invoiced in part and cannot go below that",
        "Correct it in GP by hand (credit), then discard this.",
    ),
    90021: (
        "a quantity has more decimals than its item allows",
        "Correct the quantity at the store, or the item's card, then redrive it.",
    ),
    90022: ("the quantities of a line contradict each other", "Look at the line in GP, then redrive it."),
    90023: (
        "an item is unknown",
        "Create the item in GP, or add a row for it to the lookup table `gp_items`, then redrive it.",
    ),
    90024: ("an item is inactive", "Activate the item in GP, then redrive it."),
    90025: ("an item is not assigned to the site", "Assign the item to the site in GP, then redrive it."),
    90026: (
        "the unit of measure is unknown for the item",
        "Add it to the item's schedule, or correct the lookup table `gp_units`, then redrive it.",
    ),
    90027: ("the line to be taken off is not there", "Look at the document in GP, then redrive it."),
    90028: ("the document to be voided is not there", "Look whether somebody deleted it in GP, then discard this."),
    90029: (
        "the document is transferred in part and cannot be voided",
        "Correct it in GP by hand, then discard this.",
    ),
    90030: ("the tracking number is on the document already", "Discard this: what it wanted is there."),
    90031: (
        "the payment type does not fit the document",
        "Correct the mapping of the payment method, then redrive it.",
    ),
    90032: ("a card payment needs a card name", "Correct the lookup row of the payment method, then redrive it."),
    90033: ("the record exists already", "Look at the record in GP: somebody made it by hand; then redrive it."),
    90034: (
        "a new customer needs a name",
        "Enter the customer's name at the store, then skip this: its next version waits behind it.",
    ),
    90035: (
        "the customer class is unknown",
        "Create it in GP, or correct the connection's option `customer_class`, then redrive it.",
    ),
    90036: ("the kind of master record is none of GP's", "Correct the mapping, then redrive it."),
    90037: (
        "the tax detail is unknown",
        "Create it in GP, or correct the connection's option `tax_detail`, then redrive it.",
    ),
    90038: (
        "an item outside the inventory needs a description",
        "Enter a description at the store, then skip this: its next version waits behind it.",
    ),
    90039: ("the payment to be changed is not there", "Look at the document's payments in GP, then redrive it."),
    90041: (
        "the taxes were to be computed there",
        "Correct the mapping so that it sends the tax rows, then redrive it.",
    ),
}
