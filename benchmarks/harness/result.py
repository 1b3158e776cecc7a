"""What a question's answer looks like on disk, and how it is made of the rounds; the same for every question."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

RESULTS: Final = Path(__file__).parents[1] / "results"
#: Where a short run leaves its answer, so that it never stands in the place of a kept one.
PASSING: Final = Path(__file__).parents[2] / ".cache" / "benchmarks"

EVENTS_PER_S: Final = "events_per_s"
CPU_US_PER_EVENT: Final = "cpu_us_per_event"

#: What one run of a contender came to, by figure: the two above and whatever else the question asks
#: (`p99_ms`, `peak_memory_mb`), the unit in the name.
Figures: TypeAlias = Mapping[str, float]
#: By contender, one for each round.
Found: TypeAlias = Mapping[str, Sequence[Figures]]


class Spread(msgspec.Struct, frozen=True):
    """Of the rounds."""

    min: float
    median: float
    max: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The file; a question that tells more extends it."""

    environment: dict[str, Any]
    #: By contender and figure.
    contenders: dict[str, dict[str, Spread]]
    #: Median of the rounds' own ratios: what troubled a round troubled both sides of it.
    ratios: dict[str, float]
    #: Ratio to what is wanted of it; negative: at most.
    wanted: dict[str, float] = {}
    #: Contender to why it could not run here.
    skipped: dict[str, str] = {}


def spreads(found: Found) -> dict[str, dict[str, Spread]]:
    """Minimum, median and maximum of each figure of each contender."""
    return {
        name: {figure: spread([run[figure] for run in runs]) for figure in runs[0]}
        for name, runs in found.items()
        if runs
    }


def spread(values: Sequence[float]) -> Spread:
    """Of one figure."""
    return Spread(min(values), statistics.median(values), max(values))


def ratio(found: Found, name: str, to: str, figure: str = EVENTS_PER_S) -> float:
    """One contender's figure by another's, round by round; the median."""
    return statistics.median(mine[figure] / theirs[figure] for mine, theirs in zip(found[name], found[to], strict=True))


def percentile(values: Sequence[float], percent: int) -> float:
    """Of the values, at least so many percent are no larger."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def met(result: Result, name: str) -> bool:
    """Whether a ratio is what is wanted of it."""
    wanted, value = result.wanted.get(name), result.ratios[name]
    return wanted is None or (value <= -wanted if wanted < 0 else value >= wanted)


def write(question: str, result: Result, *, kept: bool) -> Path:
    """Write the answer; one that is not to be kept goes where it is in nobody's way."""
    path = (RESULTS if kept else PASSING) / f"{question}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(_rounded(result)), indent=2) + b"\n")
    return path


def tell(question: str, result: Result, *, kept: bool) -> int:
    """Write it, say it line by line; 1 where a ratio is not what is wanted of it, else 0."""
    for name, figures in result.contenders.items():
        print(f"{name:34} {told({figure: each.median for figure, each in figures.items()})}")
    for name, why in result.skipped.items():
        print(f"{name:34} skipped: {why}")
    missed = [name for name in result.ratios if not met(result, name)]
    for name, value in result.ratios.items():
        wanted = result.wanted.get(name)
        goal = "" if wanted is None else f"{'at most' if wanted < 0 else 'at least'} {abs(wanted):g}"
        print(f"{name:48} {value:8.2f}  {goal:14} {'MISSED' if name in missed else ''}")
    print(f"{write(question, result, kept=kept)} written", flush=True)
    return 1 if missed else 0


def told(figures: Figures) -> str:
    """The figures of a run in a line."""

    def figure(name: str, value: float) -> str:
        if name == EVENTS_PER_S:
            return f"{value:9,.0f}/s" if value >= 100 else f"{value:9.3g}/s"
        if name == CPU_US_PER_EVENT:
            return f"{value:8,.1f} us CPU/event"
        return f"{name} {value:,.4g}"

    return "  ".join(figure(name, value) for name, value in figures.items())


def _rounded(result: Result) -> Any:
    """Four digits, as no figure here is better than that and the differences of two files should be readable."""

    def plain(value: Any) -> Any:
        match value:
            case float():
                return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
            case dict():
                return {key: plain(each) for key, each in value.items()}
            case list():
                return [plain(each) for each in value]
            case _:
                return value

    return plain(msgspec.to_builtins(result))
