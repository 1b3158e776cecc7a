"""What is behind the ledger's numbers that need somebody: events, where each stands, what would move it; pure."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping

from delivery.states import ParkedFor, State
from operations.ledger import Explained, Named, Standing, is_in_flight, is_unread, place_of
from operations.projection.books import Books, OpenDelivery, OpenRoot
from operations.projection.letters import DeadLetterTold
from operations.readers import Reader
from operations.sentences import sentence

#: From the worst.
COLUMNS = ("remainder", "dead", "parked", "in_flight")
NOBODY = "nobody knows of it"


def explained(
    found: Books, standing: Standing, buried: Iterable[DeadLetterTold], known: Iterable[Reader], limit: int
) -> tuple[Explained, ...]:
    """Each number other than 0, the worst first, with its oldest events.

    Args:
        found: What has no end.
        standing: Where every reader stands, and what every store holds.
        buried: Dead letters of stages before the queues that still stand, some of each.
        known: Who reads which topic.
        limit: Events named for each number.
    """
    processes = _processes(known)
    groups: dict[tuple[str, str, str, str], list[Named]] = defaultdict(list)
    for root in found.open_roots:
        column = "in_flight" if is_in_flight(root, standing) else "remainder"
        groups["intake", column, root.topic, ""].append(_root(root, column, standing, processes))
    for letter in buried:
        groups["intake", "dead", letter.topic, ""].append(_letter(letter))
    for each in found.open_deliveries:
        column = place_of(each, standing)
        groups["delivery", column, each.record, each.target].append(_delivery(each, column, standing, processes))
    ordered = sorted(groups.items(), key=lambda group: (COLUMNS.index(group[0][1]), group[0]))
    return tuple(
        Explained(
            book=book,
            column=column,
            of=of,
            target=target,
            count=len(events),
            events=tuple(sorted(events, key=_age)[:limit]),
            more=max(0, len(events) - limit),
        )
        for (book, column, of, target), events in ordered
    )


def _root(root: OpenRoot, column: str, standing: Standing, processes: Mapping[tuple[str, str], str]) -> Named:
    _, partition, offset = root.event
    why, to_do = "A source event that has not come to an end.", _explain(root.root_key)
    if column == "remainder":
        stands, why, to_do = NOBODY, "It was read, and nothing was told of it.", _trace(root.root_key)
    elif is_unread(root.event, root.connection, standing):
        who = processes.get((root.topic, root.connection)) or processes.get((root.topic, ""), "its reader")
        stands, to_do = f"not read by {who} yet", f"Nothing to do if {who} runs: `towpath lag`."
    elif root.root in standing.open_roots:
        stands = f"in a queue of {root.connection}" if root.connection else "in a queue"
    else:
        stands, to_do = "read, not mapped yet", "Nothing to do if streams run: `towpath lag`."
    return Named(
        root_key=root.root_key,
        topic=root.topic,
        partition=partition,
        offset=offset,
        since=root.arrived_at,
        stands=stands,
        why=why,
        to_do=to_do,
    )


def _letter(letter: DeadLetterTold) -> Named:
    said = sentence(letter.code, letter.code_values | {"connection": letter.connection})
    return Named(
        root_key=letter.root_key,
        topic=letter.topic,
        partition=letter.source_partition,
        offset=letter.source_offset,
        since=letter.at,
        stands=f"dead letter {letter.id[:8]} of {letter.stage}",
        why=said.happened,
        to_do=f"{said.to_do} `towpath dead-letters show {letter.id[:8]}`.",
    )


def _delivery(each: OpenDelivery, column: str, standing: Standing, processes: Mapping[tuple[str, str], str]) -> Named:
    _, partition, offset = each.event
    row = standing.open_rows.get((each.target, each.event))
    said = sentence(each.code, each.values | {"connection": each.target}) if each.code else None
    why = said.happened if said is not None else "Nothing was told of it yet."
    to_do = _explain(each.root_key)
    if column == "remainder":
        stands, to_do = NOBODY, _trace(each.root_key)
    elif row is not None:
        state, cause = row
        stands = f"{state} for {cause}" if cause else state
        if (state, cause) == (State.PARKED, ParkedFor.REFUSED) and said is not None:
            command = f"`towpath dead-letters list --connection {each.target} --code {each.code}`"
            to_do = f"{said.to_do} {command}."
        elif (each.target, each.event) in standing.held:
            why, stands = "It waits behind a refused event of its key.", f"{state} behind another"
    elif (each.target, each.event) in standing.announced:
        stands, to_do = "settled, not announced yet", "Nothing to do."
    else:
        who = processes.get((each.topic, each.target), f"consumers@{each.target}")
        stands, to_do = f"not read by {who} yet", f"Nothing to do if {who} runs: `towpath lag`."
    return Named(
        root_key=each.root_key,
        topic=each.topic,
        partition=partition,
        offset=offset,
        since=each.since,
        stands=stands,
        why=why,
        to_do=to_do,
    )


def _processes(known: Iterable[Reader]) -> dict[tuple[str, str], str]:
    return {(reader.topic, reader.connection): reader.process for reader in known}


def _age(named: Named) -> tuple[float, str, int, int]:
    since = named.since.timestamp() if named.since is not None else float("inf")
    return since, named.topic, named.partition, named.offset


def _explain(root_key: str) -> str:
    return f"`towpath explain {shlex.quote(root_key)}`." if root_key else "`towpath lag`."


def _trace(root_key: str) -> str:
    return (
        f"`towpath trace {shlex.quote(root_key)}` tells what is known of its key." if root_key else "`towpath census`."
    )
