"""`towpath explain`: why a key is where it is."""

from collections.abc import Collection
from typing import Annotated

import typer

from delivery.states import State
from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table
from operations.explain import Explained, Explanation, Waiting
from operations.explain import explain as explained


def explain(
    key: Annotated[str, typer.Argument(help="A root key, an order's number, a document's number or a message key.")],
    as_json: AsJson = False,
) -> None:
    """Why a key is where it is, and what would move it."""
    found = explained(settings(), key)
    if as_json:
        print_json(found)
        return
    for each in found.keys:
        _print(each)
    _print_silences(found)


def _print(found: Explained) -> None:
    out().print(found.key, style="bold", markup=False)
    for waiting in found.waiting:
        out().print(f"\nat {waiting.queue}@{waiting.connection}", markup=False)
        stands = {each.document_number for each in found.delivered if each.connection == waiting.connection}
        print_table(("what", "value"), facts(waiting, stands))
    for answer in found.asked:
        by = f"{answer.who}, {answer.why}" if answer.why else answer.who
        out().print(f"\n{answer.at:%Y-%m-%d %H:%M:%SZ}, asked by {by}: {answer.happened}", markup=False)
    for missing in found.not_read:
        before = f", {missing.before} events before it" if missing.before else ""
        place = f"{missing.topic}/{missing.partition}/{missing.offset}"
        out().print(f"not read by {missing.process} yet: {place}{before}", markup=False)
    for letter in found.dead_letters:
        out().print(f"dead letter of {letter.stage}: {letter.happened} {letter.to_do}", markup=False)
    if found.delivered:
        out().print("\ndelivered last")
        print_table(
            ("connection", "record", "document", "at", "says", "replay"),
            (
                (each.connection, each.record, each.document_number, each.at, each.happened, each.replay[:8])
                for each in found.delivered
            ),
        )
    for id_, asked in found.replays.items():
        why = f": {asked.why}" if asked.why else ""
        out().print(f"\nreplay {id_[:8]} was asked for by {asked.who}{why}", markup=False)
    out().print("\nwhat would move it")
    print_table(("command", "says"), ((each.command, each.says) for each in found.moves))


def facts(waiting: Waiting, stands: Collection[str]) -> list[tuple[str, object]]:
    """What is known of the head of a key; `stands` are the numbers of its documents that were delivered there."""
    # what was redriven or released says why it stood before
    happened = "before" if waiting.state == State.READY else "happened"
    state = f"{waiting.state} ({waiting.cause})" if waiting.cause else waiting.state
    lease = f"{waiting.lease_owner} until {waiting.lease_until:%H:%M:%S}Z" if waiting.lease_until else ""
    pause = waiting.pause
    facts: list[tuple[str, object]] = [
        ("record", waiting.record),
        ("state", state),
        ("since", waiting.since),
        (happened, waiting.happened),
        ("to do", waiting.to_do if waiting.state != State.READY else ""),
        ("tried", waiting.attempts),
        (
            "next try",
            waiting.due if waiting.circuit_open_since is None and not pause and not waiting.stranger else None,
        ),
        ("in the hands of", lease),
        ("behind it", waiting.behind),
        ("paused", f"by {pause.who}, {pause.why or 'no reason given'}" if pause else ""),
        ("stopped", waiting.stranger),
        ("target away since", waiting.circuit_open_since),
        ("money", ", ".join(f"{amount:,.2f} {currency}" for currency, amount in waiting.money.items())),
        ("document", _document(waiting, stands)),
        ("dead letter", waiting.dead_letter),
        ("part of replay", waiting.replay[:8]),
        ("told by", waiting.told_by if waiting.told_by != "store" else ""),
    ]
    return [(name, value) for name, value in facts if value not in {None, ""}]


def _document(waiting: Waiting, stands: Collection[str]) -> str:
    """A number is known before anything is sent: what is refused has one, and no document."""
    number = waiting.document_number
    if not number or number in stands:
        return number
    if waiting.state in {State.SENDING, State.UNKNOWN}:
        return f"{number}, nobody knows yet whether it stands"
    return f"none there; tried as {number}"


def _print_silences(found: Explanation) -> None:
    for silence in found.not_asked:
        out().print(f"Not asked: {silence.source} ({silence.why}).", style="dim", markup=False)
