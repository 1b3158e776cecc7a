"""The sentence catalogue: what each code of an outcome or dead letter means to an operator, and what he can do.

One catalogue serves command line, desk, alerts and statements. A code that is not here still gets a sentence that
names it.
"""

import re
from collections.abc import Mapping

import msgspec

from operations.gp_numbers import GP_NUMBERS

NOTHING = "Nothing to do."
#: When a connection's system is not the one that is remembered.
RIGHT_ONE = (
    "If it was restored, or swapped for good: `towpath resume {connection} --accept-identity --why ...`, then replay "
    "what it has lost and have its changes captured anew (docs/how-to/when-an-erp-was-restored.md). If by mistake: put "
    "the right one back, and it goes on within a minute."
)
OF_A_LINE = re.compile(r"\b(item|line|serial|quantity)")
#: GP names no item; the call that was refused did.
_OF_AN_ITEM = frozenset(f"gp.{number}" for number, (why, _) in GP_NUMBERS.items() if OF_A_LINE.search(why))
#: For codes of which a row may tell without their values: those are told where the connection's own standing is.
WITHOUT_VALUES: Mapping[str, str] = {
    "identity.other": (
        "Another database than before is behind {connection}. Nothing is written to it or read from it, and all that "
        "comes waits in order."
    ),
    "identity.behind": (
        "The database of {connection} was set back. Nothing is written to it or read from it, and all that comes waits "
        "in order."
    ),
}
PLACEHOLDER = re.compile(r"\{([a-z_0-9]+)\}")


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """What happened and what to do, as whole sentences."""

    happened: str
    to_do: str

    def __str__(self) -> str:
        return self.happened if self.to_do == NOTHING else f"{self.happened} {self.to_do}"


#: Code to what happened and what to do; `{name}` stands for a value of the outcome.
CATALOGUE: Mapping[str, tuple[str, str]] = {
    "undecodable": (
        "The bytes are not what the topic promises ({reason}).",
        "Look at them with `towpath dead-letters show`; correct the sender or the schema, then redrive it.",
    ),
    "mapping": (
        "The field {field} could not be turned into the target's: {reason}.",
        "Correct the record at its source, or the mapping or lookup table that names the field, then redrive it.",
    ),
    "dependency": (
        "It waits for {waits_for}, which is not there yet.",
        "If {waits_for} is not on its way, create it: what waits goes on by itself.",
    ),
    "dependency_circle": (
        "It waits for {waits_for}, and that waits for it in turn: {circle}.",
        "Create {waits_for} at {connection} by hand, or let one of them go: `towpath parked skip` with its key.",
    ),
    "configuration": (
        "The setting {setting} is missing or impossible.",
        "Correct {setting} in the deployment, then start the process again.",
    ),
    "too_large": (
        "The record has {size_bytes} bytes; its topic takes {limit_bytes}.",
        "Make the document smaller at its source; its next version comes by itself.",
    ),
    "too_many_dead_letters": (
        "{most} events in a row could not be used, the last because of {last}, so the process stopped.",
        "Correct the mapping or schema they share, then start the process: it goes on where it stopped.",
    ),
    "recall.gone": (
        "The event the record was made of is not in its topic any more, so that it cannot be mapped once more.",
        "Change the document at its source: its next version is mapped by the mapping at work.",
    ),
    "recall.newer": (
        "A newer {record} of {key} came while the recall ran: it stands, and the older one is not made again.",
        NOTHING,
    ),
    "recall.not_made": (
        "The mapping at work makes no {key} of that event any more: what was written stands.",
        "See what the document says at its source; what it says there next is mapped by the mapping at work.",
    ),
    "recall.refused": (
        "Mapped once more, the record was refused because of {why}: what was written stands.",
        "Cure that, in the mapping or the lookup tables, then recall again.",
    ),
    "recall.same_mapping": (
        "The mapping at work is the one that is recalled, {mapping}: the same would come out.",
        "Put the corrected version in place, start `towpath run streams` anew, then recall again.",
    ),
    "tombstone": ("The record was empty: a deletion mark of the topic.", NOTHING),
    "nothing_to_tell": ("Nothing in it concerns anybody else.", NOTHING),
    "no_store_order": ("The order was entered at the ERP itself, so no store has to be told.", NOTHING),
    "purged": ("Old history was removed in GP; that changes nothing about the order, so nobody is told.", NOTHING),
    "no_order": ("No order is behind the document that changed, so nobody has to be told.", NOTHING),
    "stock_row_deleted": ("The item was taken off the site.", NOTHING),
    "total_of_sites": ("The row is the total of all sites, which the sites tell themselves.", NOTHING),
    "merged": ("Another event about the same document covers it.", NOTHING),
    "superseded": ("A newer state of the same record replaced it before it was sent.", NOTHING),
    "older": ("A newer version had been taken in before.", NOTHING),
    "timed_out": (
        "The target gave no answer in {timeout_s} seconds, so it is not known whether it was done.",
        "Nothing to do: the target is asked before anything is sent again.",
    ),
    "prepare_timed_out": (
        "The target gave no answer while the document was prepared; nothing was sent.",
        "Nothing to do: it is tried again. If it stays, check {connection}.",
    ),
    "find_timed_out": (
        "The target did not say whether it has the document.",
        "Nothing to do: it is asked again. If it stays, check {connection}.",
    ),
    "asked_in_vain": (
        "The target could not say whether it has the document: {reason}.",
        "Nothing to do: it is asked again. If it stays, check {connection}.",
    ),
    "still_settling": (
        "The target does not have the document yet and may still be at work on it.",
        "Nothing to do: it is asked again.",
    ),
    "cannot_tell": (
        "{connection} works, but asked again and again it does not say whether the document {document} was made: "
        "{reason}.",
        "Look there whether {document} stands. `towpath parked release` asks once more and never sends blindly; if it "
        "stands and cannot be found, `towpath parked discard`.",
    ),
    "several": (
        "{connection} has it more than once: {documents}.",
        "Keep one of {documents} and void the others there, then `towpath parked discard` it.",
    ),
    "lease_too_short": (
        "The call could not have ended while the row was ours, so it was not sent.",
        "Nothing to do: it is tried again. If it stays, the machine is too busy.",
    ),
    "not_sent": (
        "Its queue stood still before its turn came, so it was not sent.",
        "Nothing to do: it is tried again.",
    ),
    "lease_expired": (
        "The worker went away while it was sending.",
        "Nothing to do: the target is asked before anything is sent again.",
    ),
    "store_refused": (
        "The connection's store refused a value ({sql_state}).",
        "Report it with the log of the process: this is a defect of the bus. Nothing is lost; the event waits.",
    ),
    "log_end_unknown": (
        "Kafka does not say where a topic ends: a partition has no leader.",
        "Look at the brokers; the process starts again by itself and asks again.",
    ),
    "log_truncated": (
        "{topic} ends at {end} in partition {partition}, though it was taken in up to {position}: Kafka lost its end.",
        "Find out what the broker lost, let the sources tell it again (`towpath census` lists what is missing), and "
        "have the store's position of the partition set to the topic's end.",
    ),
    "topic_recreated": (
        "{topic} was deleted and made anew, so the process begins at its beginning.",
        "The process starts again by itself. What of the old topic was never taken in, `towpath status` tells.",
    ),
    "no_root_key": (
        "Its message key {key} names no connection and document.",
        "Have the program that wrote it set the key to `<connection>:<id of the document>`, and write it again.",
    ),
    "no_sink": (
        "Nothing here can write {record} to this connection.",
        "Look at `towpath routes`: the process is of another version than what was taken in; start the right one.",
    ),
    "released": ("An operator had it tried again at once.", NOTHING),
    "redriven": ("An operator had the dead letter tried again in its place.", NOTHING),
    "skipped": (
        "An operator left it dead so that its key goes on; it had been parked because of {was}.",
        "Nothing to do. Its bytes are kept with the dead letter.",
    ),
    "discarded": ("An operator ended it for good; it had been parked because of {was}.", NOTHING),
    "maintenance.begun": (
        "The maintenance window of {connection} is open until {until}: nothing new is started.",
        NOTHING,
    ),
    "maintenance.ended": ("The maintenance window of {connection} is over.", NOTHING),
    "circuit.opened": (
        "Several documents failed at {connection} one after the other ({why}), so nothing new is sent there.",
        "Look whether the system is up. A read probes it, and delivery goes on by itself when that works.",
    ),
    "circuit.probing": ("{connection} answers again: one document goes first.", NOTHING),
    "circuit.closed": ("{connection} takes documents again.", NOTHING),
    "intake.full": (
        "{connection} holds as much as it may ({rows} events, {bytes} bytes at work or due): nothing more is taken in.",
        "Look why it gets on slowly: `towpath status`. It goes on by itself at half; the topics keep what waits.",
    ),
    "intake.room": ("{connection} has room again: events are taken in.", NOTHING),
    "preflight.passes": ("It would pass now.", "Redrive it."),
    "preflight.maps": (
        "The mapping makes a document of it; this target cannot be asked without writing.",
        "Redrive it: what is still wrong is told then.",
    ),
    "preflight.fails": (
        "It would fail again, because of {why}.",
        "Cure that first; what it means: `towpath dead-letters show`.",
    ),
    "preflight.applied": ("The target has it already ({why}).", "Redrive it: it ends without a second write."),
    "preflight.stale": ("A newer version of the same record waits behind it.", "Skip it: the newer one goes on."),
    "preflight.blocked": ("It would wait for {waits_for}.", "Create {waits_for}, or redrive it: it waits by itself."),
    "preflight.cannot_tell": (
        "The target could not be asked ({why}).",
        "Ask again when it answers; `towpath status` tells how it is.",
    ),
    "ask.there": ("{connection} was asked for {thing}: it is there, and the {rows} that wait for it go on.", NOTHING),
    "ask.sent": (
        "{connection} was asked for {thing}: it is there and is read anew, for the {rows} that wait for it.",
        NOTHING,
    ),
    "ask.not_there": (
        "{connection} was asked for {thing}: not there.",
        "Make it there: what waits for it goes on by itself.",
    ),
    "ask.no_way": (
        "{connection} was asked for {thing}, and nothing of that kind is looked for there.",
        "Name the connection that owns it with `--of`, or try what waits with `towpath parked release --for {thing}`.",
    ),
    "ask.away": (
        "{connection} could not be asked for {thing}: {why}.",
        "Ask again when it answers; `towpath status` tells.",
    ),
    "command.done": ("{act}: {rows} done.", NOTHING),
    "command.nothing": (
        "{act}: nothing parked fits any more.",
        "Look with `towpath parked list`: it may have gone on, or is being tried at this moment.",
    ),
    "command.failed_again": (
        "{act}: it cannot go on even now, because of {why}.",
        "Show it with `towpath dead-letters show`, cure that, then redrive it again.",
    ),
    "dead_letters.gone": (
        "{act}: the bytes of the dead letter are not on their topic any more.",
        "Have the document sent again at its source: its next version carries everything.",
    ),
    "command.unknown": (
        "The process does not know the command {act}.",
        "It is of an older version than the command line: start the processes of this version.",
    ),
    "already_queued": ("The very same event waits in the queue already.", NOTHING),
    "lost_replay": ("Another worker goes on with the replay, or somebody stopped it.", NOTHING),
    "replay.accepted": (
        "The replay is under way beside the live work: {offsets} offsets are read.",
        "Follow it with `towpath replay show {replay}`.",
    ),
    "replay.nothing": (
        "Nothing of what was asked for was ever taken in here.",
        "Look at `towpath routes`: which topics end at {connection}. What was not read yet comes by itself.",
    ),
    "replay.running": ("{taken_in} events were taken again so far; {left} of {offsets} offsets are left.", NOTHING),
    "replay.done": ("The replay is over: all {taken_in} events were taken again.", NOTHING),
    "replay.done_with_gaps": (
        "The replay is over: {taken_in} events were taken again, {gone} are no longer in the topic.",
        "Where a newer record of its key is there, that stands; for the rest have the source tell it again.",
    ),
    "replay.stopped": (
        "The replay was stopped by {by}; what of it had not been tried is not sent.",
        "Begin another one for what is missing: what is there already is left alone.",
    ),
    "replay.not_running": ("No such replay runs here.", "Look at `towpath replay list`."),
    "replay.planned": ("A replay of {events} events would make {creates} creations and {updates} changes.", NOTHING),
    "replay.plan_failed": (
        "What the replay would come to could not be found out ({why}).",
        "Report it with the log of the process: this is a defect of the bus.",
    ),
    "replay.paused": ("The replay waits because {connection} is paused.", "Go on with `towpath resume {connection}`."),
    "replay.estranged": (
        "The replay waits because another system is behind {connection} than is remembered.",
        "See what to do about that with `towpath status`: then it goes on by itself.",
    ),
    "replay.too_many_open": (
        "The replay waits because a thousand of its events stand still.",
        "Look at `towpath dead-letters list` and `towpath parked list`; or end it with `towpath replay stop {replay}`.",
    ),
    "replay.outcomes_wait": ("The replay waits until Kafka has the outcomes told so far.", NOTHING),
    "command.paused": (
        "{connection} is paused until it is resumed.",
        "Go on with `towpath resume {connection}`.",
    ),
    "command.paused_until": (
        "{connection} is paused until {until}.",
        "Nothing to do: it goes on then. Sooner: `towpath resume {connection}`.",
    ),
    "command.resumed": ("{connection} goes on.", NOTHING),
    "command.was_not_paused": ("{connection} was not paused.", NOTHING),
    "identity.unmet": (
        "Which system is behind {connection} is being asked before anything is done there.",
        "Nothing to do: it goes on at once.",
    ),
    "identity.other": (
        "Another database than before is behind {connection}: {seen} instead of {known}. Nothing is written to it or "
        "read from it, and all that comes waits in order.",
        RIGHT_ONE,
    ),
    "identity.behind": (
        "The database of {connection} was set back: the newest of our documents in it is {seen_newest}, though "
        "{known_newest} was delivered. Nothing is written to it or read from it, and all that comes waits in order.",
        RIGHT_ONE,
    ),
    "identity.recognised": (
        "The database that is remembered is behind {connection} again, with all that was delivered: {known}.",
        NOTHING,
    ),
    "identity.accepted": (
        "{connection} goes on with {known}. What was delivered after it had been copied is not in it.",
        "Have that sent again: `towpath replay --to {connection} --since ... --why ...`; what is there is left alone. "
        "Have the connector of its change data capture make a new snapshot, as it follows the log of the old database.",
    ),
    "identity.not_held": (
        "{connection} works with the system that is remembered: there was nothing to accept.",
        NOTHING,
    ),
    "identity.still_held": (
        "{connection} stays stopped: {seen} is there, our newest document in it {seen_newest}; remembered is {known} "
        "with {known_newest}.",
        RIGHT_ONE,
    ),
    "fetched": ("The document was read whole from its system.", NOTHING),
    "unchanged": ("Read again, it was the same as before.", NOTHING),
    "nothing_to_deliver": (
        "What only reads was asked to write.",
        "Report it with the log of the process: this is a defect of the bus.",
    ),
    "nothing_to_find": (
        "What only reads was asked to look for a write, which it never makes.",
        "Report it with the log of the process: this is a defect of the bus.",
    ),
    "created": ("{document_number} was created.", NOTHING),
    "updated": ("{document_number} was brought to what it should be.", NOTHING),
    "voided": ("{document_number} was voided.", NOTHING),
    "equal": ("The target already had exactly this.", NOTHING),
    "echo": ("It is our own write coming back.", NOTHING),
    "cancelled_before_creation": ("The order was cancelled before it was ever created there.", NOTHING),
    "status_set": ("The order {order} was set to {status}.", NOTHING),
    "status_otherwise": (
        "The store's action {action} led the order {order} to {status}, not to {wanted}.",
        "If it always does, say so in the lookup table clarity_status_keys: else the action is done again whenever the "
        "ERP tells of the order. If somebody moved the order at the same moment, set it right at the store.",
    ),
    "status_moved": (
        "The order went on to another status before its action was sent; the action is chosen once more.",
        NOTHING,
    ),
    "shipment_written": ("The shipment {shipment} was written to the order {order}.", NOTHING),
    "stock_set": ("The stock of {product} was set to {quantity}.", NOTHING),
    "cancelled_at_store": ("The customer cancelled the order at the store, so its status was left alone.", NOTHING),
    "finished_at_store": ("The order is finished at the store already, so its status was left alone.", NOTHING),
    "gateway.unknown_event": (
        "A webhook of {connection} told of {event}, which nobody reads here.",
        "Nothing to do, or take the event off the store's list so that it is not sent.",
    ),
    "gateway.read_after_all": ("A webhook that could not be read was read after all, and goes its way.", NOTHING),
    "gateway.malformed": (
        "A webhook of {connection} was signed rightly, but its body is not what was agreed: {reason}.",
        "Compare the sender's body with schemas/systems, then redrive it; the poller still finds the change.",
    ),
    "gateway.spool_full": (
        "Kafka takes no webhooks, and the spool of {connection} holds all it may: senders are told to repeat.",
        "Bring Kafka back; the spool drains by itself. Its room is the connection's setting spool_most_mb.",
    ),
    "gateway.spool_away": (
        "The disk of the gateway's spool takes or gives nothing.",
        "See that the volume is there and has room; until then senders are told to repeat.",
    ),
    "gateway.spool_broken": (
        "The file of the gateway's spool is damaged, so the gateway stops.",
        "Look at the volume's disk; move the file away to go on, and keep it: accepted webhooks may be in it.",
    ),
    "gateway.not_stored": (
        "A webhook of {connection} could not be stored, so its sender was told to repeat it.",
        "Look at Kafka with `towpath stack status`; the sender and the poller bring it again.",
    ),
    "defect": (
        "The process met something it was not written for.",
        "Report it with the log of the process: this is a defect of the bus.",
    ),
    "broker_away": ("Kafka does not answer.", "Check `towpath stack status`; work goes on by itself when it is back."),
    "broker_slow": ("Kafka did not confirm in time.", "Check the disk and load of the broker; work goes on by itself."),
    "cannot_produce": (
        "Kafka refuses what is written.",
        "Check the topic's settings with `towpath topics list`, then start the process again.",
    ),
    "registry_away": (
        "The schema registry does not answer.",
        "Check `towpath stack status`; what was seen before goes on from memory.",
    ),
    "store_unavailable": (
        "The connection's store does not answer.",
        "Check its PostgreSQL; work goes on by itself when it is back.",
    ),
    "store_read_only": (
        "The connection's store takes no writes: it is a standby or its disk is full.",
        "Check its PostgreSQL; work goes on by itself when it writes again.",
    ),
    "store_schema": (
        "The connection's store is of another version than the code.",
        "Run `towpath migrate`, then start the process again.",
    ),
    "store_restored": (
        "The store of {connection} does not know all it has announced: it was restored or replaced, so nothing is "
        "taken in or delivered there.",
        "Run `towpath store recover {connection}`: it tells the store what was done and has the rest looked for.",
    ),
    "store.recovered": (
        "The store was recovered: {ended} open events had ended, {in_doubt} are looked for before they are sent.",
        NOTHING,
    ),
    "store_recovering": (
        "The store of {connection} is not recovered yet, so nothing is taken in or delivered there.",
        "Run `towpath store recover {connection}` to its end; it may be run again.",
    ),
    "gp.document_in_use": (
        "A user of GP has the document open.",
        "Nothing to do: it is tried again. If it stays, ask who left it open and have it closed.",
    ),
    "gp.away": (
        "The GP database does not answer.",
        "Check that its SQL Server runs and can be reached; everything waits in order and goes on by itself.",
    ),
    "gp.rolled_back": (
        "A trigger or an add-on of GP undid the first half of {document}; the rest was taken back, too.",
        "Ask who keeps GP's add-ons: they must not roll back a transaction they did not begin.",
    ),
    "gp.code_page": (
        "GP's code page {code_page} has no letter {letter}.",
        "Correct the option or the lookup row it comes from; names and addresses are written in other letters by us.",
    ),
    "gp.too_slow": (
        "The GP database took longer than a document may take; all of it was undone.",
        "Nothing to do: it is tried again. If it stays, look what keeps the database busy or holds its locks, or "
        "give it more time: the connection's send_timeout_s.",
    ),
    "gp.absent": (
        "The document is neither in GP's work nor in its history; it may be on its way between them.",
        "Nothing to do: it is looked for again. If it stays, look whether somebody deleted it.",
    ),
    "gp.duplicate": (
        "Somebody else made the same row in GP at the same moment, such as a new customer or the day's batch.",
        "Nothing to do: it is tried again. If it stays, look which table of GP has the row already.",
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
        "Check the document id in GP's set-up and the connection's option `document_id`, then redrive it.",
    ),
    "gp.no_answer": (
        "The procedure {procedure} gave no result.",
        "Check that eConnect is installed and our user may execute it (role DYNGRP), then redrive it.",
    ),
    "gp.not_written": (
        "GP reported success, but the document {document} does not stand.",
        "Look for a site's own Pre or Post procedures that change documents, then redrive it.",
    ),
    "gp.already_void": (
        "The order was cancelled and its document {document} is void, yet the store changed it again.",
        "Enter a new order in GP by hand, or at the store, then discard this.",
    ),
    "gp.document_gone": (
        "The document {document} was deleted in GP.",
        "Ask who deleted it and why; enter it again by hand, or discard this.",
    ),
    "gp.changed_by_hand": (
        "Somebody put line {line} on GP's document {document}; changing the order would take it off again.",
        "Make the change in GP by hand and discard this, or take the line off there and redrive it.",
    ),
    "gp.too_late": (
        "GP's document {document} was transferred to an invoice already and can no longer be changed.",
        "Correct it in GP by hand (credit or a new order), then discard this.",
    ),
    "clarity.address": (
        "The store's address cannot be called: {reason}.",
        "Correct the connection's `url`, then start the processes again.",
    ),
    "clarity.away": (
        "The store does not answer.",
        "Check that the site is up; everything waits in order and goes on by itself.",
    ),
    "clarity.absent": (
        "The store has no such order yet; it may be about to appear.",
        "Nothing to do: it is looked for again.",
    ),
    "clarity.gone": (
        "The store has no order {order}.",
        "Nothing to do if it was deleted there; else ask why our user cannot see it.",
    ),
    "clarity.no_key": (
        "The store cannot be asked for {key}: no address can hold it.",
        "Correct the number at its source, then discard this.",
    ),
    "clarity.search": (
        "The store does not list its orders as asked: sorted by their last change, page after page.",
        "Ask who keeps the site about its order search; until then only webhooks tell of changes.",
    ),
    "clarity.older_reading": (
        "The store shows the order as older than it was before: from a copy that lags, or its clock was set back.",
        "Nothing to do: it is read again, and believed if it stays so.",
    ),
    "clarity.other_id": (
        "Asked for order {asked} the store answered with order {is_}.",
        "Nothing to do if the order came under its own id, too; else have the sender of the webhook write ids as the "
        "store does.",
    ),
    "clarity.stale_read": (
        "The store told of a change that it does not show yet.",
        "Nothing to do: it is read again. If it stays, look for a cache before the store's API.",
    ),
    "clarity.throttled": ("The store asked us to slow down.", "Nothing to do: it is tried again when the store said."),
    "clarity.refused": (
        "The store refused it: {reply}.",
        "Correct what the store names, there or in the ERP it comes from, then redrive it, or discard this.",
    ),
    "clarity.not_found": (
        "The store knows no such address: {reply}.",
        "Compare the connection's `url` with the site, then redrive it.",
    ),
    "clarity.no_such_order": (
        "The store has no order {order}, so it cannot be told anything about it.",
        "Look whether it was deleted at the store, then discard this.",
    ),
    "clarity.credentials": (
        "The store does not accept our user and password.",
        "Correct the connection's credentials, then start the processes again.",
    ),
    "clarity.forbidden": (
        "Our user lacks a permission at the store.",
        "Give the user the permission, then start the processes again.",
    ),
    **{
        f"gp.{number}": (f"Dynamics GP refused the document: {why} ({number}).", to_do)
        for number, (why, to_do) in GP_NUMBERS.items()
    },
}


def sentence(code: str, values: Mapping[str, str]) -> Sentence:
    """The sentence of a code with its values; a value that is missing shows as a question mark."""
    found = find(code)
    if found is None:
        return _fallback(code, values)
    happened, to_do = found
    if code in WITHOUT_VALUES and not any(name.startswith(("seen", "known")) for name in values):
        happened = WITHOUT_VALUES[code]
    if code in _OF_AN_ITEM and values.get("item"):
        happened = f"{happened.removesuffix('.')}: item {{item}}."
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
