"""The text of docs/reference/benchmarks.md, from the kept results; pure, so that a test can hold the page to them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

#: Folder of the plots, beside the page.
FILES: Final = "benchmarks"
#: What each question asks, in the page's order.
QUESTIONS: Final[Mapping[str, str]] = {
    "transform": "How many orders a second go from one topic to another, beside what people would use instead?",
    "gateway": "How many webhooks a second are accepted, beside a bare application that only produces them?",
    "end_to_end": "How long does it take from a webhook to the ERP, and from a changed row to the store?",
    "delivery": "How fast is delivery, what do its promises cost, and does a million parked rows slow it down?",
    "catch_up": "How long does a million waiting events take, and does memory grow meanwhile?",
    "recovery": "How long is it quiet after a kill, and how long does a cold start with a million keys take?",
    "cost": "How many processor seconds do a million events cost, by stage?",
    "growth": "What becomes of throughput with more keys, more parked rows, more partitions?",
    "mapping": "How long does a mapping take beside the same one by hand, in JSONata and in JMESPath?",
}
HEAD: Final = """# Benchmarks

Made by `make bench` from `benchmarks/results/*.json`, not by hand. Contenders run in turn, round after round, each in
processes of its own; told is the median of the rounds, in brackets the least and the most. **Ratios are taken within a
round**, so that a busy machine troubles both sides of one; they are what to look at. Processor time is the system's own
account of the contender's processes, without the broker's. A figure is made again by the command above its table;
`make bench QUESTION=transform` asks one question, `make bench-quick` all of them in a few minutes, keeping nothing.
"""

Result = Mapping[str, Any]


def page(results: Mapping[str, Result]) -> str:
    """The whole page."""
    parts = [HEAD, *("\n".join(_section(name, result)) + "\n" for name, result in results.items())]
    return "\n".join(parts)


def _section(name: str, result: Result) -> Iterator[str]:
    environment = result["environment"]
    yield f"## {name}"
    yield ""
    yield QUESTIONS[name]
    yield ""
    yield f"    {environment['command']}"
    yield ""
    yield f"![{name}]({FILES}/{name}.svg)"
    yield ""
    yield from _contenders(result["contenders"])
    for contender, why in result.get("skipped", {}).items():
        yield f"Skipped: **{contender}**, {why}"
        yield ""
    yield from _ratios(result["ratios"], result.get("wanted", {}))
    facts = (f"{key} {_fact(value)}" for key, value in environment.items() if key != "command")
    yield f"*{'; '.join(facts)}.*"


def _contenders(contenders: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    figures = list(dict.fromkeys(figure for each in contenders.values() for figure in each))
    yield f"| contender | {' | '.join(figures)} |"
    yield f"|---|{'---:|' * len(figures)}"
    for name, each in contenders.items():
        yield f"| {name} | {' | '.join(_spread(each.get(figure)) for figure in figures)} |"
    yield ""


def _ratios(ratios: Mapping[str, float], wanted: Mapping[str, float]) -> Iterator[str]:
    yield "| ratio | | wanted |"
    yield "|---|---:|---|"
    for name, value in ratios.items():
        goal = wanted.get(name)
        if goal is None:
            yield f"| {name} | {_number(value)} | |"
        else:
            met = value <= -goal if goal < 0 else value >= goal
            text = f"at {'most' if goal < 0 else 'least'} {abs(goal):g}" + ("" if met else ", **missed**")
            yield f"| {name} | {_number(value)} | {text} |"
    yield ""


def _spread(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return ""
    return f"{_number(spread['median'])} ({_number(spread['min'])} to {_number(spread['max'])})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _fact(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
