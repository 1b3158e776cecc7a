"""Every code that an outcome or dead letter can carry has a sentence that says what to do."""

import ast
import re
from pathlib import Path

import pytest

from connect.identity import Verdict
from consumers.clarity.rules import StatusStep
from delivery.acts import CODES
from delivery.states import State
from operations.outcomes import STATES
from operations.sentences import CATALOGUE, PLACEHOLDER, WITHOUT_VALUES, sentence

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("bus", "connect", "consumers", "delivery", "errors.py", "producers", "streams")
#: Raised with a code of their own as the first argument.
ERRORS = {
    "RetryableError",
    "UnknownOutcomeError",
    "RejectedError",
    "RefusedError",
    "TooLateError",
    "FatalError",
    "StrangerError",
}
#: Functions that are told a code among their arguments.
TOLD = {"still_unknown", "for_a_person", "of_expired", "of_replaced"}
#: These say something in a log, where a code is a field like any other.
LOGS = {"debug", "info", "warning", "error", "exception", "critical"}
CODE = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z0-9_]+)?")
STRANGERS = {each.value for each in Verdict} - {Verdict.SAME.value}
#: Codes that are put together: where that is done, and what can come out.
PUT_TOGETHER = {
    "step.value": {step.value for step in StatusStep} - {StatusStep.ACT.value},
    "state.value": {State.MERGED.value, State.SUPERSEDED.value},
    "f'{step.value}_timed_out'": {"prepare_timed_out", "find_timed_out"},
    "f'gp.{reported[0]}'": {"gp.67", "gp.90023"},
    "CODES[command.act]": set(CODES.values()),
    "found.value": STRANGERS,
    "met.value": STRANGERS,
    "Verdict.BEHIND.value": STRANGERS,
    "_DONE[work.step]": {"created", "updated", "voided"},
}
#: Handed on from an error or a decision, whose codes are found where they are made.
HANDED_ON = {"code", "error.code", "answer.code", "letter.code", "settlement.code", "turn.code"}


def expressions() -> dict[str, list[str]]:
    """Everything that stands where a code stands, with where."""
    found: dict[str, list[str]] = {}
    for path in (
        each
        for stage in STAGES
        for each in sorted((ROOT / stage).rglob("*.py") if "." not in stage else [ROOT / stage])
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for expression in codes_in(node):
                where = f"{path.relative_to(ROOT)}:{expression.lineno}"
                for part in (
                    (expression.body, expression.orelse) if isinstance(expression, ast.IfExp) else (expression,)
                ):
                    text = part.value if isinstance(part, ast.Constant) else ast.unparse(part)
                    found.setdefault(str(text), []).append(where)
    return found


def codes_in(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.FunctionDef) and node.name in {"leave_out", "not_from_a_store"}:
        returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value is not None]
        return [value for value in returned if not (isinstance(value, ast.Constant) and value.value is None)]
    if not isinstance(node, ast.Call):
        return []
    name = (
        node.func.id
        if isinstance(node.func, ast.Name)
        else node.func.attr
        if isinstance(node.func, ast.Attribute)
        else ""
    )
    if name in ERRORS:
        return node.args[:1]
    if name in TOLD:
        return [each for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if name in LOGS:
        return []
    return [keyword.value for keyword in node.keywords if keyword.arg == "code"]


def test_every_code_of_the_code_base_has_a_sentence() -> None:
    missing = {
        text: where
        for text, where in expressions().items()
        if text not in CATALOGUE and text not in PUT_TOGETHER and text not in HANDED_ON and text != "None"
    }

    assert missing == {}


def test_codes_that_are_put_together_have_sentences() -> None:
    assert {code for codes in PUT_TOGETHER.values() for code in codes} - CATALOGUE.keys() == set()


def test_codes_are_looked_for_where_they_stand() -> None:
    """The collection itself works: it finds what is known to be there."""
    assert expressions().keys() >= {
        "gp.away",
        "total_of_sites",
        "no_store_order",
        "several",
        "clarity.throttled",
        "older",
    }


def test_every_number_of_the_simulator_has_a_sentence() -> None:
    lines = (ROOT / "sandbox" / "dynamics_gp" / "error_codes.txt").read_text(encoding="utf-8").splitlines()
    numbers = {line.split("|")[0].strip() for line in lines if line and not line.startswith("#")}

    assert len(numbers) > 40
    assert {f"gp.{number}" for number in numbers} - CATALOGUE.keys() == set()


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_each_sentence_says_what_happened_and_what_to_do(code: str) -> None:
    happened, to_do = CATALOGUE[code]

    assert CODE.fullmatch(code)
    assert happened[0].isupper() or PLACEHOLDER.match(happened)
    assert happened.endswith(".")
    assert to_do.endswith(".")


def test_values_are_filled_in_and_missing_ones_show() -> None:
    said = sentence("gp.no_number", {"document_id": "WEB"})
    lacking = sentence("gp.no_number", {})

    assert said.happened == "GP gave no next number for the document id WEB."
    assert lacking.happened == "GP gave no next number for the document id ?."


def test_unknown_code_still_names_itself_and_its_values() -> None:
    said = sentence("sl.4711", {"item": "SKU-77"})

    assert "sl.4711" in said.happened
    assert "item=SKU-77" in said.happened
    assert said.to_do


def test_unknown_number_of_gp_says_where_gp_explains_it() -> None:
    assert "taErrorCode" in sentence("gp.4711", {}).to_do


def test_what_a_store_refuses_need_be_no_order() -> None:
    said = sentence("clarity.refused", {"reply": "no such section"})

    assert said.happened == "The store refused it: no such section."
    assert "order" not in said.to_do


def test_refusal_of_gp_names_the_item_where_it_is_known() -> None:
    named = sentence("gp.90023", {"item": "SKU-77"}).happened

    assert named == "Dynamics GP refused the document: an item is unknown (90023): item SKU-77."
    assert (
        sentence("gp.483", {"item": "SKU-77"}).happened
        == "Dynamics GP refused the document: the currency is unknown (483)."
    )
    assert sentence("gp.90023", {}).happened == "Dynamics GP refused the document: an item is unknown (90023)."


def test_row_that_met_another_system_is_told_without_the_values_it_does_not_have() -> None:
    for code in WITHOUT_VALUES:
        assert "?" not in sentence(code, {"connection": "gp-two"}).happened


def test_states_the_pages_ask_outcomes_for_are_there() -> None:
    pages = "".join(page.read_text() for page in (*Path("docs").rglob("*.md"), Path("README.md"))) + "".join(
        page.read_text() for page in Path("operations").rglob("*.py")
    )
    asked = set(re.findall(r"outcomes [^`\n]*--state ([a-z]+)", pages))

    assert {"circuit", "identity", "unknown"} <= asked <= set(STATES)
